"""The networks: what they are, how they begin, and how they run.

`network` and `cells` are the networks themselves, frozen dataclasses of arrays, and `initial` draws them. These three
know nothing of JAX, so that a model can be read and run where JAX has not been imported.

`jax_runs` runs a network in JAX, with derivatives: `recurrence` holds the loops, `parallel` the same in pieces side by
side, and `jax_cells` and `updates` what a cell does in a step. To JAX, a network is a tree of arrays: see `pytrees`.

Import from the modules.
"""
