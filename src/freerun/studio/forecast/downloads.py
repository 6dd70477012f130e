"""Downloads of a forecast."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from freerun.errors import FreerunError
from freerun.studio.forecast.store import Forecasts

FILES = {
    "csv": "forecast.csv",
    "all.csv": "../forecasts.csv",
    "data.csv": "data.csv",
    "png": "forecast.png",
    "freerun": "model.freerun",
    "html": "report.html",
}
"""Files in the folder of a series, by the suffix that is asked for."""


def download(store: Forecasts, request: Request) -> Response:
    """Answer the request for a file of a forecast; only its own files can be requested."""
    try:
        number = store.get(int(request.path_params["number"])).id
        path = store.place_of(number, int(request.path_params["place"])) / FILES[request.path_params["suffix"]]
    except (FreerunError, ValueError, KeyError, OverflowError):
        return PlainTextResponse("not found", 404)
    if not path.exists():
        return PlainTextResponse("it is not there yet", 404)
    return FileResponse(path)
