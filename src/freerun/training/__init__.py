"""Training: all weights of networks are trained, by gradient methods, BFGS or Levenberg-Marquardt.

A plan and series go in. Trained networks, with the history of their errors, come out.

supervised   inputs and targets
sources      data sources: all data at each update, or random stretches of a file larger than memory
forcing      teacher forcing: what a network reads in training
sensitivity  the Jacobian of the errors, computed from short pieces of the run
objective    the mean squared error under a forcing, plus penalties
optimizers/  gradient methods, BFGS and Levenberg-Marquardt
placement    on the CPU or on a GPU, step by step or parallel in time
validation   free runs on held-out steps
history      the history of a fit, its progress, and its result
monitor      measures errors, keeps the best weights, drops networks that fail, reports progress
checkpoint   the checkpoint file of a fit
resuming     the state of training in a checkpoint
loop         the training loop, from series to trained networks

`freerun.selection` decides which settings are tried. Readouts that are solved by ridge regression
need none of this: see `freerun.network.ridge`.
"""
