"""Data: converts files, tables and arrays to a validated `Series`,
and a `Series` to files and standardised values.

intake       converts any input to `Rows`; interchange converts tables and arrays of other libraries
io/          reads and writes files, one module for each format
table        holds named columns; columns has helpers for their cells
wide         rejects tables in wide format
timecolumn   finds the column of times; dates, clocks, months and monthnames parse it
numerals     parses numbers
dateparts    reads times from columns of their parts, such as year and week
rows         holds values with names and times, in their original order
steps        sorts rows by time and places them on a regular grid; timeline continues times
irregular    has the lengths of irregular steps, which networks read
series       holds the validated time series
alignment    matches channels by name and steps by time
panel        holds several series; stored reads a file that is larger than memory in parts
oddities     reports values that look wrong; learnable refuses series that cannot be learned
scaling      standardises values and inverts it; seasons finds the seasonal periods of a series
profile      measures what a training series is: steps, channels, seasons, noise
arrays       helpers for arrays of values

Code that depends on networks, training or forecasts does not belong here.
"""
