"""The race: all candidates get a little effort, the good ones more.

Round by round the judge lets the candidates run free with more units, more penalties and more runs, and fewer of them
go on (successive halving; Jamieson and Talwalkar, 2016). Candidates too large for the memory of the machine are left
out, with a warning.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from freerun.compute.cores import thread_map
from freerun.data.profile import Profile
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


def race(
    settings: Settings,
    policy: Policy,
    judge: Judging,
    profile: Profile,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
    goes_on: GoesOn | None = None,
) -> list[Candidate]:
    """Race the candidates of a policy.

    Args:
        settings: of a readout solved by ridge regression. Values that are given are never changed.
        policy: what is tried.
        judge: what gives candidates their errors, for the training series: that of the policy.
        profile: of these series.
        progress: called after every candidate.
        checkpoint: candidates in it are not judged again; new ones are noted in it.
        goes_on: whether the race goes on after its first round; None if it always does.

    Returns:
        The candidates, the best of those that came furthest first; empty if the race did not go on.

    Raises:
        SettingError: the policy proposes nothing.
        MachineError: no candidate fits in memory.
        RaceStopped: Ctrl-C, when there is something to go on with.
    """
    return _Race(settings, policy, judge, profile, progress, checkpoint).run(goes_on)


_Judged = dict[Settings, Candidate]
"""The judged candidates of a round, by the settings that were proposed."""


class _Race:
    """A race in progress."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        judge: Judging,
        profile: Profile,
        progress: ProgressCallback | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.settings, self.policy, self.judge, self.profile = settings, policy, judge, profile
        self.rounds = policy.rounds(profile)
        self.last = len(self.rounds) - 1
        self.progress, self.checkpoint = progress, checkpoint
        self.counts = _Counts()

    def run(self, goes_on: GoesOn | None) -> list[Candidate]:
        """Run all rounds, or the first alone; see `race`."""
        contenders = candidates_of(self.settings, self.policy, self.profile)
        finished: list[Candidate] = []
        judged: _Judged = {}
        try:
            for number, effort in enumerate(self.rounds):
                self.counts.begin(f"round {number + 1} of {len(self.rounds)}")
                judged = {}
                self._judge_all(contenders, effort, number, judged)
                if judged:
                    self._try_neighbours(effort, number, judged)
                    self._try_seeds(effort, number, judged)
                furthest: dict[Settings, Candidate] = {}
                for choice in (*ranked(judged.values()), *finished):
                    furthest.setdefault(_recipe(choice), choice)
                last = set(judged.values())
                finished = [replace(choice, finalist=choice in last) for choice in furthest.values()]
                if not finished:
                    fault = self._lack_of_memory(self._sized(contenders[0], effort.units), effort)
                    raise MachineError(f"{fault}; {SMALLER}")
                if number == 0 and goes_on is not None and not goes_on(finished):
                    return []
                contenders = [choice.settings for choice in _going_on(finished, effort.keep)]
        except KeyboardInterrupt:
            so_far = ranked([*judged.values(), *finished])
            if not so_far or so_far[0].error == math.inf:
                raise
            raise RaceStopped(so_far) from None
        return finished

    def _judge_all(self, several: Iterable[Settings], effort: Round, number: int, known: _Judged) -> None:
        """Judge the candidates that are new and fit in memory."""
        asked = list(dict.fromkeys(self._sized(one, effort.units) for one in several))
        asked = self._fitting(asked, effort, number)
        by = f"{self.policy.name} {number + 1}"
        if self.checkpoint is not None:
            for one in asked:
                found = self.checkpoint.judged(by, one)
                if found is not None:
                    known[one] = Candidate.of(found.settings, found.errors)
        new = [one for one in asked if one not in known]
        self.counts.total += len(new)
        final = number == self.last
        for one, choice in zip(new, thread_map(lambda s: self._judge(s, effort), new), strict=True):
            known[one] = choice if final else replace(choice, rows=None)
            if self.checkpoint is not None:
                self.checkpoint.note_judged(by, one, Judged(choice.settings, choice.errors))
            self.counts.done += 1
            self._report(known)

    def _fitting(self, several: list[Settings], effort: Round, number: int) -> list[Settings]:
        """Keep the candidates that fit in memory; warn of the others where some are kept."""
        faults = {one: self._lack_of_memory(one, effort) for one in several}
        fitting = [one for one in several if not faults[one]]
        if fitting or number:
            for fault in dict.fromkeys(filter(None, faults.values())):
                warn(f"candidates are left out: {fault}")
        return fitting

    def _lack_of_memory(self, settings: Settings, effort: Round) -> str:
        shape = solve_plan(settings, self.profile.channels, self.profile.inputs).shape
        return ridge.lack_of_memory(shape, self.profile.steps, FOLDS, len(effort.penalties) * effort.runs)

    def _judge(self, settings: Settings, effort: Round) -> Candidate:
        """Judge a candidate with the penalties of the round that are near its best so far."""
        if self.settings.l2 is not None:
            return self.judge(settings, (self.settings.l2,), effort.runs)
        penalties = effort.penalties
        if settings.l2 is not None:
            penalties = penalties_near(penalties, settings.l2, effort.near)
        return self.judge(settings, penalties, effort.runs)

    def _try_neighbours(self, effort: Round, number: int, judged: _Judged) -> None:
        """Judge neighbours of the leaders until none is better."""
        for _ in range(effort.neighbours):
            leaders = _leaders(judged)
            near = [
                filled_in(self.settings, {**self._varied(leader.settings), **candidate}, self.profile.steps)
                for leader in leaders
                for candidate in self.policy.neighbours(leader.settings, self.profile)
            ]
            self._judge_all([one for one in near if has_enough_rows(one, self.profile)], effort, number, judged)
            if _leaders(judged) == leaders:
                break

    def _try_seeds(self, effort: Round, number: int, judged: _Judged) -> None:
        """Judge the best network with random weights with other seeds."""
        seeds = self.settings.restarts if self.settings.restarts is not None and effort.seeds > 1 else effort.seeds
        for leader in _leaders(judged):
            best = leader.settings
            if best.cell not in GROWING:
                self._judge_all([best.with_(seed=best.seed + i) for i in range(1, seeds)], effort, number, judged)

    def _varied(self, settings: Settings) -> dict[str, object]:
        """The parameters that a policy may have filled in."""
        return settings.model_dump(exclude={"hidden", "washout", "seed", "restarts", "members", "optimizer"})

    def _sized(self, settings: Settings, share: float) -> Settings:
        """The settings with a share of all hidden units; monomials are all of them, or none."""
        if not settings.has_effect("hidden"):
            return settings
        units = units_of(self.settings, settings, self.profile.steps)
        return settings.with_(hidden=max(min(units, FEWEST_UNITS), round(share * units)))

    def _report(self, known: _Judged) -> None:
        if self.progress is not None:
            counts = self.counts
            seconds = time.perf_counter() - counts.began
            best = _best(known).error
            self.progress(Progress(counts.task, counts.done, counts.total, None, None, best, seconds))


