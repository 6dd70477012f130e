"""How fast freerun is beside its peers: `python benchmarks/speed.py [WORK ...]`.

Each work runs freerun and its peers in turn on the same task, prints times and ratios (a peer's
time over freerun's: above 1, freerun is faster) with their spread, and keeps them in
docs/benchmarks/speed.json, one entry a work, from which docs/benchmarks/speed.md is written; with
`--json` elsewhere, page and picture are there, too. Peers that are not installed are left out;
`make speed` installs them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contests import WORKS, Timing
from freerun.compute.programs import has_gpu
from machine import provenance

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"


@dataclass(frozen=True)
class Line:
    """A line of a table: how long a method took for a task.

    Attributes:
        task: what was timed.
        method: `freerun`, or a peer.
        shown: median and range, in the unit of the work.
        ratio: of medians, to freerun's on the same task; above 1, freerun is better.
        spread: smallest and largest ratio over the rounds.
    """

    task: str
    method: str
    shown: str
    ratio: float | None
    spread: tuple[float, float] | None


def main() -> None:
    """Run the works that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    possible = [name for name, work in WORKS.items() if not work.gpu or has_gpu()]
    parser.add_argument(
        "works", nargs="*", default=possible, help=f"some of: {', '.join(WORKS)}; default: all possible"
    )
    parser.add_argument("--json", type=Path, default=PAGES / "speed.json")
    arguments = parser.parse_args()
    results = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for name in arguments.works:
        work = WORKS[name]
        print(f"## {work.title}", flush=True)
        timings = []
        for timing in work.run():
            timings.append(timing)
            print(f"{timing.task:<34} {timing.method:<28} {_shown(timing)}", flush=True)
            results[name] = {
                "title": work.title,
                "reach": work.reach,
                **provenance(),
                "timings": [asdict(timing) for timing in timings],
            }
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
        for line in table(timings):
            print(line)
        if name == "growth":
            picture = arguments.json.parent / "pictures" / "growth.png"
            picture.parent.mkdir(exist_ok=True)
            growth_picture(timings, picture)
    arguments.json.with_suffix(".md").write_text(page(results))


def lines(timings: list[Timing]) -> Iterator[Line]:
    """The timings with their ratios to freerun's."""
    for timing in timings:
        ours = next((t for t in timings if t.task == timing.task and t.method == "freerun"), None)
        if ours is None or ours is timing:
            yield Line(timing.task, timing.method, _shown(timing), None, None)
            continue
        count = min(len(timing.values), len(ours.values))
        pairs = zip(timing.values[:count], ours.values[:count], strict=True)
        each = [(a / b) if timing.less_is_better else (b / a) for a, b in pairs]
        medians = float(np.median(timing.values)), float(np.median(ours.values))
        ratio = medians[0] / medians[1] if timing.less_is_better else medians[1] / medians[0]
        yield Line(timing.task, timing.method, _shown(timing), ratio, (min(each), max(each)))


def table(timings: list[Timing]) -> list[str]:
    """Times and ratios as a Markdown table."""
    rows = ["| task | who | median (smallest to largest) | freerun is better by |", "|---|---|---|---|"]
    for line in lines(timings):
        ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
        spread = "" if line.spread is None else f" ({line.spread[0]:.3g} to {line.spread[1]:.3g})"
        rows.append(f"| {line.task} | {line.method} | {line.shown} | {ratio}{spread} |")
    return rows


def page(results: dict[str, Any]) -> str:
    """The page that shows all results."""
    parts = [
        "# How fast freerun is",
        "Medians over rounds in which freerun and its peers take turns, smallest and largest in brackets. Printed by "
        "`python benchmarks/speed.py`; all times are in [speed.json](speed.json). What the numbers mean, and where "
        "they fall short, is in [README.md](README.md).",
    ]
    for name in WORKS:
        if name not in results:
            continue
        result = results[name]
        timings = [Timing(**timing) for timing in result["timings"]]
        parts += [f"## {result['title']}", f"To reach: {result['reach']}. {result['machine']}, {result['date']}."]
        parts.append("\n".join(table(timings)))
        if name == "growth":
            parts.append("![Time of an epoch against length and units](pictures/growth.png)")
    return "\n\n".join(parts) + "\n"


def growth_picture(timings: list[Timing], path: Path) -> None:
    """Time of an epoch against steps and against units, beside straight lines of slope 1 and 2."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, varied, fixed, slope in ((panels[0], 0, 64, 1), (panels[1], 1, 1000, 2)):
        sizes = [[int(word) for word in t.task.replace(",", "").split() if word.isdigit()] for t in timings]
        points = sorted(
            (size[varied], float(np.median(t.values)))
            for size, t in zip(sizes, timings, strict=True)
            if size[1 - varied] == fixed
        )
        x, seconds = (np.array(column) for column in zip(*points, strict=True))
        axes.loglog(x, seconds, "o-", color="#0072B2", label="an epoch")
        reference = seconds[-1] * (x / x[-1]) ** slope
        axes.loglog(x, reference, "--", color="#D55E00", label="linear" if slope == 1 else "quadratic")
        axes.set_xlabel("steps of the series" if varied == 0 else "hidden units")
        axes.set_title("64 units" if varied == 0 else "1000 steps")
        axes.set_ylabel("seconds")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def _shown(timing: Timing) -> str:
    values = [value * timing.factor for value in timing.values]
    return f"{np.median(values):.3g} {timing.unit} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
