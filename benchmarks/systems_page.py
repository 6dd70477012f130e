"""The results of `systems.py`: how they are kept, and the page that shows them."""

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
    """How one method did on one problem.

    Attributes:
        who: `freerun`, a peer or a reference.
        case: the problem, within its work.
        scores: by measure, one value for each run that was measured.
        seconds: of the processor, fit and runs; 0 for a reference.
        fit: of the processor, the fit alone.
        chosen: settings that freerun found.
        made: number of the entry of `Results.provenances` that says when and on what.
    """

    who: str
    case: str
    scores: Scores
    seconds: float = 0.0
    fit: float = 0.0
    chosen: dict[str, Any] = field(default_factory=dict)
    made: int = 0

    def mean(self, measure: str) -> float:
        """The mean over the runs."""
        return float(np.mean(self.scores[measure]))


class Results:
    """All rows, by work, in a JSON file with a line for each row.

    Attributes:
        provenances: dates and machines, to which rows refer by number.
        works: rows by who and case, for each work.
    """

    def __init__(self, provenances: list[dict[str, Any]], works: dict[str, dict[tuple[str, str], Row]]) -> None:
        self.provenances, self.works = provenances, works

    @classmethod
    def read(cls, path: Path) -> Results:
        """The results of a file, or none if there is no such file."""
        if not path.exists():
            return cls([], {})
        kept = json.loads(path.read_text())
        works = {name: [_row(row) for row in rows] for name, rows in kept["works"].items()}
        return cls(kept["made"], {name: {(row.who, row.case): row for row in rows} for name, rows in works.items()})

    def write(self, path: Path) -> None:
        """Write them whole."""
        works = []
        for name, rows in self.works.items():
            lines = ",\n".join(f"  {json.dumps(_kept(row))}" for row in rows.values())
            works.append(f" {json.dumps(name)}: [\n{lines}\n ]")
        made = ",\n".join(f"  {json.dumps(one)}" for one in self.provenances)
        joined = ",\n".join(works)
        text = f'{{"made": [\n{made}\n],\n"works": {{\n{joined}\n}}}}\n'
        with replacing(path) as new:
            new.write_text(text)

    def made(self, provenance: dict[str, Any]) -> int:
        """The number of a provenance, which is added if it is new."""
        if provenance not in self.provenances:
            self.provenances.append(provenance)
        return self.provenances.index(provenance)

    def has(self, work: str, who: str, case: str) -> bool:
        """Whether there is a row."""
        return (who, case) in self.works.get(work, {})

    def add(self, work: str, row: Row) -> None:
        """Add a row, in the place of an older one."""
        self.works.setdefault(work, {})[row.who, row.case] = row

    def forget(self, work: str, who: Iterable[str]) -> None:
        """Remove the rows of some, and those of references."""
        gone = {*who, *([FORECAST] if OURS in who else [])}
        rows = self.works.get(work, {})
        self.works[work] = {key: row for key, row in rows.items() if key[0] not in gone and row.seconds}

    def rows(self, work: str) -> list[Row]:
        """The rows of a work, on the problems that freerun has done."""
        rows = list(self.works.get(work, {}).values())
        done = {row.case for row in rows if row.who == OURS}
        return [row for row in rows if row.case in done]


def _kept(row: Row) -> dict[str, Any]:
    """What is written of a row: all but defaults."""
    return {name: value for name, value in _short(asdict(row)).items() if value}


def _short(value: Any) -> Any:
    """Five digits of each number, and null for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def _row(kept: dict[str, Any]) -> Row:
    """A row as it was written; a score that is null was infinite."""
    scores = {name: [np.inf if value is None else value for value in values] for name, values in kept["scores"].items()}
    return Row(**{**kept, "scores": scores})


def table(work: Work, rows: list[Row]) -> list[str]:
    """A work's table in Markdown: medians over the problems, how often freerun is ahead, and costs."""
    measures = list(dict.fromkeys(name for row in rows for name in row.scores))
    lines = [
        "| who | " + " | ".join(measures) + " | problems | freerun ahead on | processor seconds |",
        "|---|" + "---|" * (len(measures) + 3),
    ]
    for who in _order(work, rows):
        own = [row for row in rows if row.who == who]
        cells = [_cell([row for row in own if name in row.scores], name) for name in measures]
        lines.append(
            f"| {who} | " + " | ".join(cells) + f" | {len(own)} | {_ahead(work, rows, who)} | {_seconds(own)} |"
        )
    for who, scores in work.published:
        lines.append(f"| {who}, published | " + " | ".join(scores.get(name, "") for name in measures) + " | | | |")
    return lines


def _order(work: Work, rows: list[Row]) -> list[str]:
    """Everybody: freerun, peers, and what else was scored."""
    found = dict.fromkeys(row.who for row in rows)
    first = [who for who in (OURS, FORECAST, *work.peers) if who in found]
    return first + [who for who in found if who not in first]


