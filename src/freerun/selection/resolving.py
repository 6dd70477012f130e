"""What the settings leave open and no policy fills in: the one place where defaults are decided."""

from __future__ import annotations

from typing import Any

import numpy as np

from freerun.selection.policies import FEWEST_UNITS, MOST_RECURRENT, MOST_UNITS, UNITS_PER_STEP
from freerun.settings import Settings

UNITS = 15
"""Hidden units of networks that are trained as a whole, as in the tutorial."""


def resolved(settings: Settings, steps: int) -> Settings:
    """The settings with all that is left open filled in by rule, for a training series of so many steps."""
    ridge = settings.method == "ridge"
    levenberg = settings.method == "levenberg-marquardt"
    filled: dict[str, Any] = {
        "hidden": default_units(steps) if ridge else UNITS,
        "cell": "simple",
        "delays": 1,
        "difference": 0,
        "initial": "reservoir" if ridge else "glorot",
        "optimizer": settings.method,
        "l2": 0.0,
        "input_noise": 0.0,
        "members": 1,
        "restarts": max(4 if levenberg else 1, settings.members or 1),
    }
    filled = {name: value for name, value in filled.items() if getattr(settings, name) is None}
    if settings.washout is None:
        cell, memory = settings.cell or "simple", settings.with_(**filled).memory
        filled["washout"] = max(memory, min(100, steps // 10) if ridge and cell != "memoryless" else 0)
    return settings.with_(**filled)


def default_units(steps: int) -> int:
    """Two units for three steps, within limits."""
    return int(np.clip(round(UNITS_PER_STEP * steps), FEWEST_UNITS, MOST_UNITS))


def all_units(settings: Settings, cell: str | None, steps: int) -> int:
    """The units of a candidate with this cell: those asked for, or the default."""
    if settings.hidden is not None:
        return settings.hidden
    units = default_units(steps)
    return units if cell == "memoryless" else min(MOST_RECURRENT, units)


def fewest_units(steps: int) -> int:
    """With how few units a candidate is judged."""
    return min(FEWEST_UNITS, default_units(steps))


def is_open(settings: Settings) -> bool:
    """Whether anything that free runs choose is left open, for a readout solved by ridge regression."""
    names = ["cell", "delays", "input_scale", "l2"]
    if settings.cell == "leaky":
        names += ["leak"]
    if settings.cell not in (None, "memoryless"):
        names += ["spectral_radius"]
    return any(getattr(settings, n) is None for n in names) or max(settings.restarts or 1, settings.members or 1) > 1
