"""Recipes: what is tried for the settings that are left open.

The grid and the rules are the same for every series of a kind: a short one, a long one, or a sample of a system.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from freerun.data.seasons import season_of
from freerun.data.series import Series
from freerun.holdout import FOLDS, held_out, sample_of_system
from freerun.settings import SHORT, Settings

PENALTIES = tuple(10.0**-exponent for exponent in range(14, 0, -1))
PENALTIES_OF_SHORT = (*PENALTIES, 1.0, 10.0, 100.0)
"""Penalties to choose from; short series may be all noise."""

WINDOWS = ((3, 1), (6, 1), (12, 1), (25, 1), (50, 1), (8, 3), (16, 2), (16, 4), (8, 8))
WINDOWS_OF_SHORT = ((3, 1), (6, 1), (12, 1), (25, 1), (8, 3))
"""Windows of the grid: how many values, and how many steps apart; on short series also one of a season and a step."""

LEAKS = ((0.1, 0.5), (0.3, 0.9), (0.8, 0.9))
"""Leaky reservoirs of the grid: leak and spectral radius."""

SCALES, SCALES_OF_SHORT, SCALES_OF_SAMPLE = (0.3, 1.0), (0.1, 0.3, 1.0), (0.3, 1.0, 3.0, 10.0)
"""Input scales of the grid."""

NOISE_OF_SAMPLE = 3e-3
"""Noise on the inputs in the grid for a sample of a system, in standard deviations."""

NOISES = (1e-3, 3e-3, 1e-2)
"""Noise on the inputs to choose from, in standard deviations."""

LARGEST_RECURRENT = 500
"""Most units of a recurrent reservoir, whose free runs cost the square of them, unless more are asked for."""

PROBE, PROBE_OF_SHORT, PROBE_OF_SAMPLE = 300, 50, 500
"""Most units with which recipes are compared before the finalists get all of theirs."""

MEMBERS_OF_SHORT = 10
"""Networks to keep of a short series, on which the errors of recipes differ by chance."""

VARIED = ("cell", "delays", "input_scale", "leak", "spectral_radius", "input_noise", "difference")
"""The settings that recipes fill in, beside the units and the penalty."""


@dataclass(frozen=True)
class Recipes:
    """What can be tried on a training series.

    Attributes:
        settings: the given ones, which no recipe changes.
        steps: of the longest series.
        sample: whether it is a sample of a system.
        differences: the differences to try: none but for short series, where a trend or a season may be all there is.
        windows: the lags to try.
    """

    settings: Settings
    steps: int
    sample: bool
    differences: tuple[tuple[int, ...], ...]
    windows: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, settings: Settings, training: Sequence[Series]) -> Recipes:
        """The recipes for these series."""
        steps = max(map(len, training))
        season = season_of(training[0]) if steps < SHORT else None
        learned = min(map(len, training)) - FOLDS * held_out(settings, min(map(len, training)), choosing=True)
        differences: tuple[tuple[int, ...], ...] = ((),)
        if steps < SHORT:
            seasonal = ((season,), (1, season)) if season is not None and 3 * season <= learned else ()
            differences = ((), (1,), *seasonal)
        shapes = [*WINDOWS_OF_SHORT, *([(season + 1, 1)] if season else [])] if steps < SHORT else WINDOWS
        windows = dict.fromkeys(_window(*shape) for shape in shapes)
        fitting = tuple(lags for lags in windows if lags[-1] < steps // 4)
        return cls(settings, steps, sample_of_system(training), differences, fitting)

    @property
    def short(self) -> bool:
        """Whether the series is short."""
        return self.steps < SHORT

    @property
    def penalties(self) -> tuple[float, ...]:
        """The penalties to choose from."""
        if self.settings.l2 is not None:
            return (self.settings.l2,)
        return PENALTIES_OF_SHORT if self.short else PENALTIES

    def grid(self) -> Iterator[Settings]:
        """What is tried first, with few units."""
        cell = self.settings.cell
        recipes: list[dict[str, Any]] = []
        for scale in SCALES_OF_SAMPLE if self.sample else SCALES_OF_SHORT if self.short else SCALES:
            if cell in (None, "memoryless"):
                recipes += [
                    {"cell": "memoryless", "delays": lags, "input_scale": scale, "difference": difference or 0}
                    for difference in self.differences
                    for lags in self.windows
                ]
            if cell != "memoryless":
                recipes += [
                    {"cell": cell or "leaky", "delays": 1, "input_scale": scale, "difference": difference or 0}
                    | {"leak": leak, "spectral_radius": radius}
                    for difference in self.differences[: None if cell else 1]
                    for leak, radius in LEAKS
                ]
        noise = NOISE_OF_SAMPLE if self.sample else 0.0
        return self._filled(recipe | {"input_noise": noise} for recipe in recipes)

    def neighbours(self, best: Settings) -> Iterator[Settings]:
        """What differs a little from the best so far, with few units."""
        recipe = {name: getattr(best, name) for name in VARIED}
        assert best.input_scale is not None
        near = [recipe | {"input_scale": best.input_scale * factor} for factor in (0.5, 2.0)]
        lags = best.lags
        if len(lags) > 1:
            spacing = lags[1]
            for count, apart in (
                (math.floor(len(lags) * 0.75), spacing),
                (math.ceil(len(lags) * 1.33), spacing),
                (len(lags), spacing + 1),
                (len(lags), spacing - 1),
            ):
                if count > 1 and apart > 0 and (count - 1) * apart < self.steps // 4:
                    near.append(recipe | {"delays": _window(count, apart)})
        if best.cell == "leaky":
            assert best.leak is not None
            assert best.spectral_radius is not None
            near += [recipe | {"leak": leak} for leak in (best.leak / 2, min(0.95, best.leak * 2))]
            near += [recipe | {"spectral_radius": best.spectral_radius * factor} for factor in (0.7, 1.4)]
        near += [recipe | {"input_noise": noise} for noise in (*NOISES, 0.0)]
        return self._filled(near)

    def with_all_units(self, settings: Settings) -> Settings:
        """The same with all the units that are asked for, or that are the default."""
        return settings.with_(hidden=self._all_units(settings.cell))

    def _filled(self, recipes: Iterable[dict[str, Any]]) -> Iterator[Settings]:
        """Recipes as settings; what the settings say is not for a recipe to change."""
        for recipe in recipes:
            given = {n: v for n, v in recipe.items() if getattr(self.settings, n) is None}
            cell = given.get("cell", self.settings.cell)
            if cell != "leaky":
                given.pop("leak", None)
            if cell == "memoryless":
                given.pop("spectral_radius", None)
            probe = PROBE_OF_SAMPLE if self.sample else PROBE_OF_SHORT if self.short else PROBE
            yield resolved(self.settings.with_(**given, hidden=min(probe, self._all_units(cell))), self.steps)

    def _all_units(self, cell: str | None) -> int:
        units = self.settings.hidden or default_hidden(self.steps)
        if cell == "memoryless" or self.settings.hidden is not None:
            return units
        return min(LARGEST_RECURRENT, units)


def resolved(settings: Settings, steps: int) -> Settings:
    """The settings with all that is left open filled in by rule, for a training series of so many steps."""
    ridge = settings.method == "ridge"
    levenberg = settings.method == "levenberg-marquardt"
    filled: dict[str, Any] = {
        "hidden": default_hidden(steps) if ridge else 15,
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
    settings = settings.with_(**{n: value for n, value in filled.items() if getattr(settings, n) is None})
    if settings.washout is None:
        recurrent = min(100, steps // 10) if ridge and settings.cell != "memoryless" else 0
        settings = settings.with_(washout=max(settings.memory, recurrent))
    return settings


def default_hidden(steps: int) -> int:
    """Two units for three steps, from 50 to 1000; for short series in fifties, so that they share programs."""
    units = 2 * steps // 3
    return int(np.clip(units // 50 * 50 if steps < SHORT else units, 50, 1000))


def is_open(settings: Settings) -> bool:
    """Whether anything that free runs choose is left open, for a readout solved by ridge regression."""
    names = ["cell", "delays", "input_scale", "l2"]
    if settings.cell == "leaky":
        names += ["leak"]
    if settings.cell not in (None, "memoryless"):
        names += ["spectral_radius"]
    return any(getattr(settings, n) is None for n in names) or max(settings.restarts or 1, settings.members or 1) > 1


def members_of(settings: Settings, steps: int) -> int:
    """How many networks are kept, for a training series of so many steps."""
    if settings.members is not None:
        return settings.members
    if settings.method == "ridge" and steps < SHORT and is_open(settings):
        return min(MEMBERS_OF_SHORT, settings.restarts or MEMBERS_OF_SHORT)
    return 1


def _window(count: int, spacing: int) -> tuple[int, ...]:
    return tuple(range(0, count * spacing, spacing))
