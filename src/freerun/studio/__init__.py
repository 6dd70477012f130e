"""The studio: a local page to train a network, watch it learn and let it run.

Data flows one way here too: `store` keeps runs in a folder, `worker` trains one in a process of its own, `jobs` starts
and stops workers, `charts` says how to draw, the panes put it on the page, and `guard` stands at the door.
"""
