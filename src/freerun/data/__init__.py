"""From what a user has to a checked `Series`, and back.

In: files, pipes, tables, arrays. Out: a `Series` (or several), and its values in the units of a network.

`io` reads a format into a `Table`; `timecolumn`, `numerals` and `dates` say what its columns mean; `rows` are numbers
with names and times as they came; `timeline`, `months` and `steps` put them onto a regular grid; `series` holds the
result. `alignment` matches names and times, `panel` and `stored` hold several series and large files, `oddities` names
readings that look wrong, `scaling` and `seasons` are what a network needs to know of a series.

What does not belong here: anything that knows of networks, training or forecasts.
"""
