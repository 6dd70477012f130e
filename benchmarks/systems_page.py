"""The results of `systems.py`: the JSON file that keeps them, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from freerun.files.writing import replacing
from works import WORKS, Scores, Work

OURS, FORECAST = "freerun", "freerun, `forecast`"
"""The runs of freerun's best network, and the trimmed mean of the runs of its members."""


@dataclass(frozen=True)
class Row:
    """The scores of one method on one problem.

    Attributes:
        method: `freerun`, a peer or a reference.
        problem: name of the problem within its work.
        scores: by measure, one value for each run that was measured.
        seconds: processor seconds of fit and runs; 0 for a reference.
        fit: processor seconds of the fit alone.
        chosen: settings that freerun found.
        provenance: number of the entry of `Results.provenances` with date and machine.
    """

    method: str
    problem: str
    scores: Scores
    seconds: float = 0.0
    fit: float = 0.0
    chosen: dict[str, Any] = field(default_factory=dict)
    provenance: int = 0

    def mean(self, measure: str) -> float:
        """Compute the mean of a measure over the runs."""
        return float(np.mean(self.scores[measure]))

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Row:
        """Make a row from an object of JSON, in which an infinite score is null."""
        scores = {
            name: [np.inf if value is None else value for value in values] for name, values in given["scores"].items()
        }
        return cls(**{**given, "scores": scores})

    def to_json(self) -> dict[str, Any]:
        """Convert to an object of JSON, without values that are empty or 0."""
        return {name: value for name, value in _rounded(asdict(self)).items() if value}


class Results:
    """All rows, by work, in a JSON file with a line for each row.

    Attributes:
        provenances: dates and machines, to which rows refer by number.
        works: for each work, rows by method and problem.
    """

    def __init__(self, provenances: list[dict[str, Any]], works: dict[str, dict[tuple[str, str], Row]]) -> None:
        self.provenances, self.works = provenances, works

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read the results of a file; there are none if there is no such file."""
        if not path.exists():
            return cls([], {})
        given = json.loads(path.read_text())
        works = {name: [Row.from_json(row) for row in rows] for name, rows in given["works"].items()}
        by_key = {name: {(row.method, row.problem): row for row in rows} for name, rows in works.items()}
        return cls(given["provenances"], by_key)

    def write(self, path: Path) -> None:
        """Write all results to a file."""
        works = []
        for name, rows in self.works.items():
            lines = ",\n".join(f"  {json.dumps(row.to_json())}" for row in rows.values())
            works.append(f" {json.dumps(name)}: [\n{lines}\n ]")
        provenances = ",\n".join(f"  {json.dumps(one)}" for one in self.provenances)
        joined = ",\n".join(works)
        text = f'{{"provenances": [\n{provenances}\n],\n"works": {{\n{joined}\n}}}}\n'
        with replacing(path) as new:
            new.write_text(text)

    def number_of(self, provenance: dict[str, Any]) -> int:
        """Find the number of a provenance, which is added if it is new."""
        if provenance not in self.provenances:
            self.provenances.append(provenance)
        return self.provenances.index(provenance)

    def has(self, work: str, method: str, problem: str) -> bool:
        """Tell whether there is a row."""
        return (method, problem) in self.works.get(work, {})

    def add(self, work: str, row: Row) -> None:
        """Add a row, which replaces an older one of the same method and problem."""
        self.works.setdefault(work, {})[row.method, row.problem] = row

    def remove(self, work: str, methods: Iterable[str]) -> None:
        """Remove the rows of methods, and those of references."""
        removed = {*methods, *([FORECAST] if OURS in methods else [])}
        rows = self.works.get(work, {})
        self.works[work] = {key: row for key, row in rows.items() if key[0] not in removed and row.seconds}

    def rows(self, work: str) -> list[Row]:
        """List the rows of a work, on the problems that freerun was measured on."""
        rows = list(self.works.get(work, {}).values())
        measured = {row.problem for row in rows if row.method == OURS}
        return [row for row in rows if row.problem in measured]


def _rounded(value: Any) -> Any:
    """Round numbers to five digits; a number that is not finite becomes None,
    since JSON has none."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def make_table(work: Work, rows: list[Row]) -> list[str]:
    """Make the table of a work in Markdown: medians over the problems, how often freerun is ahead,
    and seconds."""
    measures = list(dict.fromkeys(name for row in rows for name in row.scores))
    lines = [
        "| who | " + " | ".join(measures) + " | problems | freerun ahead on | processor seconds |",
        "|---|" + "---|" * (len(measures) + 3),
    ]
    for method in _methods_in_order(work, rows):
        own = [row for row in rows if row.method == method]
        cells = [_format_scores([row for row in own if name in row.scores], name) for name in measures]
        ahead, seconds = _count_ahead(work, rows, method), _format_seconds(own)
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {len(own)} | {ahead} | {seconds} |")
    for method, scores in work.published:
        lines.append(f"| {method}, published | " + " | ".join(scores.get(name, "") for name in measures) + " | | | |")
    return lines


