"""Reports: HTML pages of text, tables and pictures, each a single file.

In: a fitted estimator and its series. Out: a page that says what was read, what was
chosen, what comes next and how far to trust it. Computing with networks does not belong
here: all numbers come from the estimator.

page      `Report`, a page that is built part by part
outlook   `Outlook`, what a fit says about the future of a series: forecast, backtest, residuals
findings  what an outlook means, in sentences and in tables of two columns
tables    the forecast step by step, and the scores of a backtest
fit       puts an outlook on a page
recipe    `Recipe`, the command and the Python code that repeat a fit and its report
"""
