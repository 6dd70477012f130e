"""Write an HTML report on a search: best trials, the winner, history, importances,
slices and rungs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from freerun.plots import MARK, NETWORK, TRUTH
from freerun.reporting.page import Report
from freerun.search.searching import Found
from freerun.settings import Settings, as_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST = 10
"""Most rows in the table of the best trials."""

MOST_PLACES = 6
"""Most numbers of a parameter that get a place each on the axis of a slice."""

STOPPED = "#999999"
"""Color of trials that were stopped early: grey, behind the finished ones."""

RESULTS = ("trial", "error", "finished", "seconds", "failure")
"""Columns of `Found.trials` that are not parameters."""


def write_report(found: Found, path: str | Path, title: str) -> None:
    """Write the report; an existing file is replaced only when the new one is complete.

    Args:
        found: the result of the search.
        path: HTML file to write.
        title: heading of the page.

    Raises:
        OutputError: the file cannot be written.
    """
    trials = found.trials
    finished = trials.loc[trials.finished].sort_values(by=["error", "trial"])
    report = Report(title)
    report.text(
        f"{len(trials)} trials, {len(trials) - len(finished)} of them stopped early; {trials.seconds.sum():.0f} s of "
        "computing time. The error of a trial is that of free runs over held-out parts of the training series: in "
        "standard deviations, clipped at 1 at each step, and averaged over steps. No later data were used."
    )
    report.heading("The best trials")
    best = finished.head(BEST)
    head = ["trial", "error", "seconds", *(name for name in varied_parameters(trials) if best[name].notna().any())]
    report.table(head, [[_format(row[column]) for column in head] for _, row in best.iterrows()])
    report.heading("The winner")
    report.text("It was fitted to the whole training series. To fit it again, put your series in place of SERIES:")
    report.code(fit_command(found.rnn.model_.best.settings))
    report.heading("Optimization history")
    report.picture(plot_history(found), "Error of each trial, and lowest error so far")
    if found.importances:
        report.heading("Parameter importances")
        report.text(
            "Share of each parameter in what distinguishes the best tenth of the trials from all trials (PED-ANOVA)."
        )
        report.picture(plot_importances(found), "Importance of each parameter")
    report.heading("Slices")
    report.picture(plot_slices(found), "Error of the trials over the values of each parameter")
    if max(map(len, found.rungs)) > 1:
        report.heading("Early stopping")
        report.text(
            "After each rung, about a third of the trials continues. A rung is a number of units if readouts are "
            "solved, and a number of epochs if networks are trained."
        )
        report.picture(plot_rungs(found), "Error of each trial after each rung")
    report.save(path)


def varied_parameters(trials: pd.DataFrame) -> list[str]:
    """Return the parameters that have more than one value among the trials."""
    return [n for n in trials.columns if n not in RESULTS and trials[n].nunique(dropna=True) > 1]


def fit_command(settings: Settings) -> str:
    """Return the `freerun fit` command for these settings."""
    given = {n: v for n, v in settings.model_dump().items() if v != Settings.model_fields[n].default}
    if settings.method == "ridge":
        given = {n: v for n, v in given.items() if n not in ("restarts", "members")}
    if settings.lags == tuple(range(len(settings.lags))):
        given["delays"] = len(settings.lags)
    parts = [as_option(name, value) for name, value in given.items()]
    return " ".join(["freerun fit SERIES", *parts, "-o model.freerun"])


def plot_history(found: Found) -> Figure:
    """Plot the error of each trial in the order of proposal, and the lowest error so far."""
    trials = found.trials.sort_values("trial")
    figure, axes = _new_figure(1, 1, 3.6)
    (plot,) = axes
    _scatter(plot, trials.trial, trials)
    best = trials.error.where(trials.finished).cummin().ffill()
    plot.step(trials.trial, best, where="post", color=TRUTH, linewidth=1.2, label="best so far")
    plot.set_yscale("log")
    plot.set_xlabel("trial")
    plot.set_ylabel("error of free runs (sd)")
    _add_legend(plot)
    return figure


def plot_importances(found: Found) -> Figure:
    """Plot the importance of each parameter as a bar."""
    ranked = sorted(found.importances.items(), key=lambda item: item[1])
    figure, (axes,) = _new_figure(1, 1, 0.8 + 0.32 * len(ranked))
    bars = axes.barh([name for name, _ in ranked], [share for _, share in ranked], color=MARK, height=0.6)
    axes.bar_label(bars, fmt=lambda share: f" {100 * share:.0f} %", fontsize=9)
    axes.set_xlim(0, 1.12 * max(share for _, share in ranked) or 1.0)
    axes.set_xlabel("importance")
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    return figure


def plot_slices(found: Found) -> Figure:
    """Plot the errors of the trials over the values of each parameter."""
    trials = found.trials
    names = varied_parameters(trials) or ["trial"]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, grid = _new_figure(rows, columns, 2.6 * rows + 0.4)
    for axes, name in zip(grid, names, strict=False):
        _plot_slice(axes, trials.loc[trials[name].notna()], name)
    for axes in grid[::columns]:
        axes.set_ylabel("error (sd)")
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    _add_legend(grid[min(columns, len(names)) - 1])
    return figure


def _plot_slice(axes: Axes, trials: pd.DataFrame, name: str) -> None:
    """Plot errors over the values of one parameter. Names and few numbers get a place each,
    with jitter around it."""
    from matplotlib.ticker import LogLocator, NullFormatter

    values = pd.Series(trials[name])
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric and values.nunique() > MOST_PLACES:
        _scatter(axes, values, trials)
        if values.min() > 0 and values.max() >= 10 * values.min():
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        kinds = sorted(values.unique())
        jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(trials))
        _scatter(axes, np.array([kinds.index(value) for value in values]) + jitter, trials)
        axes.set_xticks(range(len(kinds)), [_format(kind) for kind in kinds])
    axes.set_yscale("log")
    axes.set_xlabel(name)


def plot_rungs(found: Found) -> Figure:
    """Plot the error of each trial after each of its rungs."""
    figure, (axes,) = _new_figure(1, 1, 3.6)
    for errors, finished in sorted(zip(found.rungs, found.trials.finished, strict=True), key=lambda trial: trial[1]):
        color = NETWORK if finished else STOPPED
        axes.plot(range(1, len(errors) + 1), errors, color=color, marker="o", markersize=4, linewidth=0.9, alpha=0.7)
    for label, color in (("finished", NETWORK), ("stopped early", STOPPED)):
        axes.plot([], [], color=color, marker="o", markersize=4, linewidth=0.9, label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(1, max(map(len, found.rungs)) + 1))
    axes.set_xlabel("rung")
    axes.set_ylabel("error of free runs (sd)")
    _add_legend(axes)
    return figure


def _scatter(axes: Axes, x: Any, trials: pd.DataFrame) -> None:
    finished = np.asarray(trials.finished, bool)
    x, error = np.asarray(x), np.asarray(trials.error)
    stopped = {"s": 18, "facecolors": "none", "edgecolors": STOPPED, "linewidths": 1.0, "label": "stopped early"}
    axes.scatter(x[~finished], error[~finished], **stopped)
    axes.scatter(x[finished], error[finished], s=18, color=NETWORK, label="finished")


def _new_figure(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, height), layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False, sharey=rows * columns > 1)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(grid.flat)


def _add_legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, borderaxespad=0.2)


def _format(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "-"
    return f"{value:.4g}"
