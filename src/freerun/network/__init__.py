"""Networks: their weights, their initialization, and their runs.

The functions take arrays of weights and standardized values, and return predictions and free runs.

lattice     the sites of a field, and which of them a site reads
shape       the architecture of a network
network     the network: a window of past values, layers of cells, and a readout
cells       one class for each kind of cell, with its step in NumPy
initial     initial weights
topologies  the recurrent connections of reservoirs
sparse      sparse matrices of recurrent weights
numpy_runs  runs in NumPy, in batches
ridge       ridge regression of readouts
assimilation  states behind noisy measurements, given a network
reading     what a network makes of a series that it reads to its end
errors_in_variables  readouts solved from noisy measurements
normal_equations  the same for wide networks, by sums of products
smoothing   networks of exponential smoothers, whose readout is their likelihood
jax_runs    runs in JAX, with derivatives
engines     the choice between NumPy and JAX for a free run
recurrence  loops over steps in JAX, with their derivative rules
parallel    the same loops, parallel in time
updates     elementwise updates of cells, with their derivative rules
jax_cells   one rule for each kind of cell in JAX
onnx_steps  the step of a network as nodes of an ONNX graph
onnx_filter  the filter of noisy measurements as nodes of an ONNX graph
onnx_cells  one rule for each kind of cell in ONNX
onnx_graph  ONNX graphs, written as formulas
pytrees     registration of networks as pytrees
seasonal    seasonal terms of a series
monomials   monomials of numbers

`nonlinearities` has those of NumPy. The modules from `lattice` to `smoothing`, those of ONNX, and
`seasonal` do not import JAX. This package does not know series, settings or training.
"""