@dataclass
class _Counts:
    """The number of candidates of a round that are judged, and of all that are known so far."""

    task: str = ""
    done: int = 0
    total: int = 0
    began: float = field(default_factory=time.perf_counter)

    def begin(self, task: str) -> None:
        """Begin a round."""
        self.task, self.done, self.total, self.began = task, 0, 0, time.perf_counter()


def ranked(choices: Iterable[Candidate]) -> list[Candidate]:
    """Sort candidates by their error, the best first."""
    return sorted(choices, key=lambda choice: choice.error)


def finalists_first(choices: Iterable[Candidate]) -> list[Candidate]:
    """Sort the candidates of several races by their errors, those that were judged with the most effort first."""
    return sorted(choices, key=lambda choice: (not choice.finalist, choice.error))


def kinds_first(ranking: Sequence[Candidate]) -> list[Candidate]:
    """Sort the best of each kind before the others: networks that forecast together should differ."""
    first = ranked({choice.kind: choice for choice in reversed(ranking)}.values())
    return first + [choice for choice in ranking if choice not in first]


def _leaders(judged: _Judged) -> list[Candidate]:
    """The best polynomial, and the best of all other candidates; one of them where there are no others."""
    polynomials = [one for one in judged.values() if one.settings.cell in GROWING]
    others = [one for one in judged.values() if one.settings.cell not in GROWING]
    return [min(some, key=lambda choice: choice.error) for some in (others, polynomials) if some]


def _going_on(ranking: Sequence[Candidate], keep: int) -> list[Candidate]:
    """The best `keep` candidates, at most half of them polynomials where there are others.

    Polynomials have all of their monomials from the first round on. The others have a part of their units, and may
    overtake them.
    """
    polynomials = [choice for choice in ranking if choice.settings.cell in GROWING]
    left_out = polynomials[keep // 2 :] if len(polynomials) < len(ranking) else []
    return [choice for choice in ranking if choice not in left_out][:keep]


def _best(judged: _Judged) -> Candidate:
    return min(judged.values(), key=lambda choice: choice.error)


def _recipe(choice: Candidate) -> Settings:
    """The settings without units and penalty, which change with the effort of a round."""
    return choice.settings.with_(hidden=None, l2=None)
