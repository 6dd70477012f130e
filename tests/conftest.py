"""Types and array shapes of the network's rooms are checked at run time in all tests.

Compiled programs are kept in a folder that lasts as long as the tests, so that nobody's own is touched.
"""

import os
import tempfile

from jaxtyping import install_import_hook

CHECKED = [
    f"freerun.{room}"
    for room in (
        "cells",
        "recurrence",
        "network",
        "initial",
        "forcing",
        "objective",
        "optimizers",
        "training",
        "metrics",
        "model",
        "series",
        "timeline",
        "validation",
        "forecasting",
        "evaluation",
        "intervals",
        "modelfile",
        "scaling",
        "systems",
    )
]

_hook = install_import_hook(CHECKED, "typechecking.checked")

_compiled = tempfile.TemporaryDirectory(prefix="freerun-tests-")
os.environ["FREERUN_CACHE"] = _compiled.name
