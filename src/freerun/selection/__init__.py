"""Selection: what is tried for a series, and what wins.

In come settings, the training series and its profile,
out go candidates with nothing left to choose, the best first.

policies    what is worth trying for such a series, and with how much effort
candidates  from proposals of a policy to settings
smoothers   exponential smoothers that stand against networks
holdout     which parts of the series are left out of a fit in turn
judge       how good free runs of a candidate are on these parts
attractor   how much long runs resemble the series
system_parameters  how good free runs are at values of a parameter that are left out of a fit
race        all candidates get a little effort, the good ones more
choosing    selection from end to end

The final fit belongs to `freerun.fitting`.
"""
