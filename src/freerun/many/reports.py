"""`Report`: counts of series, refusals, methods, steps and warnings."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

NUMBER = re.compile(r"\d[\d.,:TeE+-]*")
"""Numbers and dates in a sentence. Sentences that differ in them alone are counted together."""


@dataclass
class MessageCounts:
    """Sentences, counted together if they differ in numbers alone.

    Attributes:
        counts: number of sentences, by the sentence without numbers.
        examples: the first of these sentences.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, text: str, count: int = 1) -> None:
        """Count a sentence."""
        bare = NUMBER.sub("#", text)
        self.counts[bare] += count
        self.examples.setdefault(bare, text)

    def update(self, other: MessageCounts) -> None:
        """Add the sentences of another count."""
        for bare, count in other.counts.items():
            self.add(other.examples[bare], count)

    def commonest(self) -> dict[str, int]:
        """Return the number of sentences of each kind by the first one of the kind,
        the commonest first."""
        return {self.examples[bare]: count for bare, count in self.counts.most_common()}


@dataclass
class Report:
    """The outcome of a task for some series, in numbers.

    Attributes:
        series: number of series.
        refused: name and reason of each series that was refused.
        methods: number of series by method.
        steps: number of series by the time between two steps, as a pandas frequency.
        warnings: the warnings of fits.
        seconds: time of the fits, in seconds.
    """

    series: int = 0
    refused: list[tuple[object, str]] = field(default_factory=list)
    methods: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    warnings: MessageCounts = field(default_factory=MessageCounts)
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Number of series that were not refused."""
        return self.series - len(self.refused)

    def to_json(self) -> str:
        """Convert the report to JSON."""
        return json.dumps(
            {
                "series": self.series,
                "refused": self.refused,
                "methods": self.methods,
                "steps": self.steps,
                "warnings": self.warnings.commonest(),
                "seconds": self.seconds,
            }
        )

    @classmethod
    def of_json(cls, text: str) -> Report:
        """Read a report that `to_json` wrote."""
        given = json.loads(text)
        report = cls(given["series"], [(name, reason) for name, reason in given["refused"]], seconds=given["seconds"])
        report.methods.update(given["methods"])
        report.steps.update(given["steps"])
        for warning, count in given["warnings"].items():
            report.warnings.add(warning, count)
        return report

    @classmethod
    def sum(cls, reports: Iterable[Report]) -> Report:
        """Add up reports."""
        total = cls()
        for one in reports:
            total.series += one.series
            total.refused += one.refused
            total.methods.update(one.methods)
            total.steps.update(one.steps)
            total.warnings.update(one.warnings)
            total.seconds += one.seconds
        return total

    def reasons(self) -> dict[str, int]:
        """Return the number of series by the reason of their refusal, the commonest first."""
        counted = MessageCounts()
        for _, reason in self.refused:
            counted.add(reason)
        return counted.commonest()
