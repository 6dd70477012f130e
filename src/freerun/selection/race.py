"""The race: all candidates get a little effort, the good ones more.

Round by round the judge lets the candidates run free with more units, more penalties and more runs,
and fewer of them go on (successive halving; Jamieson and Talwalkar, 2016). Candidates too large for
the memory of the machine are left out, with a warning.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from freerun.compute.cores import thread_map
from freerun.data.profile import Profile
from freerun.data.series import Series
from freerun.errors import MachineError, warn
from freerun.network import ridge
from freerun.plan import FEWEST_UNITS, solve_plan
from freerun.selection.candidates import candidates_of, filled_in, has_enough_rows, units_of
from freerun.selection.holdout import FOLDS
from freerun.selection.judge import GROWING, Candidate
from freerun.selection.policies import Judging, Policy, Round, penalties_near
from freerun.settings import Settings
from freerun.training.checkpoint import Checkpoint, Judged
from freerun.training.history import Progress, ProgressCallback

SMALLER = "give fewer hidden units, or train in windows (optimizer='adam', window=200)"
"""The remedy where no network fits in memory."""

OWN = {"hidden", "washout", "seed", "restarts", "members", "optimizer"}
"""Parameters that the neighbours of a candidate do not take from it."""

GoesOn = Callable[[Sequence[Candidate]], bool]
"""Decides from the candidates of the first round of a race, the best first, whether it goes on."""


class RaceStopped(KeyboardInterrupt):
    """Ctrl-C during a race.

    Attributes:
        ranking: the candidates judged so far, the best first; at least one has free runs.
    """

    def __init__(self, ranking: list[Candidate]) -> None:
        super().__init__()
        self.ranking = ranking


@dataclass(frozen=True)
class Contest:
    """Series for which candidates stand against each other, in one race or several.

    Attributes:
        settings: as the user gave them. Values that are given are never changed.
        training: the series.
        profile: of the series.
        progress: called after every candidate.
        checkpoint: candidates in it are not judged again; new ones are noted in it.
    """

    settings: Settings
    training: Sequence[Series]
    profile: Profile
    progress: ProgressCallback | None = None
    checkpoint: Checkpoint | None = None

    def race(self, policy: Policy, goes_on: GoesOn | None = None) -> list[Candidate]:
        """Race the candidates of a policy.

        Args:
            policy: what is tried.
            goes_on: whether the race goes on after its first round; None if it always does.

        Returns:
            The candidates, the best of those that came furthest first;
            empty if the race did not go on.

        Raises:
            SettingError: the policy proposes nothing.
            MachineError: no candidate fits in memory.
            RaceStopped: Ctrl-C, when there is something to go on with.
        """
        judge = policy.judge(self.settings, self.training)
        rounds = policy.rounds(self.profile)
        contenders = candidates_of(self.settings, policy, self.profile)
        judged: dict[Settings, Candidate] = {}
        finished: list[Candidate] = []
        try:
            for number, effort in enumerate(rounds, 1):
                judged = {}
                here = _RoundOfRace(self, policy, judge, effort, number, len(rounds), judged)
                here.judge_all(contenders)
                here.try_neighbours()
                here.try_seeds()
                before = [replace(choice, finalist=False) for choice in finished]
                furthest: dict[Settings, Candidate] = {}
                for choice in (*ranked(judged.values()), *before):
                    furthest.setdefault(choice.settings.with_(hidden=None, l2=None), choice)
                finished = list(furthest.values())
                if number == 1 and goes_on is not None and not goes_on(finished):
                    return []
                contenders = [choice.settings for choice in _going_on(finished, effort.keep)]
        except KeyboardInterrupt:
            so_far = ranked([*judged.values(), *finished])
            if not so_far or so_far[0].error == math.inf:
                raise
            raise RaceStopped(so_far) from None
        return finished


@dataclass
class _RoundOfRace:
    """A round in progress.

    Attributes:
        contest: the settings and the series.
        policy: what is tried.
        judge: gives candidates their errors.
        effort: for each candidate.
        number: of the round, from 1 on.
        rounds: how many there are.
        judged: the candidates of the round, by the settings that were proposed.
        total: how many candidates are not in the checkpoint.
        done: how many of these are judged.
        began: when the round did, in seconds.
    """

    contest: Contest
    policy: Policy
    judge: Judging
    effort: Round
    number: int
    rounds: int
    judged: dict[Settings, Candidate]
    total: int = 0
    done: int = 0
    began: float = field(default_factory=time.perf_counter)

    def judge_all(self, several: Iterable[Settings]) -> None:
        """Judge the candidates that are new and fit in memory.

        Raises:
            MachineError: none of the first candidates fits in memory.
        """
        checkpoint, by = self.contest.checkpoint, f"{self.policy.name} {self.number}"
        asked = self._fitting(list(dict.fromkeys(map(self._sized, several))))
        if checkpoint is not None:
            for one in asked:
                if found := checkpoint.judged(by, one):
                    self.judged[one] = Candidate.of(found.settings, found.errors)
        new = [one for one in asked if one not in self.judged]
        self.total += len(new)
        for one, choice in zip(new, thread_map(self._judge, new), strict=True):
            self.judged[one] = choice if self.number == self.rounds else replace(choice, rows=None)
            if checkpoint is not None:
                checkpoint.note_judged(by, one, Judged(choice.settings, choice.errors))
            self.done += 1
            self._report()

    def try_neighbours(self) -> None:
        """Judge neighbours of the leaders until none is better."""
        settings, profile = self.contest.settings, self.contest.profile
        for _ in range(self.effort.neighbours):
            leaders = _leaders(self.judged.values())
            near = [
                filled_in(settings, {**leader.settings.model_dump(exclude=OWN), **changed}, profile.steps)
                for leader in leaders
                for changed in self.policy.neighbours(leader.settings, profile)
            ]
            self.judge_all(one for one in near if has_enough_rows(one, profile))
            if _leaders(self.judged.values()) == leaders:
                break

    def try_seeds(self) -> None:
        """Judge the best network with random weights with other seeds."""
        seeds = self.effort.seeds
        if seeds > 1 and self.contest.settings.restarts is not None:
            seeds = self.contest.settings.restarts
        for leader in _leaders(self.judged.values()):
            best = leader.settings
            if best.cell not in GROWING:
                self.judge_all(best.with_(seed=best.seed + i) for i in range(1, seeds))

    def _fitting(self, several: list[Settings]) -> list[Settings]:
        """Keep the candidates that fit in memory, and warn of the others."""
        faults = {one: self._lack_of_memory(one) for one in several}
        fitting = [one for one in several if not faults[one]]
        if self.number == 1 and not self.judged and not fitting:
            raise MachineError(f"{faults[several[0]]}; {SMALLER}")
        for fault in dict.fromkeys(filter(None, faults.values())):
            warn(f"candidates are left out: {fault}")
        return fitting

    def _lack_of_memory(self, settings: Settings) -> str:
        profile, effort = self.contest.profile, self.effort
        shape = solve_plan(settings, profile.channels, profile.inputs).shape
        return ridge.lack_of_memory(shape, profile.steps, FOLDS, len(effort.penalties) * effort.runs)

    def _judge(self, settings: Settings) -> Candidate:
        """Judge a candidate with the penalties of the round that are near its best so far."""
        given, effort = self.contest.settings.l2, self.effort
        penalties = effort.penalties if given is None else (given,)
        if given is None and settings.l2 is not None:
            penalties = penalties_near(penalties, settings.l2, effort.near)
        return self.judge(settings, penalties, effort.runs)

    def _sized(self, settings: Settings) -> Settings:
        """The settings with a share of all hidden units; monomials are all of them, or none."""
        if not settings.has_effect("hidden"):
            return settings
        units = units_of(self.contest.settings, settings, self.contest.profile.steps)
        return settings.with_(hidden=max(min(units, FEWEST_UNITS), round(self.effort.units * units)))

    def _report(self) -> None:
        if self.contest.progress is not None:
            best = min(choice.error for choice in self.judged.values())
            seconds = time.perf_counter() - self.began
            task = f"round {self.number} of {self.rounds}"
            self.contest.progress(Progress(task, self.done, self.total, None, None, best, seconds))


def ranked(choices: Iterable[Candidate]) -> list[Candidate]:
    """Sort candidates by their error, the best first."""
    return sorted(choices, key=lambda choice: choice.error)


def finalists_first(choices: Iterable[Candidate]) -> list[Candidate]:
    """Sort the candidates of several races by their errors,
    those that were judged with the most effort first."""
    return sorted(choices, key=lambda choice: (not choice.finalist, choice.error))


def kinds_first(ranking: Sequence[Candidate]) -> list[Candidate]:
    """Sort the best of each kind before the others:
    networks that forecast together should differ."""
    first = ranked({choice.kind: choice for choice in reversed(ranking)}.values())
    return first + [choice for choice in ranking if choice not in first]


def _leaders(choices: Iterable[Candidate]) -> list[Candidate]:
    """The best of all candidates but polynomials, and the best polynomial;
    one of them where there are no others."""
    best: dict[bool, Candidate] = {}
    for choice in ranked(choices):
        best.setdefault(choice.settings.cell in GROWING, choice)
    return [best[growing] for growing in sorted(best)]


def _going_on(ranking: Sequence[Candidate], keep: int) -> list[Candidate]:
    """The best `keep` candidates, at most half of them polynomials where there are others.

    Polynomials have all of their monomials from the first round on.
    The others have a part of their units, and may overtake them.
    """
    polynomials = [choice for choice in ranking if choice.settings.cell in GROWING]
    left_out = polynomials[keep // 2 :] if len(polynomials) < len(ranking) else []
    return [choice for choice in ranking if choice not in left_out][:keep]
