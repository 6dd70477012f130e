"""Choosing what the settings leave open, by free runs on the last part of the training series.

A recipe fills in what was left open, and the judge lets it run free. First a grid is tried with few units, then the
neighbours of the best as long as that helps, then the finalists with all their units, and the winner with other seeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from freerun.checkpoint import Checkpoint
from freerun.cores import spread
from freerun.data.series import Series
from freerun.history import Progress, Watcher
from freerun.judge import Choice, Judge
from freerun.recipes import PROBE, Recipes, default_hidden, is_open, resolved
from freerun.settings import Settings

CLIMBS = 4
"""How often at most the neighbours of the best recipe are tried."""

FINALISTS = 4
"""Fewest recipes that are judged with all their units."""

SEEDS = 4
"""Fewest seeds with which the winner is judged."""

COMPARED, KINDS, SEEDS_OF_KIND, SEEDS_OF_BEST, REFINED = 6, 3, 12, 16, 3
"""How many choices for a sample of a system are compared by long runs of networks that have learned all of it; how many
of the best of different kinds are with how many seeds more, since long runs of one recipe differ by their seed as much
as those of recipes do; with how many more the best kind is, since few seeds come near the best; and of how many of the
best the penalty is refined then."""

KEPT_BY_PROBE = {
    *("seed", "holdout", "nonlinearity", "standardize", "dtype", "device", "difference", "detrend", "log"),
}
"""What the networks that probe for the delays of others share with them."""


def choose(
    settings: Settings, training: Sequence[Series], progress: Watcher | None, checkpoint: Checkpoint | None = None
) -> list[Settings]:
    """What the settings come to on these series, the best choice first; one alone when nothing is left open.

    Recipes that `checkpoint` knows are not judged again, and it is told of the others.
    """
    steps = max(map(len, training))
    if settings.method == "ridge":
        if not is_open(settings):
            return [resolved(settings, steps)]
        return [c.settings for c in _Search(settings, training, progress, checkpoint).choices()]
    if settings.method == "levenberg-marquardt" and settings.cell is None and settings.delays is None:
        probe = Settings(
            hidden=min(PROBE, default_hidden(steps)),
            cell="memoryless",
            optimizer="ridge",
            restarts=1,
            **settings.model_dump(include=KEPT_BY_PROBE),
        )
        found = _Search(probe, training, progress, checkpoint).explored().settings
        settings = settings.with_(cell="memoryless", delays=found.delays, difference=found.difference)
    return [resolved(settings, steps)]


class _Search:
    """One choice among recipes for a readout solved by ridge regression."""

    def __init__(
        self,
        settings: Settings,
        training: Sequence[Series],
        progress: Watcher | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        members = settings.members or 1
        given = settings.with_(optimizer="ridge", restarts=1, members=1)
        self._given, self._progress, self._checkpoint = given, progress, checkpoint
        self._recipes = Recipes.of(given, training)
        self._seeds = settings.restarts or (SEEDS if self._recipes.short else max(SEEDS, members))
        self._finalists = FINALISTS if self._recipes.short else max(FINALISTS, members)
        self._compared_first = max(COMPARED, members)
        self._again = (SEEDS_OF_KIND, SEEDS_OF_BEST) if settings.restarts is None else (0, 0)
        self._refined = REFINED if settings.l2 is None else 0
        self._judge = Judge(self._recipes, training)
        self._choices: dict[Settings, Choice] = {}
        self._finals: dict[Settings, Choice] = {}
        self._count = _Count("")

    def choices(self) -> list[Choice]:
        """All recipes with all their units, the best first: the finalists before those judged with few units.

        On short series those judged with few units are choices like the finalists, and the best of each kind come
        first: their forecasts are put together.
        """
        self.explored()
        ranking = ranked(self._choices.values())
        everything, seeds = self._recipes.with_all_units, range(1, self._seeds)
        finalists = [everything(c.settings) for c in _first_of_kind(ranking)[: self._finalists]]
        with self._task("judging finalists"):
            self._judge_all(finalists, self._finals, self._nearby(finalists[0]) + len(seeds))
            self._climb(self._finals, everything, len(seeds))
            best = self._best(self._finals).settings
            self._judge_all([best.with_(seed=best.seed + i) for i in seeds], self._finals)
        if self._recipes.short:
            return kinds_first(ranked((self._choices | self._finals).values()))
        finals = ranked(self._finals.values())
        if self._recipes.sample:
            return self._compared(finals)
        known = [c.settings.with_(l2=None) for c in finals]
        others = [Choice(c.error, everything(c.settings)) for c in ranking]
        return finals + [c for c in others if c.settings.with_(l2=None) not in known]

    def _compared(self, ranking: list[Choice]) -> list[Choice]:
        """As long runs rank them: the first few, the best of each kind among them with more seeds, the best kind with
        more still, and the best then with penalties close by."""
        compared: dict[Settings, Choice] = {}
        refined: dict[Settings, Choice] = {}
        first = [choice.settings for choice in kinds_first(ranking)[: self._compared_first]]
        unused = 1 + max(choice.settings.seed for choice in ranking)
        of_each, of_best = self._again

        def again(several: Iterable[Choice], seeds: range) -> list[Settings]:
            return [one.settings.with_(seed=unused + i) for one in several for i in seeds]

        with self._task("comparing long runs"):
            self._judge_by("long runs", first, compared, KINDS * of_each + of_best + self._refined)
            kinds = _first_of_kind(ranked(compared.values()))[:KINDS]
            self._judge_by("long runs", again(kinds, range(of_each)), compared, of_best + self._refined)
            leader = [one for one in kinds if one.kind == self._best(compared).kind]
            self._judge_by("long runs", again(leader, range(of_each, of_each + of_best)), compared, self._refined)
            best = [choice.settings for choice in ranked(compared.values())[: self._refined]]
            self._judge_by("long runs close by", best, refined)
        return ranked([*compared.values(), *refined.values()])

    def explored(self) -> Choice:
        """The best recipe with few units."""
        grid = list(self._recipes.grid())
        with self._task("choosing a recipe"):
            self._judge_all(grid, self._choices, 0 if self._recipes.short else self._nearby(grid[0]))
            if not self._recipes.short:
                self._climb(self._choices, lambda settings: settings)
        return self._best(self._choices)

    def _climb(self, choices: dict[Settings, Choice], sized: Callable[[Settings], Settings], coming: int = 0) -> None:
        """Try the neighbours of the best as long as that helps; `coming` are to be judged afterwards."""
        for _ in range(CLIMBS):
            before = self._best(choices)
            self._judge_all(map(sized, self._recipes.neighbours(before.settings)), choices, coming)
            if self._best(choices) is before:
                return

    def _nearby(self, settings: Settings) -> int:
        """How many neighbours a recipe has, which are to be judged next."""
        return sum(1 for _ in self._recipes.neighbours(settings))

    def _best(self, choices: dict[Settings, Choice]) -> Choice:
        return min(choices.values(), key=lambda c: c.error)

    def _judge_all(self, several: Iterable[Settings], choices: dict[Settings, Choice], coming: int = 0) -> None:
        """Judge settings that are new, with the best of the penalties; at least `coming` more follow."""
        asked = dict.fromkeys(s.with_(l2=self._given.l2) for s in several)
        choices.update((s, self._choices[s]) for s in asked if s in self._choices)
        self._judge_by("parts left out", asked, choices, coming)

    def _judge_by(self, what: str, asked: Iterable[Settings], choices: dict[Settings, Choice], coming: int = 0) -> None:
        """Judge settings of which neither `choices` nor the checkpoint knows."""
        judge = {
            "parts left out": self._judge,
            "long runs": self._judge.compare,
            "long runs close by": self._judge.refine,
        }[what]
        if self._checkpoint is not None:
            known = {s: self._checkpoint.judged(what, s) for s in asked if s not in choices}
            choices.update((s, Choice(*found)) for s, found in known.items() if found is not None)
        new = [s for s in asked if s not in choices]
        self._count.total = self._count.done + len(new) + coming
        for settings, choice in zip(new, spread(judge, new), strict=True):
            choices[settings] = choice
            if self._checkpoint is not None:
                self._checkpoint.note_judged(what, settings, choice.error, choice.settings)
            self._count.done += 1
            self._tell(self._best(choices).error if what == "parts left out" else None)

    @contextmanager
    def _task(self, name: str) -> Iterator[None]:
        """What is judged within this context counts by itself, since what comes before or after takes less or more."""
        self._count = _Count(name)
        yield
        if self._count.done < self._count.total:
            self._count.total = self._count.done
            self._tell(None)

    def _tell(self, best: float | None) -> None:
        count = self._count
        if self._progress is not None and count.done:
            seconds = time.perf_counter() - count.began
            self._progress(Progress(count.task, count.done, count.total, None, None, best, seconds))


@dataclass
class _Count:
    """How many settings are judged in a task, and are to be at least."""

    task: str
    done: int = 0
    total: int = 0
    began: float = field(default_factory=time.perf_counter)


def ranked(choices: Iterable[Choice]) -> list[Choice]:
    """The best first."""
    return sorted(choices, key=lambda c: c.error)


def kinds_first(ranking: list[Choice]) -> list[Choice]:
    """The best of each kind before the others: networks that are to forecast together should differ."""
    first = _first_of_kind(ranking)
    return first + [c for c in ranking if c not in first]


def _first_of_kind(ranking: list[Choice]) -> list[Choice]:
    """The best of each kind, the best first."""
    return ranked({c.kind: c for c in reversed(ranking)}.values())
