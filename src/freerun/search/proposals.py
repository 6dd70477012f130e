"""Propose the next settings to try, from the trials so far.

Proposals come in groups that share one compiled program. Groups alternate between a tree-structured
Parzen estimator (Bergstra et al., 2011) and a local search near one of the best trials.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from freerun.search.space import Space
from freerun.settings import Value

GROUP = 4
"""Proposals in a group: they share one compiled program and are trained together."""

NEAR = 3
"""The local search starts from one of this many best trials."""

MOVES = 20
"""Most random moves from a trial until one is found that was not proposed before."""


def propose(
    trials: Sequence[FrozenTrial], count: int, space: Space, rng: np.random.Generator
) -> Iterator[tuple[dict[str, Value], dict[str, Value]]]:
    """Propose settings to try, on a copy of the study in memory.

    Args:
        trials: all trials of the study so far.
        count: number of proposals.
        space: the search space.
        rng: the only source of randomness. The same trials and the
            same state of it give the same proposals.

    Yields:
        A proposal, and the Optuna distributions of its values.
    """
    proposed = [trial.params for trial in trials]
    best = [trial.params for trial in rank(trials)[:NEAR]]
    with quiet_optuna():
        tpe = optuna.samplers.TPESampler(
            seed=int(rng.integers(2**31)), multivariate=True, group=True, warn_independent_sampling=False
        )
        copy = optuna.create_study(storage=optuna.storages.InMemoryStorage(), sampler=tpe)
        copy.add_trials(trials)
        for first in range(0, count, GROUP):
            local = bool(best) and first // GROUP % 2 == 1
            fixed = _move(best[rng.integers(len(best))], (), proposed, space, rng) if local else {}
            for _ in range(min(GROUP, count - first)):
                copy.sampler = optuna.samplers.PartialFixedSampler(fixed, tpe)
                trial = copy.ask()
                proposal = space.suggest(trial)
                yield proposal, trial.distributions
                proposed.append(proposal)
                shared = space.program_values(proposal)
                fixed = _move(proposal, shared, proposed, space, rng) if local else shared


def _move(
    proposal: Mapping[str, Value],
    kept: Iterable[str],
    proposed: Sequence[Mapping[str, Value]],
    space: Space,
    rng: np.random.Generator,
) -> dict[str, Value]:
    """Draw a proposal near another one. One that was not proposed before is preferred.

    Args:
        proposal: where to start.
        kept: names whose values stay.
        proposed: all proposals so far.
        space: the search space.
        rng: the source of randomness.
    """
    names = [name for name in proposal if name not in kept]
    moved = dict(proposal)
    for _ in range(MOVES):
        moved = space.move(proposal, names, rng)
        if moved not in proposed:
            break
    return moved


def rank(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials, sorted by error, lowest first."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (trial.value, trial.number))


@contextmanager
def quiet_optuna() -> Generator[None]:
    """Context in which Optuna neither logs new studies nor warns of experimental features."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")  # warnings attributed to Optuna
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # to its caller
            for message in ("Heartbeat of storage", "`warn_independent_sampling`"):
                warnings.filterwarnings("ignore", message)  # from Python 3.12 on, these are attributed to the caller
            yield
    finally:
        optuna.logging.set_verbosity(before)
