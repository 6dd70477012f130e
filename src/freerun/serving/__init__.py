"""The service: trained models over HTTP, as `freerun serve` starts it (extra `serve`).

In: model files, and requests with series. Out: forecasts, free runs and predictions as JSON or CSV, and models that
have read further steps. Fitting does not belong here, and neither does computation: each operation calls the function
of `freerun.forecasting` that `freerun.RNN` calls. Requests are computed in processes, so that the service answers while
they run, and so that a computation that takes too long can be ended.

messages    what requests and answers hold; the OpenAPI document is made from it
problems    refusals of requests, as problem details (RFC 9457)
negotiation which media type a request has, and which one its answer gets
reading     reads a request from query and body, and series from its tables
operations  what is done with a model: forecast, generate, predict, update
work        one operation from the bytes of a request to those of its answer, in a process
pool        the processes, the queue in front of them, and limits of time and number
shelf       the models that are served, by name
openapi     the OpenAPI document; manual makes a page to read from it
gate        middleware: tokens, hosts, origins, and a line of log for each request
app         the routes
server      listens on an address until it is told to stop
"""
