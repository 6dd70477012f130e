"""Forecasting with trained networks.

The functions take a model and series, and return predictions, free runs, intervals and scores.
None changes weights, but for `learning`.

model       the result of a fit
words       a model in words
modelfile   model files
forecast    point forecasts with their intervals, and the table of them
runs        one-step predictions and free runs
enduring    whether long free runs stay in the range of the series, and vary as it does
learning    readouts that learn from new steps
intervals   forecasts with prediction intervals, and sample paths
short_runs  errors of short runs, by which p-values are calibrated
pvalues     p-values of errors, and their combination
anomalies   what is found in a series: p-values and intervals of time
scanning    comparison of a series with forecasts, which finds anomalies
evaluation  scores of a model
baselines   simple forecasts, for comparison
export      a trained network as a StableHLO program
onnx_export  trained networks as ONNX programs
"""
