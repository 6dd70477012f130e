"""Choosing what the settings leave open, by free runs on the last part of the training series.

A recipe fills in what was left open. Each recipe is judged by free runs over the last part of the training series and
over as much before it, each left out of the fit in its turn; no later data, and no one-step error, has a say. Recipes
that differ only in the penalty come from one factorisation. First a grid is tried with few units, then the neighbours
of the best as long as that helps, then the finalists with all their units, and the winner with other seeds. The grid
and the rules are the same for every series.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import jax
import numpy as np

from freerun.cells import Array
from freerun.computing import computing, run, spread
from freerun.errors import SeriesError, SettingError, TrainingDiverged
from freerun.history import Progress, Watcher
from freerun.network import Network
from freerun.optimizers import Readout, stack
from freerun.scaling import Scaling
from freerun.seasons import season_of
from freerun.series import Series
from freerun.settings import SHORT, Settings
from freerun.training import drawn, noise_of, pairs_of
from freerun.validation import LONG, Validation, errors_of_readouts, long_run_error

PENALTIES = tuple(10.0**-exponent for exponent in range(14, 0, -1))
"""Penalties to choose from."""

SPACINGS = ((3, 1), (6, 1), (12, 1), (25, 1), (50, 1), (8, 3), (16, 2), (16, 4), (8, 8))
"""Windows of the grid: how many values, and how many steps apart."""

LEAKS = ((0.1, 0.5), (0.3, 0.9), (0.8, 0.9))
"""Leaky reservoirs of the grid: leak and spectral radius."""

SCALES, SCALES_OF_LONG = (0.3, 1.0), (0.3, 1.0, 3.0, 10.0)
"""Input scales of the grid, and of the grid for long series."""

NOISE_OF_LONG = 3e-3
"""Noise on the inputs in the grid for long series, in standard deviations."""

NOISES = (1e-3, 3e-3, 1e-2)
"""Noise on the inputs to choose from, in standard deviations."""

CLIMBS = 4
"""How often at most the neighbours of the best recipe are tried."""

LARGEST_RECURRENT = 500
"""Most units of a recurrent reservoir, whose free runs cost the square of them, unless more are asked for."""

PROBE, PROBE_OF_LONG = 300, 500
"""Most units with which recipes are compared before the finalists get all of theirs; of long series."""

FINALISTS = 4
"""Fewest recipes that are judged with all their units."""

HELD_OUT, MOST_HELD_OUT = 0.25, 5_000
"""Share of the training series that is held out for the choice unless the settings say, and its most steps."""

FOLDS = 2
"""Stretches of that length that are held out in turn; one of a long series."""

MOST_FITTED = 20_000
"""Most steps that recipes are fitted to before one of them is fitted to all."""

LONG_RUN = 20_000
"""Steps of the long run by which recipes for long series are judged."""

KEPT_BY_PROBE = {
    *("seed", "holdout", "nonlinearity", "standardize", "dtype", "device", "difference", "detrend", "log"),
}
"""What the networks that probe for the delays of others share with them."""


def sample_of_system(training: Sequence[Series]) -> bool:
    """Whether the training series can be compared with a long free run: one, long, complete and not driven."""
    first = training[0]
    return len(training) == 1 and len(first) >= LONG and first.complete and not first.inputs.shape[1]


@dataclass(frozen=True)
class Choice:
    """Settings with nothing left open, and how they did.

    Attributes:
        error: of free runs on the held-out steps, cut off at 1; on long series plus D_H + D_stsp / 10 of a long run.
        settings: nothing left open.
    """

    error: float
    settings: Settings


def choose(settings: Settings, training: Sequence[Series], progress: Watcher | None) -> list[Settings]:
    """What the settings come to on these series, the best choice first; one alone when nothing is left open."""
    steps = max(map(len, training))
    if settings.method == "ridge":
        if not _open(settings):
            return [resolved(settings, steps)]
        return [c.settings for c in _Search(settings, training, progress).choices()]
    if settings.method == "levenberg-marquardt" and settings.cell is None and settings.delays is None:
        probe = Settings(
            hidden=min(PROBE, default_hidden(steps)),
            cell="memoryless",
            optimizer="ridge",
            restarts=1,
            **settings.model_dump(include=KEPT_BY_PROBE),
        )
        found = _Search(probe, training, progress).explored().settings
        settings = settings.with_(cell="memoryless", delays=found.delays, difference=found.difference)
    return [resolved(settings, steps)]


def resolved(settings: Settings, steps: int) -> Settings:
    """The settings with all that is left open filled in by rule, for a training series of so many steps."""
    ridge = settings.method == "ridge"
    levenberg = settings.method == "levenberg-marquardt"
    cell = settings.cell or "simple"
    filled: dict[str, Any] = {
        "hidden": default_hidden(steps) if ridge else 15,
        "cell": cell,
        "delays": 1,
        "difference": 0,
        "initial": "reservoir" if ridge else "glorot",
        "optimizer": settings.method,
        "l2": 0.0,
        "input_noise": 0.0,
        "restarts": max(4 if levenberg else 1, settings.members),
    }
    settings = settings.with_(**{n: value for n, value in filled.items() if getattr(settings, n) is None})
    if settings.washout is None:
        recurrent = min(100, steps // 10) if ridge and settings.cell != "memoryless" else 0
        settings = settings.with_(washout=max(settings.memory, recurrent))
    return settings


def default_hidden(steps: int) -> int:
    """Two units for three steps, from 50 to 1000."""
    return int(np.clip(2 * steps // 3, 50, 1000))


def held_out(settings: Settings, steps: int, choosing: bool) -> int:
    """How many steps at the end of the training series are held out for free runs.

    Raises:
        SettingError: there is something to choose, and nothing is to be held out.
        SeriesError: the series is too short to hold anything out.
    """
    if choosing and settings.holdout == 0:
        raise SettingError(
            "holdout=0 leaves free runs nothing to choose by; leave it out, or keep all restarts (members=restarts)"
        )
    share = settings.holdout if settings.holdout is not None else HELD_OUT if choosing else 0.0
    count = min(int(share * steps), MOST_HELD_OUT)
    if choosing and (count < 3 or steps - count < 10):
        raise SeriesError(
            f"the training series has {steps} steps, too few to choose settings by free runs on its end; "
            "give 20 steps or more, or say hidden, cell, delays, input_scale and l2 yourself"
        )
    return count


def _open(settings: Settings) -> bool:
    """Whether anything that free runs choose is left open."""
    names = ["cell", "delays", "input_scale", "l2"]
    if settings.cell == "leaky":
        names += ["leak"]
    if settings.cell not in (None, "memoryless"):
        names += ["spectral_radius"]
    return any(getattr(settings, name) is None for name in names) or max(settings.restarts or 1, settings.members) > 1


class _Search:
    """One choice among recipes for a readout solved by ridge regression."""

    def __init__(self, settings: Settings, training: Sequence[Series], progress: Watcher | None) -> None:
        self._settings, self._progress = settings.with_(optimizer="ridge", restarts=1, members=1), progress
        self._seeds = max(settings.restarts or 4, settings.members)
        self._training = training
        self._steps, shortest = max(map(len, training)), min(map(len, training))
        self._held_out = held_out(settings, shortest, choosing=True)
        self._long = sample_of_system(training)
        self._season = season_of(training[0]) if self._steps < SHORT else None
        self._began = time.perf_counter()
        self._units = settings.hidden or default_hidden(self._steps)
        self._choices: dict[Settings, Choice] = {}
        self._finals: dict[Settings, Choice] = {}
        self._finalists = max(FINALISTS, settings.members)
        self._total = len(self._grid()) + 12 + self._finalists
        self._folds = FOLDS if not self._long and shortest > (FOLDS + 1) * self._held_out else 1
        self._prepared: dict[tuple[int, ...], _Prepared] = {}
        self._preparing = Lock()

    def choices(self) -> list[Choice]:
        """The finalists, the best first, then all other recipes, the best first."""
        self.explored()
        ranking = sorted(self._choices.values(), key=lambda c: c.error)
        first_of_kind = {(c.settings.cell, c.settings.lags): c for c in reversed(ranking)}
        finalists = sorted(first_of_kind.values(), key=lambda c: c.error)[: self._finalists]
        self._judge_all([self._with_all_units(c.settings) for c in finalists], self._finals)
        self._climb(self._finals, self._with_all_units)
        best = self._best(self._finals).settings
        seeds = range(best.seed + 1, best.seed + self._seeds)
        self._judge_all([best.with_(seed=seed) for seed in seeds], self._finals)
        finals = sorted(self._finals.values(), key=lambda c: c.error)
        known = [c.settings.with_(l2=None) for c in finals]
        others = [Choice(c.error, self._with_all_units(c.settings)) for c in ranking]
        return finals + [c for c in others if c.settings.with_(l2=None) not in known]

    def explored(self) -> Choice:
        """The best recipe with few units."""
        self._judge_all(self._filled(self._grid()), self._choices)
        self._climb(self._choices, lambda settings: settings)
        return self._best(self._choices)

    def _climb(self, choices: dict[Settings, Choice], sized: Callable[[Settings], Settings]) -> None:
        """Try the neighbours of the best as long as that helps."""
        for _ in range(CLIMBS):
            before = self._best(choices)
            self._judge_all(map(sized, self._filled(self._neighbours(before.settings))), choices)
            if self._best(choices) is before:
                return

    def _best(self, choices: dict[Settings, Choice]) -> Choice:
        return min(choices.values(), key=lambda c: c.error)

    def _with_all_units(self, settings: Settings) -> Settings:
        return settings.with_(hidden=self._all_units(settings.cell))

    def _all_units(self, cell: str | None) -> int:
        if cell == "memoryless" or self._settings.hidden is not None:
            return self._units
        return min(LARGEST_RECURRENT, self._units)

    def _grid(self) -> list[dict[str, Any]]:
        steps, cell = self._steps, self._settings.cell
        recipes: list[dict[str, Any]] = []
        for scale in SCALES_OF_LONG if self._long else SCALES:
            if cell in (None, "memoryless"):
                recipes += [
                    {"cell": "memoryless", "delays": lags, "input_scale": scale}
                    for lags in (tuple(range(0, count * spacing, spacing)) for count, spacing in SPACINGS)
                    if lags[-1] < steps // 4
                ]
            if cell != "memoryless":
                recurrent = {"cell": cell or "leaky", "delays": 1, "input_scale": scale}
                recipes += [recurrent | {"leak": leak, "spectral_radius": radius} for leak, radius in LEAKS]
        noise = NOISE_OF_LONG if self._long else 0.0
        return [
            recipe | {"input_noise": noise, "difference": lags} for lags in self._differences() for recipe in recipes
        ]

    def _differences(self) -> list[tuple[int, ...] | int]:
        """The differences that are tried: none but for short series, where a trend or a season may be all there is."""
        if self._steps >= SHORT:
            return [0]
        if self._season is None or 3 * self._season > self._steps - FOLDS * self._held_out:
            return [0, 1]
        return [0, 1, self._season, (1, self._season)]

    def _neighbours(self, best: Settings) -> list[dict[str, Any]]:
        recipe = self._recipe_of(best)
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
                if count > 1 and apart > 0 and (count - 1) * apart < self._steps // 4:
                    near.append(recipe | {"delays": tuple(range(0, count * apart, apart))})
        if best.cell == "leaky":
            assert best.leak is not None
            assert best.spectral_radius is not None
            near += [recipe | {"leak": leak} for leak in (best.leak / 2, min(0.95, best.leak * 2))]
            near += [recipe | {"spectral_radius": best.spectral_radius * factor} for factor in (0.7, 1.4)]
        near += [recipe | {"input_noise": noise} for noise in (*NOISES, 0.0)]
        return near

    def _recipe_of(self, settings: Settings) -> dict[str, Any]:
        names = ("cell", "delays", "input_scale", "leak", "spectral_radius", "input_noise", "difference")
        return {name: getattr(settings, name) for name in names}

    def _filled(self, recipes: Iterable[dict[str, Any]]) -> Iterator[Settings]:
        """Recipes as settings with few units; what the settings say is not for a recipe to change."""
        for recipe in recipes:
            given = {n: v for n, v in recipe.items() if getattr(self._settings, n) is None}
            cell = given.get("cell", self._settings.cell)
            if cell != "leaky":
                given.pop("leak", None)
            if cell == "memoryless":
                given.pop("spectral_radius", None)
            units = min(PROBE_OF_LONG if self._long else PROBE, self._all_units(cell))
            yield resolved(self._settings.with_(**given, hidden=units), self._steps)

    def _judge_all(self, several: Iterable[Settings], choices: dict[Settings, Choice]) -> None:
        """Judge settings that are new."""
        new = [s for s in dict.fromkeys(s.with_(l2=self._settings.l2) for s in several) if s not in choices]
        for settings, choice in zip(new, spread(self._judge, new), strict=True):
            choices[settings] = choice
            self._tell(self._best(choices).error)

    def _judge(self, settings: Settings) -> Choice:
        penalties = PENALTIES if self._settings.l2 is None else (self._settings.l2,)
        with computing(settings.dtype, settings.device):
            prepared = self._prepare(settings)
            network = drawn(settings, self._training[0])
            try:
                errors = np.mean(
                    [self._errors(network, settings, penalties, prepared, fold) for fold in range(self._folds)], axis=0
                )
            except TrainingDiverged:
                return Choice(math.inf, settings.with_(l2=penalties[-1]))
        best = int(np.argmin(errors))
        return Choice(float(errors[best]), settings.with_(l2=penalties[best]))

    def _prepare(self, settings: Settings) -> _Prepared:
        """The series in the units of the network, which depend on the differences that are taken."""
        with self._preparing:
            if settings.differences not in self._prepared:
                scaling = Scaling.fitted(self._training, settings)
                self._prepared[settings.differences] = _Prepared.of(
                    [scaling.apply(series) for series in self._training],
                    self._training[0].shape[1],
                    self._held_out,
                    self._folds,
                    settings.dtype,
                )
            return self._prepared[settings.differences]

    def _errors(
        self, network: Network, settings: Settings, penalties: Sequence[float], prepared: _Prepared, fold: int
    ) -> np.ndarray:
        """The error for each penalty on one fold."""
        pairs = pairs_of(prepared.recent, prepared.channels, settings).without(
            (fold + 1) * self._held_out, fold * self._held_out
        )
        validation = prepared.folds[fold]
        readout = Readout.of(network, pairs, noise_of(settings), jax.random.key(settings.seed))
        readouts = stack([readout.solve(penalty) for penalty in penalties])
        errors = np.asarray(run(errors_of_readouts, network, readouts, validation))
        if not self._long:
            return errors
        runs = np.asarray(run(_long_runs, network, readouts, validation))
        return errors + np.array([long_run_error(prepared.values, one) for one in runs])

    def _tell(self, best: float) -> None:
        if self._progress is not None:
            done = len(self._choices) + len(self._finals)
            self._total = max(self._total, done)
            seconds = time.perf_counter() - self._began
            self._progress(Progress("choosing a recipe", done, self._total, None, None, best, seconds))


@dataclass(frozen=True)
class _Prepared:
    """The training series in the units of a network.

    Attributes:
        values: shape (T, D), the first of them.
        recent: what recipes are fitted to, each of shape (steps, N).
        channels: D.
        folds: the free runs by which they are judged, on the last stretch, on the one before, ...
    """

    values: np.ndarray
    recent: list[np.ndarray]
    channels: int
    folds: list[Validation]

    @classmethod
    def of(cls, panel: list[np.ndarray], channels: int, held_out: int, folds: int, dtype: str) -> _Prepared:
        recent = [values[-(MOST_FITTED + held_out) :] for values in panel]
        judges = [
            Validation.of([values[: len(values) - fold * held_out] for values in recent], channels, held_out, dtype)
            for fold in range(folds)
        ]
        return cls(panel[0][:, :channels], recent, channels, judges)


@jax.jit
def _long_runs(network: Network, readouts: Network, validation: Validation) -> Array:
    """A long free run of each of several readouts of one network."""

    def free_run(readout: Array, bias: Array, direct: Array | None) -> Array:
        one = network.with_readout(readout, bias, direct)
        states, values = one.moments(validation.inputs, validation.starts[:1])
        return one.run_free(jax.tree.map(lambda entry: entry[0], states), values[0], LONG_RUN)

    return jax.vmap(free_run)(readouts.readout, readouts.bias, readouts.direct)
