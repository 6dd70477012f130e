"""Optional packages: which extra brings them, and what to do when one is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from freerun.errors import MissingExtraError

Extra = Literal["train", "search", "studio", "serve", "onnx", "excel", "sktime", "systems"]
"""Name of an extra, as in `pip install 'freerun[train]'`."""

PACKAGES: dict[Extra, tuple[str, ...]] = {
    "train": ("jax", "equinox", "optax", "flatbuffers"),
    "search": ("optuna", "distributed", "psutil", "psycopg"),
    "studio": ("nicegui",),
    "serve": ("starlette", "uvicorn"),
    "onnx": ("onnx",),
    "excel": ("openpyxl",),
    "sktime": ("sktime",),
    "systems": ("dysts",),
}
"""The packages that each extra installs, by the names under which they are imported."""

PURPOSES: dict[Extra, str] = {
    "train": "training of all weights, Lyapunov exponents, StableHLO",
    "search": "search and sweeps, Dask workers",
    "studio": "the page of freerun studio",
    "serve": "the service of freerun serve",
    "onnx": "export to ONNX",
    "excel": "reading spreadsheets",
    "sktime": "the forecaster for sktime",
    "systems": "systems of the dysts collection",
}
"""What each extra is for."""


def missing(extra: Extra) -> tuple[str, ...]:
    """The packages of an extra that are not installed."""
    return tuple(name for name in PACKAGES[extra] if find_spec(name) is None)


def require(extra: Extra, task: str, instead: str = "") -> None:
    """Check that the packages of an extra are installed.

    Args:
        extra: name of the extra.
        task: what needs it, as the subject of a sentence that goes on with "needs".
        instead: what can be done without it, as the end of a sentence.

    Raises:
        MissingExtraError: a package is missing.
    """
    if not (absent := missing(extra)):
        return
    are = "is" if len(absent) == 1 else "are"
    names = absent[0] if len(absent) == 1 else f"{', '.join(absent[:-1])} and {absent[-1]}"
    or_else = f", or {instead}" if instead else ""
    raise MissingExtraError(f"{task} needs {names}, which {are} not installed: pip install 'freerun[{extra}]'{or_else}")
