"""A page about a search: the best trials, what was tried, what mattered, and the command that makes the winner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from freerun.plots import MARK, NETWORK, TRUTH
from freerun.report import Report
from freerun.search.searching import Found
from freerun.settings import Settings, as_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST = 10
"""Rows of the table of trials."""

STOPPED = "#999999"

MEASURED = ("trial", "error", "finished", "seconds", "failure")
"""The columns of `Found.trials` that are not parameters."""


def write_report(found: Found, path: str | Path, title: str) -> None:
    """Write the page, whole or not at all."""
    trials = found.trials
    finished = trials.loc[trials.finished].sort_values(by=["error", "trial"])
    report = Report(title)
    report.text(
        f"{len(trials)} trials, {len(trials) - len(finished)} of them stopped early; {trials.seconds.sum():.0f} s of "
        "work. The error of a trial is that of free runs over parts of the training series that the network was not "
        "fitted to, in standard deviations, cut off at 1; mean over the steps of the runs. No later data had a say."
    )
    report.heading("The best trials")
    best = finished.head(BEST)
    head = ["trial", "error", "seconds", *(name for name in tried(trials) if best[name].notna().any())]
    report.table(head, [[_shown(row[column]) for column in head] for _, row in best.iterrows()])
    report.heading("The winner")
    report.text("Fitted to the whole training series. To make it by hand, with your series in place of SERIES:")
    report.code(command(found.rnn.model_.best.settings))
    report.heading("Course of the search")
    report.picture(course(found), "The error of each trial, and the best so far")
    if found.importances:
        report.heading("What mattered")
        report.text(
            "How much of the difference between the best tenth of the trials and all is owed to each parameter."
        )
        report.picture(importances(found), "A bar for each parameter")
    report.heading("What was tried")
    report.picture(slices(found), "For each parameter the error of the trials over its values")
    if max(map(len, found.rungs)) > 1:
        report.heading("Stopped early")
        report.text(
            "After each rung only about a third of the trials goes on. Where readouts are solved, the first rung has "
            "few units; networks that are trained climb with their epochs."
        )
        report.picture(rungs(found), "The error of each trial after each rung")
    report.save(path)


def tried(trials: pd.DataFrame) -> list[str]:
    """The names of what was tried, of which there is more than one value."""
    return [n for n in trials.columns if n not in MEASURED and trials[n].nunique(dropna=True) > 1]


def command(settings: Settings) -> str:
    """The command that fits a network with these settings."""
    given = {n: v for n, v in settings.model_dump().items() if v != Settings.model_fields[n].default}
    if settings.method == "ridge":
        given = {n: v for n, v in given.items() if n not in ("restarts", "members")}
    if settings.lags == tuple(range(len(settings.lags))):
        given["delays"] = len(settings.lags)
    parts = [as_option(name, value) for name, value in given.items()]
    return " ".join(["freerun fit SERIES", *parts, "-o model.freerun"])


def course(found: Found) -> Figure:
    """The error of each trial in the order in which they were proposed, and the best so far."""
    trials = found.trials.sort_values("trial")
    figure, axes = _figure(1, 1, 3.6)
    (plot,) = axes
    _points(plot, trials.trial, trials)
    best = trials.error.where(trials.finished).cummin().ffill()
    plot.step(trials.trial, best, where="post", color=TRUTH, linewidth=1.2, label="best so far")
    plot.set_yscale("log")
    plot.set_xlabel("trial")
    plot.set_ylabel("error of free runs (sd)")
    _legend(plot)
    return figure


def importances(found: Found) -> Figure:
    """A bar for each parameter."""
    ranked = sorted(found.importances.items(), key=lambda item: item[1])
    figure, (axes,) = _figure(1, 1, 0.8 + 0.32 * len(ranked))
    bars = axes.barh([name for name, _ in ranked], [share for _, share in ranked], color=MARK, height=0.6)
    axes.bar_label(bars, fmt=lambda share: f" {100 * share:.0f} %", fontsize=9)
    axes.set_xlim(0, 1.12 * max(share for _, share in ranked) or 1.0)
    axes.set_xlabel("share of the difference")
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    return figure


def slices(found: Found) -> Figure:
    """The error of the trials over the values of each parameter."""
    from matplotlib.ticker import LogLocator, NullFormatter

    trials = found.trials
    names = tried(trials) or ["trial"]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, grid = _figure(rows, columns, 2.6 * rows + 0.4)
    for axes, name in zip(grid, names, strict=False):
        known = trials.loc[trials[name].notna()]
        values = pd.Series(known[name])
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if numeric and values.nunique() > 6:
            _points(axes, values, known)
            if values.min() > 0 and values.max() >= 10 * values.min():
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
                axes.xaxis.set_major_formatter("{x:g}")
                axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            kinds = sorted(values.unique())
            draw = np.random.default_rng(0).uniform(-0.18, 0.18, len(known))
            _points(axes, np.array([kinds.index(value) for value in values]) + draw, known)
            axes.set_xticks(range(len(kinds)), [_shown(kind) for kind in kinds])
        axes.set_yscale("log")
        axes.set_xlabel(name)
    for axes in grid[::columns]:
        axes.set_ylabel("error (sd)")
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    _legend(grid[min(columns, len(names)) - 1])
    return figure


def rungs(found: Found) -> Figure:
    """The error of each trial after each rung that it climbed."""
    figure, (axes,) = _figure(1, 1, 3.6)
    for errors, finished in sorted(zip(found.rungs, found.trials.finished, strict=True), key=lambda one: one[1]):
        color = NETWORK if finished else STOPPED
        axes.plot(range(1, len(errors) + 1), errors, color=color, marker="o", markersize=4, linewidth=0.9, alpha=0.7)
    for label, color in (("finished", NETWORK), ("stopped early", STOPPED)):
        axes.plot([], [], color=color, marker="o", markersize=4, linewidth=0.9, label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(1, max(map(len, found.rungs)) + 1))
    axes.set_xlabel("rung")
    axes.set_ylabel("error of free runs (sd)")
    _legend(axes)
    return figure


def _points(axes: Axes, x: Any, trials: pd.DataFrame) -> None:
    finished = np.asarray(trials.finished, bool)
    x, error = np.asarray(x), np.asarray(trials.error)
    stopped = {"s": 18, "facecolors": "none", "edgecolors": STOPPED, "linewidths": 1.0, "label": "stopped early"}
    axes.scatter(x[~finished], error[~finished], **stopped)
    axes.scatter(x[finished], error[finished], s=18, color=NETWORK, label="finished")


def _figure(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, height), layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False, sharey=rows * columns > 1)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(grid.flat)


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, borderaxespad=0.2)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "-"
    return f"{value:.4g}"
