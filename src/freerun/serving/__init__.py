"""The service: trained models over HTTP, as `freerun serve` starts it (extra `serve`).

In: model files, and requests with series. Out: forecasts, free runs and predictions as JSON or
CSV, and models that have read further steps. Fitting does not belong here, and neither does
computation: each operation calls the function of `freerun.forecasting` that `freerun.RNN`
calls. Requests are computed in processes. The service therefore answers while they run, and
can end a computation that takes too long.

messages    fields of requests and answers; the OpenAPI document is made from them
problems    refusals of requests, as problem details (RFC 9457)
negotiation media types of requests and answers
reading     reads a request from query and body, and series from its tables
operations  forecast, generate, predict or update a model
work        computes an answer from a request, in a process
pool        the processes, the queue in front of them, and limits of time and number
served      the models that are served, by name
openapi     the OpenAPI document
manual      the same as a page for people to read
gate        middleware: tokens, hosts, origins, and a line of log for each request
app         the routes
server      listens on an address until it is told to stop
"""