def _methods_in_order(work: Work, rows: list[Row]) -> list[str]:
    """List the methods of rows: freerun, its peers, then references."""
    found = dict.fromkeys(row.method for row in rows)
    first = [method for method in (OURS, FORECAST, *work.peers) if method in found]
    return first + [method for method in found if method not in first]


def _format_scores(rows: list[Row], measure: str) -> str:
    """Format the scores of a method: their median over the problems, the deviation of runs,
    and quartiles.

    The range takes the place of quartiles if there are fewer than `FEWEST_FOR_QUARTILES` problems.
    """
    if not rows:
        return ""
    values = [row.mean(measure) for row in rows]
    if measure == "endures":
        return f"{np.mean(values):.0%}"
    low, high = np.quantile(values, (0.25, 0.75) if len(values) >= FEWEST_FOR_QUARTILES else (0, 1))
    cell = _format_number(float(np.median(values)))
    if len(rows[0].scores[measure]) > 1:
        with np.errstate(invalid="ignore"):  # a run that diverged has a score of infinity
            deviation = float(np.median([np.std(row.scores[measure]) for row in rows]))
        cell += f" ± {_format_number(deviation)}"
    return cell + (f" ({_format_number(float(low))} to {_format_number(float(high))})" if len(values) > 1 else "")


FEWEST_FOR_QUARTILES = 8
"""Fewest problems for which quartiles are shown."""


def _format_number(value: float) -> str:
    if not np.isfinite(value):
        return "∞"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _compare(work: Work, rows: list[Row], method: str) -> dict[str, tuple[float, float]]:
    """Compare freerun with a peer or a rival, by the first measure.

    Returns:
        For each problem both scores, the lower the better; empty for other methods.
    """
    if method not in (*work.peers, *work.rivals):
        return {}
    measure = work.first
    sign = 1.0 if work.measures[measure] == "lower" else -1.0
    ours = {row.problem: sign * row.mean(measure) for row in rows if row.method == OURS}
    theirs = {row.problem: sign * row.mean(measure) for row in rows if row.method == method and measure in row.scores}
    return {problem: (ours[problem], theirs[problem]) for problem in ours if problem in theirs}


def _count_ahead(work: Work, rows: list[Row], method: str) -> str:
    """Count the problems on which freerun is ahead of a method, and all;
    empty where the two are not compared."""
    compared = _compare(work, rows, method)
    if not compared:
        return ""
    won = sum((ours < theirs) + (ours == theirs) / 2 for ours, theirs in compared.values())
    return f"{won:g} of {len(compared)}"


def _format_seconds(rows: list[Row]) -> str:
    seconds = float(np.median([row.seconds for row in rows]))
    return _format_number(seconds) if seconds else ""


def describe_losses(work: Work, rows: list[Row]) -> list[str]:
    """Write one sentence for each peer that is ahead of freerun on some problems,
    the clearest of them first."""
    sentences = []
    for method in _methods_in_order(work, rows):
        compared = _compare(work, rows, method)
        margins = {problem: theirs - ours for problem, (ours, theirs) in compared.items()}
        lost = sorted((problem for problem, margin in margins.items() if margin < 0), key=lambda one: margins[one])
        if lost:
            more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
            sentences.append(f"Behind {method} on {', '.join(lost[:MOST_NAMED])}{more}.")
    return sentences


