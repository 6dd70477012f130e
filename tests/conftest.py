"""Types and array shapes of the network's rooms are checked at run time in all tests."""

from jaxtyping import install_import_hook

CHECKED = [
    f"freerun.{room}"
    for room in (
        "cells",
        "recurrence",
        "network",
        "initial",
        "objective",
        "optimizers",
        "training",
        "metrics",
        "model",
        "forecasting",
        "modelfile",
        "scaling",
        "systems",
    )
]

_hook = install_import_hook(CHECKED, "typechecking.checked")
