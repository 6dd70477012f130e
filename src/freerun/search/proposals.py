"""What to try next, from what is known of the trials so far.

Proposals come in groups that share a program: from a tree-structured Parzen estimator (Bergstra et al., 2011), and
from the neighbourhood of the best trials, in turn.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from freerun.search.space import Space

GROUP = 4
"""Trials that are proposed with one program."""

NEAR, MOVES = 3, 20
"""Of how many of the best trials the neighbourhood is searched, and how often a move is drawn that was not made yet."""


def proposals(
    known: Sequence[FrozenTrial], count: int, space: Space, draw: np.random.Generator
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """New proposals and the distributions that they come from, on a copy of the study in memory."""
    made = [trial.params for trial in known]
    best = [trial.params for trial in ranked(known)[:NEAR]]
    with quietly():
        tpe = optuna.samplers.TPESampler(
            seed=int(draw.integers(2**31)), multivariate=True, group=True, warn_independent_sampling=False
        )
        copy = optuna.create_study(storage=optuna.storages.InMemoryStorage(), sampler=tpe)
        copy.add_trials(known)
        for first in range(0, count, GROUP):
            local = bool(best) and first // GROUP % 2 == 1
            fixed = _moved(best[draw.integers(len(best))], (), made, space, draw) if local else {}
            for _ in range(min(GROUP, count - first)):
                copy.sampler = optuna.samplers.PartialFixedSampler(fixed, tpe)
                trial = copy.ask()
                proposal = space.suggest(trial)
                yield proposal, trial.distributions
                made.append(proposal)
                program = space.program(proposal)
                fixed = _moved(proposal, program, made, space, draw) if local else program


def _moved(
    proposal: Mapping[str, Any],
    kept: Iterable[str],
    made: Sequence[Mapping[str, Any]],
    space: Space,
    draw: np.random.Generator,
) -> dict[str, Any]:
    """A proposal near another that has not been made yet, unless none is found; `kept` values stay."""
    names = [name for name in proposal if name not in kept]
    moved = dict(proposal)
    for _ in range(MOVES):
        moved = space.near(proposal, names, draw)
        if moved not in made:
            break
    return moved


def ranked(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that were judged to the end, the best first."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (trial.value, trial.number))


@contextmanager
def quietly() -> Iterator[None]:
    """Within this context Optuna does not tell of studies made, nor warn that parts that we use are experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")  # where they name a module of Optuna
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # where they name ours
            for said in ("Heartbeat of storage", "`warn_independent_sampling`"):
                warnings.filterwarnings("ignore", said)  # from Python 3.12 on, Optuna lays its warnings at our door
            yield
    finally:
        optuna.logging.set_verbosity(before)
