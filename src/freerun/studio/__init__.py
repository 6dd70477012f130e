"""The studio: a local web page on which to train networks, watch training and look at free runs (extra `studio`).

In: series that are generated or uploaded, and settings from the controls. Out: a folder of runs, each with its series,
model, scores and curves. Training itself does not belong here: each run is trained by `freerun.RNN` in its own process.

store      runs in a folder: an SQLite database and one folder per run
worker     trains one run in a process; jobs starts, stops and watches such processes
runner     runs a network free in a process, on commands from the page
intake     reads an uploaded file in a process
guard      middleware that checks tokens, hosts and origins of requests
desk       the state of one open page
presets    controls and presets of the parameters
takeaway   commands and Python code that repeat a run
charts     options of ECharts
*_pane     the parts of the page: series_pane, network_pane, run_pane, and the tabs runs_pane, system_pane, free_pane
           and takeaway_pane
page       puts all together and serves it
"""
