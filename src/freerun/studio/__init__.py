"""The studio: two local web pages, one that forecasts a series and one on
which to train networks (extra `studio`).

In: files that are dropped on a page, and the entries of its controls. Out: folders of forecasts and
of trained networks. A page computes nothing. Processes of their own read, fit and run free, and a
page shows the files that they leave.

forecast/  the page "What comes next?": a forecast, and how far to trust it
learn/     the page "Watch it learn": train a network, watch it, let it run
page       the server of both pages
records    what was started: an SQLite database, and for each record a folder of JSON files
jobs       starts and stops the processes of records, and records how they ended
reading    how a file is read, and what was found in it; intake does it in a process
uploads    files that are dropped on a page
guard      middleware that checks tokens, hosts and origins of requests
charts     options of ECharts
elements   messages and charts on a page
"""
