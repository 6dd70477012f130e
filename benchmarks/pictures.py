"""The pictures of docs/benchmarks/systems.md:
`python benchmarks/pictures.py [GROUP ...] --data FOLDER`.

The groups `flows` and `dysts` are drawn from docs/benchmarks/systems.json. The others train
networks: `tutorial` the default on the tutorial's series, and 15 units; `ctf` the default on the
Lorenz system, whose data are in FOLDER (or $FREERUN_DATA).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import freerun
from freerun import plots
from freerun.forecasting import evaluation
from systems_page import FORECAST, OURS, Results
from works import ANOTHER_PIECE, CTF_BINS, CTF_LAST, WORKS, ctf_histograms

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"
FOLDER = PAGES / "pictures"

COLOURS = {
    OURS: plots.NETWORK,
    FORECAST: "#E69F00",
    "ESN 500 (reservoirpy, tuned)": plots.MARK,
    "ESN 500 (ORC)": "#56B4E9",
    "NVAR (reservoirpy, as in the paper)": plots.SECOND,
    "context parrot": "#CC79A7",
    "NBEATS (published)": plots.TRUTH,
}
"""Okabe and Ito's palette, as in `plots`."""


def draw_tutorial(data: Path) -> None:
    """Draw what the default, and 15 units, learn from 1500 steps of the tutorial's series."""
    del data
    series = freerun.systems.mackey_glass(5500, seed=0)
    training, truth = series.split(1500)
    small = freerun.RNN(15).fit(training)
    plots.save(
        plots.losses(small.history_, "15 units: training, and free runs on the held-out steps"), FOLDER / "losses.png"
    )
    rnn = freerun.RNN().fit(training)
    scores, run = evaluation.evaluate(rnn.model_, series, 1500)
    shown = 2000
    plots.save(
        plots.free_run(run.between(0, shown), training, truth.between(0, shown), scores.vpt, "The default's free run"),
        FOLDER / "free-run.png",
    )
    growth = evaluation.error_growth(rnn.model_, series, 1500, 2000)
    plots.save(plots.error_growth(growth, title="How the error of free runs grows"), FOLDER / "error-growth.png")
    _, long_run = evaluation.evaluate_long_term(rnn.model_, series, 1500, scores.vpt)
    plots.save(plots.attractor(truth, long_run, title="States that data and free run visit"), FOLDER / "attractor.png")
    plots.save(plots.spectra(truth, long_run, "Power spectra"), FOLDER / "spectra.png")
    plots.save(plots.return_map(truth, long_run, "Return map"), FOLDER / "return-map.png")


def draw_flows(data: Path) -> None:
    """Draw the share of series whose valid prediction time is at least t, against t."""
    del data
    titles = {
        "flows512": "all channels, 512 steps",
        "flows2048": "all channels, 2048 steps",
        "flows512-single": "one channel, 512 steps",
        "flows2048-single": "one channel, 2048 steps",
    }
    measured = {work: title for work, title in titles.items() if _scores_by_method(work, "VPT")}
    figure = Figure(figsize=(4.3 * len(measured), 4.8), layout="constrained")
    axes = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    for axis, (work, title) in zip(axes, measured.items(), strict=True):
        for method, values in _scores_by_method(work, "VPT").items():
            times = np.sort(values)
            share = 100 * np.arange(len(times), 0, -1) / len(times)
            order = 3 if method == OURS else 2
            x, y = [0, *times, 10.05], [100, *share, 0]
            axis.step(
                x, y, where="pre", color=COLOURS[method], label=method, linewidth=_line_width(method), zorder=order
            )
        axis.set(title=f"{title} ({_count_problems(work)} series)", xlim=(0, 10.05), ylim=(0, 101))
        axis.set_xlabel("valid prediction time, periods")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("series followed for at least so long, %")
    _add_legend(figure)
    plots.save(figure, FOLDER / "valid-times.png")