def _cell(rows: list[Row], measure: str) -> str:
    """The median over problems with quartiles, or with the range of fewer than eight; and the deviation of runs."""
    if not rows:
        return ""
    values = [row.mean(measure) for row in rows]
    if measure == "endures":
        return f"{np.mean(values):.0%}"
    low, high = np.quantile(values, (0.25, 0.75) if len(values) >= MANY else (0, 1))
    cell = _number(float(np.median(values)))
    if len(rows[0].scores[measure]) > 1:
        with np.errstate(invalid="ignore"):  # a run that diverged has a score of infinity
            cell += f" ± {_number(float(np.median([np.std(row.scores[measure]) for row in rows])))}"
    return cell + (f" ({_number(float(low))} to {_number(float(high))})" if len(values) > 1 else "")


MANY = 8
"""Fewest problems for which quartiles are shown."""


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "∞"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _pairs(work: Work, rows: list[Row], who: str) -> dict[str, tuple[float, float]]:
    """By problem, the first measure of freerun and of a peer or rival, turned so that the lower is the better."""
    if who not in (*work.peers, *work.rivals):
        return {}
    measure = work.first
    sign = 1.0 if work.measures[measure] == "lower" else -1.0
    ours = {row.case: sign * row.mean(measure) for row in rows if row.who == OURS}
    theirs = {row.case: sign * row.mean(measure) for row in rows if row.who == who and measure in row.scores}
    return {case: (ours[case], theirs[case]) for case in ours if case in theirs}


def _ahead(work: Work, rows: list[Row], who: str) -> str:
    pairs = _pairs(work, rows, who)
    if not pairs:
        return ""
    won = sum((ours < theirs) + (ours == theirs) / 2 for ours, theirs in pairs.values())
    return f"{won:g} of {len(pairs)}"


def _seconds(rows: list[Row]) -> str:
    seconds = float(np.median([row.seconds for row in rows]))
    return _number(seconds) if seconds else ""


def behind(work: Work, rows: list[Row]) -> list[str]:
    """One sentence for each peer that is ahead of freerun somewhere, with the problems by name, the clearest first."""
    sentences = []
    for who in _order(work, rows):
        pairs = _pairs(work, rows, who)
        lost = sorted(
            (case for case, (a, b) in pairs.items() if b < a), key=lambda case: pairs[case][1] - pairs[case][0]
        )
        if lost:
            more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
            sentences.append(f"Behind {who} on {', '.join(lost[:NAMED])}{more}.")
    return sentences


NAMED = 12
"""Most problems that are named in a sentence."""


def summary(results: Results) -> list[str]:
    """The works in a table: the first measure of freerun and of the best peer."""
    lines = ["| work | measure | freerun | best peer | freerun ahead on |", "|---|---|---|---|---|"]
    for name, work in WORKS.items():
        rows = results.rows(name)
        measure, better = work.first, work.measures[work.first]
        medians = {
            who: float(np.median([row.mean(measure) for row in rows if row.who == who]))
            for who in (OURS, *work.peers, *work.rivals)
            if any(row.who == who for row in rows)
        }
        if OURS not in medians:
            continue
        peers = {who: median for who, median in medians.items() if who != OURS}
        best = (min if better == "lower" else max)(peers, key=lambda who: peers[who], default="")
        shown = f"{_number(peers[best])}, {best}" if best else ""
        lines.append(
            f"| [{work.what}](#{name}) | {measure}, {better} is better | {_number(medians[OURS])} | {shown} "
            f"| {_ahead(work, rows, best)} |"
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


def page(results: Results) -> str:
    """The page that shows all results."""
    parts = [INTRODUCTION, "## In short", "\n".join(summary(results))]
    for name, work in WORKS.items():
        rows = results.rows(name)
        if not rows:
            continue
        parts += [f'<a id="{name}"></a>', f"## {work.what}", _when(results, rows)]
        parts += [work.caveat] if work.caveat else []
        parts.append("\n".join(table(work, rows)))
        sentences = behind(work, rows)
        parts += [" ".join(sentences)] if sentences else []
    parts += ["## In pictures", "Drawn by `python benchmarks/pictures.py`."]
    parts += [f"![{text}](pictures/{name}.png)" for name, text in PICTURES.items()]
    return "\n\n".join(parts) + "\n"


def _when(results: Results, rows: list[Row]) -> str:
    """Dates and machines of the rows that were measured."""
    made = dict.fromkeys(row.made for row in rows if row.seconds)
    entries = [results.provenances[number] for number in made]
    said = (f"{one['machine']}, {one['date']}" + (f" ({one['note']})" if "note" in one else "") for one in entries)
    return "; ".join(dict.fromkeys(said)) + "."
