"""From what a user has to a checked `Series`, and back.

In: files, tables, arrays. Out: a `Series` (or several), and its values in the units of a network.

`timeline` knows times, `series` holds values with names and times, `panel` several series, `stored` a file that is read
a part at a time, `io` the formats of files, `scaling` and `seasons` what a network is told of a series.

What does not belong here: anything that knows of networks, training or forecasts.
"""