def draw_dysts(data: Path) -> None:
    """Draw the sorted errors of each method."""
    del data
    titles = {"dysts100": "100 points a period, 1000 steps", "dysts15": "15 points a period, 150 steps"}
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (work, title) in zip(axes, titles.items(), strict=True):
        for method, values in _scores_by_method(work, "sMAPE").items():
            share = 100 * (np.arange(len(values)) + 0.5) / len(values)
            axis.plot(share, np.sort(values), color=COLOURS[method], label=method, linewidth=_line_width(method))
        axis.set(title=f"{title} ({_count_problems(work)} systems)", yscale="log", xlim=(0, 100), ylim=(0.01, 200))
        axis.set_xlabel("systems with a smaller error, %")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("sMAPE of the free run")
    _add_legend(figure)
    plots.save(figure, FOLDER / "dysts-sorted.png")


def draw_ctf(data: Path) -> None:
    """Draw the end of a long run of the default beside the true rows,
    and the histograms of both."""
    problem = WORKS["ctf"].problems(data, 1)[0]
    run = freerun.RNN().fit(problem.training).generate(problem.runs[0].steps).values
    truth = np.load(data / "ctf-lorenz" / "X1test.npy")
    figure = Figure(figsize=(10, 7), layout="constrained")
    grid = figure.subplots(3, 2, width_ratios=(3, 1), sharex="col", sharey="row")
    steps = np.arange(len(run) - CTF_LAST, len(run))
    for channel, (left, right) in zip("xyz", grid, strict=True):
        own, true = (values[-CTF_LAST:, "xyz".index(channel)] for values in (run, truth))
        left.plot(steps, true, color=plots.TRUTH, linewidth=1, label="true system")
        left.plot(steps, own, color=plots.NETWORK, linewidth=1, label="freerun's free run")
        edges = np.linspace(min(own.min(), true.min()), max(own.max(), true.max()), CTF_BINS + 1).tolist()
        right.hist(true, edges, orientation="horizontal", color=plots.TRUTH, alpha=0.35)
        right.hist(own, edges, orientation="horizontal", histtype="step", color=plots.NETWORK, linewidth=1.6)
        left.set_ylabel(channel)
        left.margins(x=0)
    others = problem.references()[ANOTHER_PIECE]["E2"]
    figure.suptitle(
        f"Steps {steps[0]} to {steps[-1] + 1} of a free run: E2 = {ctf_histograms(truth, run):.0f}. "
        f"Other pieces of the true system score {min(others):.0f} to {max(others):.0f}."
    )
    grid[-1][0].set_xlabel("step of the run")
    grid[-1][1].set_xlabel("steps in a bin")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    plots.save(figure, FOLDER / "ctf-long-runs.png")


def _scores_by_method(work: str, measure: str) -> dict[str, np.ndarray]:
    """Read the scores of each method, on the problems that freerun was measured on."""
    rows = Results.read(PAGES / "systems.json").rows(work)
    return {
        method: np.array([row.mean(measure) for row in rows if row.method == method])
        for method in COLOURS
        if any(row.method == method for row in rows)
    }


def _count_problems(work: str) -> int:
    return len(_scores_by_method(work, WORKS[work].first)[OURS])


def _line_width(method: str) -> float:
    return 2.4 if method == OURS else 1.4


def _add_legend(figure: Figure) -> None:
    """Add one legend for all panels."""
    lines = {label: line for axis in figure.axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    drawn = {method: lines[method] for method in COLOURS if method in lines}
    labels = [method.replace("`", "") for method in drawn]
    figure.legend(drawn.values(), labels, loc="outside lower center", ncols=3, frameon=False)


GROUPS: dict[str, Callable[[Path], None]] = {
    "tutorial": draw_tutorial,
    "flows": draw_flows,
    "dysts": draw_dysts,
    "ctf": draw_ctf,
}


def main() -> None:
    """Draw groups of pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("groups", nargs="*", default=list(GROUPS), help=f"of: {', '.join(GROUPS)}; default: all")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FREERUN_DATA", "data")))
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for group in arguments.groups:
        GROUPS[group](arguments.data)


if __name__ == "__main__":
    main()
