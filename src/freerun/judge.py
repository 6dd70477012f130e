"""The judge of recipes: free runs over parts of the training series, each left out of the fit in its turn.

No later data, and no one-step error, has a say. Recipes that differ only in the penalty come from one factorisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from freerun.computing import computing, jitted, run
from freerun.data.scaling import Scaling, differenced
from freerun.data.series import Series
from freerun.errors import TrainingDiverged
from freerun.forcing import free_runs
from freerun.holdout import folds_of, recent, require_held_out
from freerun.network.network import Network
from freerun.network.updates import Array
from freerun.optimizers import Readout, stack
from freerun.pairs import shared
from freerun.recipes import Recipes
from freerun.settings import SHORT, Settings
from freerun.training import chance, drawn, noise_of, pairs_of
from freerun.validation import ENDURANCE, LEAD, Validation, errors_of_readouts, long_run_error, stays_near

LONG_RUN = 20_000
"""Steps of the long run by which recipes for a sample of a system are judged."""

STARTS = 2
"""Long runs by which recipes are compared begin at so many places, `LEAD` apart: they differ by chance."""

AROUND = tuple(10.0 ** (exponent / 2) for exponent in range(-4, 5))
"""Penalties with which a recipe for a sample of a system is compared with others, in multiples of its own."""

NEARBY = tuple(10.0 ** (exponent / 16) for exponent in range(-7, 8))
"""The same for one of the best: those between the penalties before, which its own is among."""


@dataclass(frozen=True)
class Choice:
    """Settings with nothing left open, and how they did.

    Attributes:
        error: of free runs on the held-out steps, cut off at 1; on a sample of a system plus that of a long
            run, see `long_run_error`; infinite where there is no run.
        settings: nothing left open.
    """

    error: float
    settings: Settings

    @property
    def kind(self) -> tuple[Any, ...]:
        """What makes one recipe unlike another."""
        return self.settings.cell, self.settings.lags, self.settings.differences


class Judge:
    """Judges recipes for a readout solved by ridge regression, from several threads at once if need be.

    Attributes:
        recipes: what is known of the training series.
    """

    def __init__(self, recipes: Recipes, training: Sequence[Series]) -> None:
        self.recipes, self._training = recipes, training
        self._held_out = require_held_out(recipes.settings, min(map(len, training)))
        self._folds = folds_of(training, self._held_out)
        self._prepared: dict[tuple[int, ...], _Prepared] = {}
        self._preparing = Lock()

    def __call__(self, settings: Settings) -> Choice:
        """The error of the settings with the best of the penalties, and which that is."""
        penalties = self.recipes.penalties if settings.l2 is None else (settings.l2,)
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

    def compare(self, settings: Settings) -> Choice:
        """How unlike a sample of a system are long runs of the network that a fit with these settings comes to.

        Such runs differ by chance as much as those of other recipes do, so several penalties around that of the
        settings are tried, which one factorisation gives, and each network runs from several places. One that does
        not endure everywhere has an infinite error.
        """
        return self._best_around(settings, AROUND)

    def refine(self, settings: Settings) -> Choice:
        """The same with penalties close to that of the settings, for one of the best."""
        return self._best_around(settings, NEARBY)

    def _best_around(self, settings: Settings, factors: Sequence[float]) -> Choice:
        """The penalty, in multiples of that of the settings unless it was given, whose long runs are best."""
        assert settings.l2 is not None
        penalties = [settings.l2 * factor for factor in (factors if self.recipes.settings.l2 is None else (1.0,))]
        with computing(settings.dtype, settings.device):
            whole = self._prepare(settings).whole
            network, pairs = drawn(settings, self._training[0]), pairs_of([whole], whole.shape[1], settings)
            try:
                readout = Readout.of(network, pairs, noise_of(settings), chance(settings))
            except TrainingDiverged:
                return Choice(math.inf, settings)
            readouts = stack([readout.solve(penalty) for penalty in penalties])
            lead = jnp.asarray(whole[-STARTS * LEAD :], settings.dtype)
            starts = jnp.arange(1, STARTS + 1) * LEAD - 1
            several = np.asarray(run(_run_to_compare, network, readouts, lead, starts))
        seen = differenced(whole, settings.differences)

        def error(runs: np.ndarray) -> float:
            if not all(stays_near(differenced(one, settings.differences), seen) for one in runs):
                return math.inf
            return float(np.mean([long_run_error(whole, one) for one in runs]))

        choices = [Choice(error(r), settings.with_(l2=p)) for r, p in zip(several, penalties, strict=True)]
        return min(choices, key=lambda choice: choice.error)

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
        if self.recipes.short:
            network, *several = map(shared, (network, *several))
        readouts = stack(several)
        errors = np.asarray(run(errors_of_readouts, network, readouts, validation))
        if not self.recipes.sample:
            return errors
        several = np.asarray(run(_run_to_judge, network, readouts, validation.inputs, validation.starts[:1]))
        return errors + np.array([long_run_error(prepared.whole, one) for (one,) in several])


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
        longest = max(map(len, values))
        judges = [
            Validation.of(
                [one[: len(one) - fold * held_out] for one in values], channels, held_out, dtype, short, longest
            )
            for fold in range(folds)
        ]
        return cls(scaling.apply(training[0])[:, :channels], values, channels, judges)


def _long_runs(
    steps: int, network: Network, readouts: Network, inputs: Float[Array, "T N"], starts: Int[Array, " S"]
) -> Float[Array, "M S steps D"]:
    """Long free runs of each of several readouts of one network, let loose after reading the steps `starts`."""
    known = jnp.zeros((len(starts), steps, 0), inputs.dtype)

    def several(readout: Array, bias: Array, direct: Array | None) -> Array:
        return free_runs(network.with_readout(readout, bias, direct), inputs, starts, steps, known)

    return jax.vmap(several)(readouts.readout, readouts.bias, readouts.direct)


_run_to_judge = jitted(partial(_long_runs, LONG_RUN))
_run_to_compare = jitted(partial(_long_runs, ENDURANCE))
