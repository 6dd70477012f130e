"""Choosing what the settings leave open, by free runs on the last part of the training series.

A recipe fills in what was left open. Each recipe is judged by free runs over the last part of the training series and
over as much before it, each left out of the fit in its turn; no later data, and no one-step error, has a say. Recipes
that differ only in the penalty come from one factorisation. First a grid is tried with few units, then the neighbours
of the best as long as that helps, then the finalists with all their units, and the winner with other seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import jax
import numpy as np

from freerun.cells import Array
from freerun.computing import computing, run, spread
from freerun.errors import TrainingDiverged
from freerun.forcing import shared
from freerun.history import Progress, Watcher
from freerun.holdout import folds_of, recent, require_held_out
from freerun.network import Network
from freerun.optimizers import Readout, stack
from freerun.recipes import PROBE, Recipes, default_hidden, is_open, resolved
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import SHORT, Settings
from freerun.training import drawn, noise_of, pairs_of
from freerun.validation import Validation, errors_of_readouts, long_run_error

CLIMBS = 4
"""How often at most the neighbours of the best recipe are tried."""

FINALISTS = 4
"""Fewest recipes that are judged with all their units."""

SEEDS = 4
"""Fewest seeds with which the winner is judged."""

LONG_RUN = 20_000
"""Steps of the long run by which recipes for a sample of a system are judged."""

KEPT_BY_PROBE = {
    *("seed", "holdout", "nonlinearity", "standardize", "dtype", "device", "difference", "detrend", "log"),
}
"""What the networks that probe for the delays of others share with them."""


@dataclass(frozen=True)
class Choice:
    """Settings with nothing left open, and how they did.

    Attributes:
        error: of free runs on the held-out steps, cut off at 1; on a sample of a system plus D_H + D_stsp / 10 of a
            long run.
        settings: nothing left open.
    """

    error: float
    settings: Settings

    @property
    def kind(self) -> tuple[Any, ...]:
        """What makes one recipe unlike another."""
        return self.settings.cell, self.settings.lags, self.settings.differences


def choose(settings: Settings, training: Sequence[Series], progress: Watcher | None) -> list[Settings]:
    """What the settings come to on these series, the best choice first; one alone when nothing is left open."""
    steps = max(map(len, training))
    if settings.method == "ridge":
        if not is_open(settings):
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


class _Search:
    """One choice among recipes for a readout solved by ridge regression."""

    def __init__(self, settings: Settings, training: Sequence[Series], progress: Watcher | None) -> None:
        members = settings.members or 1
        given = settings.with_(optimizer="ridge", restarts=1, members=1)
        self._given, self._training, self._progress = given, training, progress
        self._recipes = Recipes.of(given, training)
        self._seeds = settings.restarts or (SEEDS if self._recipes.short else max(SEEDS, members))
        self._finalists = FINALISTS if self._recipes.short else max(FINALISTS, members)
        self._held_out = require_held_out(settings, min(map(len, training)))
        self._folds = folds_of(training, self._held_out)
        self._prepared: dict[tuple[int, ...], _Prepared] = {}
        self._preparing = Lock()
        self._choices: dict[Settings, Choice] = {}
        self._finals: dict[Settings, Choice] = {}
        self._began, self._total = time.perf_counter(), 0

    def choices(self) -> list[Choice]:
        """All recipes with all their units, the best first: the finalists before those judged with few units.

        On short series those judged with few units are choices like the finalists, and the best of each kind come
        first: their forecasts are put together.
        """
        self.explored()
        ranking = _ranked(self._choices.values())
        everything = self._recipes.with_all_units
        self._judge_all([everything(c.settings) for c in _first_of_kind(ranking)[: self._finalists]], self._finals)
        self._climb(self._finals, everything)
        best = self._best(self._finals).settings
        self._judge_all([best.with_(seed=best.seed + i) for i in range(1, self._seeds)], self._finals)
        if self._recipes.short:
            ranking = _ranked((self._choices | self._finals).values())
            first = _first_of_kind(ranking)
            return first + [c for c in ranking if c not in first]
        finals = _ranked(self._finals.values())
        known = [c.settings.with_(l2=None) for c in finals]
        others = [Choice(c.error, everything(c.settings)) for c in ranking]
        return finals + [c for c in others if c.settings.with_(l2=None) not in known]

    def explored(self) -> Choice:
        """The best recipe with few units."""
        grid = list(self._recipes.grid())
        self._total = len(grid) + self._finalists
        self._judge_all(grid, self._choices)
        if not self._recipes.short:
            self._climb(self._choices, lambda settings: settings)
        return self._best(self._choices)

    def _climb(self, choices: dict[Settings, Choice], sized: Callable[[Settings], Settings]) -> None:
        """Try the neighbours of the best as long as that helps."""
        for _ in range(CLIMBS):
            before = self._best(choices)
            self._judge_all(map(sized, self._recipes.neighbours(before.settings)), choices)
            if self._best(choices) is before:
                return

    def _best(self, choices: dict[Settings, Choice]) -> Choice:
        return min(choices.values(), key=lambda c: c.error)

    def _judge_all(self, several: Iterable[Settings], choices: dict[Settings, Choice]) -> None:
        """Judge settings that are new."""
        asked = dict.fromkeys(s.with_(l2=self._given.l2) for s in several)
        choices.update((s, self._choices[s]) for s in asked if s in self._choices)
        new = [s for s in asked if s not in choices]
        for settings, choice in zip(new, spread(self._judge, new), strict=True):
            choices[settings] = choice
            self._tell(self._best(choices).error)

    def _judge(self, settings: Settings) -> Choice:
        penalties = self._recipes.penalties
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
                    self._training, scaling, self._held_out, self._folds, settings.dtype
                )
            return self._prepared[settings.differences]

    def _errors(
        self, network: Network, settings: Settings, penalties: Sequence[float], prepared: _Prepared, fold: int
    ) -> np.ndarray:
        """The error for each penalty on one fold."""
        pairs = pairs_of(prepared.values, prepared.channels, settings).without(
            (fold + 1) * self._held_out, fold * self._held_out
        )
        validation = prepared.folds[fold]
        readout = Readout.of(network, pairs, noise_of(settings), jax.random.key(settings.seed))
        several = [readout.solve(penalty) for penalty in penalties]
        if self._recipes.short:
            network, *several = map(shared, (network, *several))
        readouts = stack(several)
        errors = np.asarray(run(errors_of_readouts, network, readouts, validation))
        if not self._recipes.sample:
            return errors
        runs = np.asarray(run(_long_runs, network, readouts, validation))
        return errors + np.array([long_run_error(prepared.whole, one) for one in runs])

    def _tell(self, best: float) -> None:
        if self._progress is not None:
            done = len(self._choices | self._finals)
            self._total = max(self._total, done)
            seconds = time.perf_counter() - self._began
            self._progress(Progress("choosing a recipe", done, self._total, None, None, best, seconds))


def _ranked(choices: Iterable[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda c: c.error)


def _first_of_kind(ranking: list[Choice]) -> list[Choice]:
    """The best of each kind, the best first."""
    return _ranked({c.kind: c for c in reversed(ranking)}.values())


@dataclass(frozen=True)
class _Prepared:
    """The training series in the units of a network.

    Attributes:
        whole: the first series, shape (T, D).
        values: what recipes are fitted to, each of shape (steps, N).
        channels: D.
        folds: the free runs by which they are judged, on the last stretch, on the one before, ...
    """

    whole: np.ndarray
    values: list[np.ndarray]
    channels: int
    folds: list[Validation]

    @classmethod
    def of(cls, training: Sequence[Series], scaling: Scaling, held_out: int, folds: int, dtype: str) -> _Prepared:
        channels, short = training[0].shape[1], max(map(len, training)) < SHORT
        values = [scaling.apply(series) for series in recent(training, held_out)]
        judges = [
            Validation.of([one[: len(one) - fold * held_out] for one in values], channels, held_out, dtype, short)
            for fold in range(folds)
        ]
        return cls(scaling.apply(training[0])[:, :channels], values, channels, judges)


@jax.jit
def _long_runs(network: Network, readouts: Network, validation: Validation) -> Array:
    """A long free run of each of several readouts of one network."""

    def free_run(readout: Array, bias: Array, direct: Array | None) -> Array:
        one = network.with_readout(readout, bias, direct)
        states, values = one.moments(validation.inputs, validation.starts[:1])
        return one.run_free(jax.tree.map(lambda entry: entry[0], states), values[0], LONG_RUN)

    return jax.vmap(free_run)(readouts.readout, readouts.bias, readouts.direct)
