"""How good free runs are: `python benchmarks/quality.py [WORK ...] --data FOLDER`.

Runs freerun and its peers on the works of `works.py`, which were in sight when freerun's rules were designed, see
there. Prints medians over series and seeds with their range, and keeps
all scores in docs/benchmarks/quality.json, one entry a work, from which docs/benchmarks/quality.md is written. The
works `dysts`, `lorenz` and `ecg` need their data in FOLDER (or $FREERUN_DATA): see docs/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from machine import provenance
from works import WORKS, Row

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"

REACH: dict[str, dict[str, str]] = {
    "tutorial": {"NRMSE84": "<= 1e-4", "VPT": ">= 800"},
    "fifteen": {"NRMSE84": "<= 5e-3", "VPT": ">= 300"},
    "gmd17": {"NRMSE84": "<= 3e-5"},
    "gmd30": {"NRMSE84": "<= 0.01"},
    "dysts": {"sMAPE": "<= 30"},
    "lorenz": {"D_stsp": "<= 0.2", "D_H": "<= 0.09"},
    "ecg": {"D_stsp": "<= 2", "D_H": "<= 0.2"},
    "laser": {"NRMSE": "below the peer", "VPT": "above the peer"},
}
"""What each work is to reach."""

PUBLISHED: dict[str, list[tuple[str, dict[str, str]]]] = {
    "gmd17": [
        ("ESN 400 (Jaeger and Haas, 2004)", {"NRMSE84": "2.8e-4"}),
        ("ESN 1000 (Jaeger and Haas, 2004)", {"NRMSE84": "6.3e-5"}),
    ],
    "gmd30": [("ESN 400 (Jaeger, 2001)", {"NRMSE84": "0.11"})],
    "lorenz": [("shallow PLRNN, generalized forcing (Hess et al., 2023)", {"D_stsp": "0.26", "D_H": "0.09"})],
    "ecg": [
        (
            "shallow PLRNN, generalized forcing (Hess et al., 2023)",
            {"D_stsp": "4.3", "D_H": "0.34", "PE(20)": "2.4e-3"},
        ),
        ("sparse forcing", {"D_stsp": "7.1", "D_H": "0.38", "PE(20)": "5e-3"}),
        ("reservoir", {"D_stsp": "5.3", "D_H": "0.39", "PE(20)": "4e-3"}),
        ("LSTM", {"D_stsp": "15.2", "D_H": "0.73", "PE(20)": "2.5e-2"}),
    ],
}
"""Scores from the literature, for peers that cannot run here."""


PICTURES = {
    "free-run": "The default's free run against what really followed",
    "error-growth": "The error of free runs grows exponentially, at the rate that chaos sets",
    "attractor": "Data and free run visit the same states",
    "spectra": "Power spectra of data and free run",
    "return-map": "Each maximum against the one before it",
    "losses": "One-step errors of 15 units fall and stay, while free runs go on improving",
}
"""The pictures of the page, and what each shows."""


def main() -> None:
    """Run the works that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", default=list(WORKS), help=f"some of: {', '.join(WORKS)}; default: all")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FREERUN_DATA", "data")))
    parser.add_argument("--json", type=Path, default=PAGES / "quality.json")
    arguments = parser.parse_args()
    results = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for work in arguments.works:
        print(f"## {work}: {WORKS[work].__doc__}", flush=True)
        rows = []
        try:
            for row in WORKS[work](arguments.data):
                rows.append(row)
                shown = "  ".join(f"{name} {value:.4g}" for name, value in row.scores.items())
                print(f"{row.who:<34} {row.case:<24} {shown}  {row.seconds:.1f} s", flush=True)
        except FileNotFoundError as missing:
            print(f"left out: {missing.filename} is not there; say where the data are with --data", file=sys.stderr)
            continue
        results[work] = {
            "what": WORKS[work].__doc__,
            **provenance(),
            "rows": [asdict(row) for row in rows],
        }
        for line in table(work, rows):
            print(line)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    (PAGES / "quality.md").write_text(page(results))


def table(work: str, rows: list[Row]) -> list[str]:
    """Medians and ranges over series and seeds as a Markdown table."""
    measures = list(dict.fromkeys(name for row in rows for name in row.scores))
    lines = [
        "| who | " + " | ".join(measures) + " | seconds a fit |",
        "|---|" + "---|" * (len(measures) + 1),
        "| to reach | " + " | ".join(REACH.get(work, {}).get(name, "") for name in measures) + " | |",
    ]
    for who in dict.fromkeys(row.who for row in rows):
        own = [row for row in rows if row.who == who]
        cells = [_spread([row.scores[name] for row in own if name in row.scores], name) for name in measures]
        seconds = float(np.median([row.seconds for row in own]))
        lines.append(f"| {who} | " + " | ".join(cells) + f" | {f'{seconds:.1f}' if seconds else ''} |")
    for who, scores in PUBLISHED.get(work, []):
        lines.append(f"| {who}, published | " + " | ".join(scores.get(name, "") for name in measures) + " | |")
    return lines


def page(results: dict[str, Any]) -> str:
    """The page that shows all results."""
    parts = [
        "# How good free runs are",
        "Medians over series and seeds, smallest and largest in brackets. Settings are freerun's defaults unless a "
        "line says otherwise. Each fit chooses on its training part alone; but the rules by which it does (which "
        "recipes, how they are judged, how many seeds) were designed with the test scores of these works in sight, and "
        "on `lorenz` and `ecg` they choose by D_stsp and D_H on the training part, by which no peer was chosen. So "
        "this is no clean test of freerun. `endures` is the share of models whose free run of "
        "100000 steps stays within 3 standard deviations of the range of the training data. Printed by "
        "`python benchmarks/quality.py --data FOLDER`; all scores are in [quality.json](quality.json).",
    ]
    for work in WORKS:
        if work not in results:
            continue
        result = results[work]
        rows = [Row(**row) for row in result["rows"]]
        parts += [f"## {result['what']}", f"{result['machine']}, {result['date']}", "\n".join(table(work, rows))]
        if work == "dysts":
            parts.append(_wins(rows))
    parts.append(
        "## In pictures\n\nThe tutorial's series, 1500 training steps; drawn by `python benchmarks/pictures.py`."
    )
    parts += [f"![{text}](pictures/{name}.png)" for name, text in PICTURES.items()]
    return "\n\n".join(parts) + "\n"


def _wins(rows: list[Row]) -> str:
    peer = {row.case: row.scores["sMAPE"] for row in rows if row.who == "NBEATS (published)"}
    sentences = []
    for who in dict.fromkeys(row.who for row in rows if row.who.startswith("freerun")):
        won = sum(row.scores["sMAPE"] < peer[row.case] for row in rows if row.who == who and row.case in peer)
        sentences.append(f"{who} beats NBEATS on {won} of {len(peer)} systems")
    return "; ".join(sentences) + "."


def _spread(values: list[float], name: str) -> str:
    if not values:
        return ""
    if name == "endures":
        return f"{np.mean(values):.0%}"
    middle, low, high = np.median(values), min(values), max(values)
    return _number(middle) + (f" ({_number(low)} to {_number(high)})" if len(values) > 1 else "")


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