MOST_NAMED = 12
"""Most problems that are named in a sentence."""


def make_summary(results: Results) -> list[str]:
    """Make the table of all works in Markdown: the first measure of freerun and of the best
    peer."""
    lines = ["| work | measure | freerun | best peer | freerun ahead on |", "|---|---|---|---|---|"]
    for name, work in WORKS.items():
        rows = results.rows(name)
        measure, better = work.first, work.measures[work.first]
        medians = {
            method: float(np.median([row.mean(measure) for row in rows if row.method == method]))
            for method in (OURS, *work.peers, *work.rivals)
            if any(row.method == method for row in rows)
        }
        if OURS not in medians:
            continue
        peers = {method: median for method, median in medians.items() if method != OURS}
        best = (min if better == "lower" else max)(peers, key=lambda method: peers[method], default="")
        best_score = f"{_format_number(peers[best])}, {best}" if best else ""
        lines.append(
            f"| [{work.title}](#{name}) | {measure}, {better} is better | {_format_number(medians[OURS])} "
            f"| {best_score} | {_count_ahead(work, rows, best)} |"
        )
    return lines


INTRODUCTION = """# How well systems are learned

Medians over the problems of each work. In brackets are quartiles, or the range where there are fewer than eight
problems. Where a problem has several long runs, its score is their mean, and ± is the standard deviation from run to
run. One run of a chaotic system scores half by chance: see what another piece of the true system scores.
*problems* counts those measured: some works stand for larger ones by a sample drawn by lot.
*freerun ahead on* counts the problems on which the first measure of freerun's `generate` is better; ties count half.
Seconds are of the processor, for one problem, fit and runs. `endures` is the share of networks whose free run of 100000
steps stays within 3 standard deviations of the range of the training data.

freerun has its defaults unless the title says otherwise. Each method learns from the training part alone. The echo
state network of reservoirpy is tuned on it by free runs. The one of ORC has its defaults, the NVAR the settings of its
paper; both read the series standardised. The context parrot copies what followed the closest earlier window of five
values.

`python benchmarks/systems.py --data FOLDER` measures. [Caveats](README.md#caveats-of-the-systems) are on the page of
all benchmarks; all scores are in [systems.json](systems.json)."""

PICTURES = {
    "valid-times": "Valid prediction times of the flows: share of systems that are followed for so long",
    "dysts-sorted": "Errors on the systems of dysts, each method sorted by itself",
    "ctf-long-runs": "Long runs and the true ones, with the histograms that are compared",
    "free-run": "The default's free run on the tutorial's series, against what really followed",
    "error-growth": "The error of free runs grows exponentially, at the rate that chaos sets",
    "attractor": "Data and free run visit the same states",
    "spectra": "Power spectra of data and free run",
    "return-map": "Each maximum against the one before it",
    "losses": "One-step errors of 15 units fall and stay, while free runs go on improving",
}
"""The pictures of the page, and what each shows."""


def make_page(results: Results) -> str:
    """Make the page of all results."""
    parts = [INTRODUCTION, "## In short", "\n".join(make_summary(results))]
    for name, work in WORKS.items():
        rows = results.rows(name)
        if not rows:
            continue
        parts += [f'<a id="{name}"></a>', f"## {work.title}", _format_provenances(results, rows)]
        parts += [work.caveat] if work.caveat else []
        parts.append("\n".join(make_table(work, rows)))
        sentences = describe_losses(work, rows)
        parts += [" ".join(sentences)] if sentences else []
    parts += ["## In pictures", "Drawn by `python benchmarks/pictures.py`."]
    parts += [f"![{text}](pictures/{name}.png)" for name, text in PICTURES.items()]
    return "\n\n".join(parts) + "\n"


def _format_provenances(results: Results, rows: list[Row]) -> str:
    """Format machines and dates of the rows that were measured."""
    numbers = dict.fromkeys(row.provenance for row in rows if row.seconds)
    entries = [results.provenances[number] for number in numbers]
    texts = (f"{one['machine']}, {one['date']}" + (f" ({one['note']})" if "note" in one else "") for one in entries)
    return "; ".join(dict.fromkeys(texts)) + "."
