"""Selection: what is tried for a series, and what wins.

In come the settings and the training series, out go settings with nothing left open, the best first.

profile    what the series is: steps, channels, seasons, noise
policies   what is worth trying for such a series, and with how much effort
holdout    which parts of the series are left out of a fit in turn, for free runs to be judged on
judge      how good free runs of a candidate are on these parts
race       the effort: all candidates get a little, the good ones more
"""
