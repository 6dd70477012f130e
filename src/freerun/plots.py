"""Pictures: each function draws one figure and returns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun.errors import OutputError
from freerun.series import Series
from freerun.writing import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from freerun.training import History

# Okabe and Ito's palette, told apart by colour-blind readers and in grey
TRUTH, NETWORK, MARK, SECOND = "#222222", "#D55E00", "#0072B2", "#009E73"

FORMATS = (".png", ".svg", ".pdf")


def data(series: Series, boundary: int | None = None, title: str = "") -> Figure:
    """A series, with the first step that is not trained on marked."""
    figure, grid = _figure(title, len(series.channels), [2] * len(series.channels))
    for i, (axes, channel) in enumerate(zip(grid, series.channels, strict=True)):
        axes.plot(series.times, series.values[:, i], color=TRUTH, linewidth=1)
        axes.set_ylabel(channel)
    _mark(grid, series, boundary)
    grid[-1].set_xlabel(_time_label(series))
    return figure


def one_step(series: Series, predictions: Series, boundary: int | None = None, title: str = "") -> Figure:
    """One-step predictions against the data, and their errors below.

    Args:
        series: the data, T steps.
        predictions: what `RNN.predict` made of them: steps 1 to T - 1.
        boundary: the first step that was not trained on; marked by a line.
    """
    figure, grid = _figure(title, 1 + len(series.channels), [*([2] * len(series.channels)), 1])
    for i, (axes, channel) in enumerate(zip(grid[:-1], series.channels, strict=True)):
        axes.plot(series.times, series.values[:, i], color=TRUTH, linewidth=1.6, label="data")
        axes.plot(
            predictions.times,
            predictions.values[:, i],
            color=NETWORK,
            linewidth=1,
            linestyle="--",
            label="one-step prediction",
        )
        axes.set_ylabel(channel)
    error = np.sqrt(((series.values[1:] - predictions.values) ** 2).sum(axis=1))
    grid[-1].semilogy(predictions.times, np.maximum(error, 1e-16), color=NETWORK, linewidth=0.7)
    grid[-1].set_ylabel("|error|")
    grid[-1].set_xlabel(_time_label(series))
    _mark(grid, series, boundary)
    _legend(grid[0])
    return figure


def free_run(
    run: Series,
    before: Series | None = None,
    truth: Series | None = None,
    vpt: int | None = None,
    title: str = "",
) -> Figure:
    """A free run, with the data before it and what really followed.

    Args:
        run: the generated steps.
        before: the series that the run continues; its last steps are drawn, as many as there are in `run` at most.
        truth: what really followed, as many steps as `run` or fewer.
        vpt: steps that the run holds; marked by a line.
    """
    figure, grid = _figure(title, len(run.channels), [2] * len(run.channels))
    for i, (axes, channel) in enumerate(zip(grid, run.channels, strict=True)):
        if before is not None:
            shown = min(len(before), max(len(run), 50))
            times = np.append(before.times[-shown:], run.times[:1])
            joined = run.values[:1, i] if truth is None else truth.values[:1, i]
            axes.plot(times, np.append(before.values[-shown:, i], joined), color=TRUTH, linewidth=1.6, label="data")
            axes.axvline(run.times[0], color=MARK, linewidth=1.2)
        if truth is not None:
            label = None if before is not None else "what really followed"
            axes.plot(truth.times, truth.values[:, i], color=TRUTH, linewidth=1.6, label=label)
        axes.plot(run.times, run.values[:, i], color=NETWORK, linewidth=1.2, linestyle="--", label="free run")
        if vpt is not None and 0 < vpt < len(run):
            axes.axvline(run.times[vpt], color=SECOND, linewidth=1.2, linestyle=":", label=f"holds {vpt} steps")
        axes.set_ylabel(channel)
    if before is not None:
        _note_at(grid[0], run.times[0], "let loose →")
    grid[-1].set_xlabel(_time_label(run))
    _legend(grid[0])
    return figure


def losses(history: History, title: str = "") -> Figure:
    """Training and validation error over the epochs, on a logarithmic scale."""
    figure, (axes,) = _figure(title, 1, [2])
    axes.semilogy(history.epochs, history.training_mse, color=NETWORK, linewidth=1.6, label="training")
    if history.validation_mse:
        axes.semilogy(
            history.epochs,
            history.validation_mse,
            color=MARK,
            linewidth=1.2,
            linestyle="--",
            label="validation",
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("one-step mean squared error")
    _legend(axes)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF, chosen by the suffix of `path`.

    Raises:
        OutputError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    require_format(path)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150)


def require_format(path: str | Path) -> None:
    """Refuse the path of a picture that `save` could not write."""
    if Path(path).suffix.lower() not in FORMATS:
        raise OutputError(f"{path}: unknown picture format {Path(path).suffix!r}; freerun writes {', '.join(FORMATS)}")


def _figure(title: str, rows: int, heights: list[int]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.2 + 1.35 * sum(heights)), layout="constrained")
    grid: Any = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure, list(grid[:, 0])


def _mark(grid: list[Axes], series: Series, boundary: int | None) -> None:
    """Mark the first step that was not trained on."""
    if boundary is not None:
        for axes in grid:
            axes.axvline(series.times[boundary], color=MARK, linewidth=1.2)
        _note_at(grid[0], series.times[boundary], "not trained on →")


def _note_at(axes: Axes, time: Any, text: str) -> None:
    """Write above the plot, to the right of `time`."""
    axes.annotate(
        text,
        (time, 1.0),
        (3, 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=MARK,
        fontsize=9,
    )


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, borderaxespad=0.2)


def _time_label(series: Series) -> str:
    return "time" if np.issubdtype(series.times.dtype, np.datetime64) or series.dt != 1 else "step"
