"""The page "Watch it learn": train a network on a series, watch it, and let it run free.

In: series that are generated or uploaded, and settings from the controls. Out: a folder of runs,
each with its series, model, scores and curves. Training itself does not belong here: each run is
trained by `freerun.RNN` in its own process.

store      `Store`, the runs
worker     trains one run in a process; trainings starts and watches such processes
runner     runs a network free in a process, on commands from the page
desk       the state of one open page
presets    controls and presets of the parameters
takeaway   commands and Python code that repeat a run
*_pane     the parts of the page: series_pane, network_pane, run_pane, and the tabs runs_pane,
           system_pane, free_pane and takeaway_pane
page       puts the panes together
"""
