"""The page "What comes next?": a forecast of a series from a file, and how far to trust it.

In: a table that is dropped or pasted, how it is read, and what is asked. Out: a folder of
forecasts, each with its model, its table, its picture and its report. What is said of a forecast
does not belong here: sentences, facts and tables are those of `freerun.reporting`.

store      `Forecasts` that were asked for, and `ForecastJobs`, the processes that make them
worker     makes one forecast in a process
view       what a page shows of an outlook, as values of JSON
pictures   the charts of a view
downloads  the files of a forecast, for download
questions  what is asked when a table cannot be read
examples   series to try the page with
desk       the state of one open page
*_pane     the parts of the page: table_pane, reading_pane and ask_pane for the question,
           chosen_pane for what is shown, and the results: result_pane, next_pane, past_pane,
           errors_pane, network_pane and takeaway_pane
page       puts the panes together
"""
