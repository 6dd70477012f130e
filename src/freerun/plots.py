"""Plots: each function draws one Matplotlib figure and returns it; `save` writes it as PNG,
SVG or PDF.

All names of channels and titles are drawn as text, never as formulas; see `freerun.lettering`.
Functions that draw series take them as `freerun.Series.of` does: a DataFrame, an array, a path.
They share three arguments. `boundary` is the first step after the training part. `truth` has the
true values of predicted steps. `title` is the title of the figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freerun import metrics
from freerun.data.seasons import autocorrelation, cycles
from freerun.data.series import Series
from freerun.data.timeline import drawn_times
from freerun.errors import OutputError, SettingError
from freerun.files.writing import replacing
from freerun.forecasting.forecast import Forecast

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from freerun.backtest import Backtest
    from freerun.forecasting.anomalies import Anomalies
    from freerun.lettering import Lettered
    from freerun.training.history import History

# the palette of Okabe and Ito (2008), distinguishable for color-blind readers and in grayscale
TRUTH, NETWORK, MARK, SECOND = "#222222", "#D55E00", "#0072B2", "#009E73"

FORMATS = (".png", ".svg", ".pdf")
"""Suffixes of pictures that can be written."""

LINES = 20_000
"""Most steps of an attractor that are drawn, since more fill the picture."""

REACH = 2.0
"""A free run is drawn up to this multiple of the range of the data above and below them,
so that they stay visible."""

MOST_LAGS = 40
"""Most lags of an autocorrelation that are drawn."""

MOST_CYCLES = 12
"""Most cycles of a season that are drawn, the last ones."""

MANY = 16
"""Channels from which on a series or a free run is drawn as an image of channels and time;
see `field`."""

MOST_PANELS = 8
"""Most channels of anomalies that are drawn."""

DRAWN_ERRORS = 1e-16, 1e3
"""Bounds to which errors are clipped in a plot, in standard deviations."""


def data(series: object, boundary: int | None = None, title: str = "") -> Figure:
    """Plot a series, one panel per channel; from `MANY` channels on as an image.

    Args:
        series: the data.
        boundary: first step after the training part; marked by a line.
        title: title of the figure.
    """
    series = Series.of(series)
    if len(series.channels) >= MANY:
        return _images({"data": series}, [] if boundary is None else [series.drawn_times[boundary]], title)
    figure, grid = _new_figure(title, len(series.channels), [2] * len(series.channels))
    for i, (axes, channel) in enumerate(zip(grid, series.channels, strict=True)):
        axes.plot(series.drawn_times, series.values[:, i], color=TRUTH, linewidth=1)
        axes.set_ylabel(channel)
    _mark_boundary(grid, series, boundary)
    grid[-1].set_xlabel(_time_label(series))
    return _finish(figure)


def one_step(series: object, predictions: Series, boundary: int | None = None, title: str = "") -> Figure:
    """Plot one-step predictions with the data, and the Euclidean norm of their errors below.

    Args:
        series: the data, T steps.
        predictions: what `RNN.predict` returned for them, steps 1 to T - 1.
        boundary: first step after the training part; marked by a line.
        title: title of the figure.
    """
    series = Series.of(series)
    figure, grid = _new_figure(title, 1 + len(series.channels), [*([2] * len(series.channels)), 1])
    for i, (axes, channel) in enumerate(zip(grid[:-1], series.channels, strict=True)):
        axes.plot(series.drawn_times, series.values[:, i], color=TRUTH, linewidth=1.6, label="data")
        axes.plot(
            predictions.drawn_times,
            predictions.values[:, i],
            color=NETWORK,
            linewidth=1,
            linestyle="--",
            label="one-step prediction",
        )
        axes.set_ylabel(channel)
    error = np.sqrt(((series.values[1:] - predictions.values) ** 2).sum(axis=1))
    grid[-1].semilogy(predictions.drawn_times, np.maximum(error, 1e-16), color=NETWORK, linewidth=0.7)
    grid[-1].set_ylabel("|error|")
    grid[-1].set_xlabel(_time_label(series))
    _mark_boundary(grid, series, boundary)
    _add_legend(grid[0])
    return _finish(figure)


def smoothed(series: object, states: Series, title: str = "") -> Figure:
    """Plot measurements as dots, and the states behind them as lines.

    Args:
        series: the measurements.
        states: what `RNN.smooth` returned for them, without standard deviations.
        title: title of the figure.
    """
    series = Series.of(series)
    figure, grid = _new_figure(title, len(series.channels), [1] * len(series.channels))
    for i, (axes, channel) in enumerate(zip(grid, series.channels, strict=True)):
        axes.plot(series.drawn_times, series.values[:, i], ".", color=TRUTH, markersize=3, label="measured")
        axes.plot(states.drawn_times, states.values[:, i], color=NETWORK, linewidth=1, label="smoothed")
        axes.set_ylabel(channel)
    grid[-1].set_xlabel(_time_label(series))
    _add_legend(grid[0])
    return _finish(figure)


def free_run(
    run: Series,
    before: object = None,
    truth: object = None,
    vpt: int | None = None,
    title: str = "",
) -> Figure:
    """Plot a free run, with the data before it and the true values;
    from `MANY` channels on by `field`.

    Args:
        run: the generated steps.
        before: the series that the run continues. As many of its last steps are drawn as `run` has,
            at least 50.
        truth: the true values of at most as many steps as `run` has; of an array,
            from its first step on.
        vpt: valid prediction time in steps; marked by a line.
        title: title of the figure.
    """
    if len(run.channels) >= MANY:
        return field(run, truth, vpt, title)
    past = None if before is None else Series.of(before)
    true, at = _true_values(truth, run.drawn_times)
    figure, grid = _new_figure(title, len(run.channels), [2] * len(run.channels))
    for i, (axes, channel) in enumerate(zip(grid, run.channels, strict=True)):
        data = [series.values[:, i] for series in (past, true) if series is not None]
        values = _clip(run.values[:, i], np.concatenate(data)) if data else run.values[:, i]
        if past is not None:
            shown = min(len(past), max(len(run), 50))
            times = np.append(past.drawn_times[-shown:], run.drawn_times[:1])
            joined = run.values[:1, i] if true is None else true.values[:1, i]
            axes.plot(times, np.append(past.values[-shown:, i], joined), color=TRUTH, linewidth=1.6, label="data")
            axes.axvline(run.drawn_times[0], color=MARK, linewidth=1.2)
        if true is not None:
            label = None if past is not None else "true values"
            axes.plot(at, true.values[:, i], color=TRUTH, linewidth=1.6, label=label)
        axes.plot(run.drawn_times, values, color=NETWORK, linewidth=1.2, linestyle="--", label="free run")
        if vpt is not None and 0 < vpt < len(run):
            axes.axvline(run.drawn_times[vpt], color=SECOND, linewidth=1.2, linestyle=":", label=f"holds {vpt} steps")
        axes.set_ylabel(channel)
    if past is not None:
        _annotate(grid[0], run.drawn_times[0], "free run →")
    grid[-1].set_xlabel(_time_label(run))
    _add_legend(grid[0])
    return _finish(figure)


def field(run: Series, truth: object = None, vpt: int | None = None, title: str = "") -> Figure:
    """Plot the free run of a field as an image, channels upwards and time to the right.

    Above it are the true values, and below it the difference, all in the same colours.

    Args:
        run: the generated steps.
        truth: the true values of at most as many steps as `run` has.
        vpt: valid prediction time in steps; marked by a line.
        title: title of the figure.
    """
    shown = {"free run": run}
    if truth is not None:
        true = Series.of(truth).values
        same = run.between(0, len(true))
        data, difference = (replace(same, values=values) for values in (true, same.values - true))
        shown = {"data": data, "free run": run, "difference": difference}
    marks = [run.drawn_times[vpt]] if vpt is not None and 0 < vpt < len(run) else []
    return _images(shown, marks, title)


def _images(shown: Mapping[str, Series], marks: Sequence[Any], title: str) -> Figure:
    """Draw series as images above each other, in common colours,
    with vertical lines at some times."""
    first = next(iter(shown.values()))
    figure, grid = _new_figure(title, len(shown), [2] * len(shown))
    known = first.values[np.isfinite(first.values)]
    scale, signed = np.abs(known).max(initial=0.0), known.min(initial=0.0) < 0
    for axes, (name, series) in zip(grid, shown.items(), strict=True):
        diverging = signed or name == "difference"
        image = axes.pcolormesh(
            series.drawn_times,
            np.arange(series.shape[1]),
            series.values.T,
            cmap="RdBu_r" if diverging else "viridis",
            vmin=-scale if diverging else 0.0,
            vmax=scale,
            shading="nearest",
            rasterized=True,
        )
        for mark in marks:
            axes.axvline(mark, color=TRUTH, linewidth=1.2, linestyle=":")
        axes.set_ylabel(name)
        figure.colorbar(image, ax=axes, pad=0.01)
    grid[-1].set_xlabel(_time_label(first))
    return _finish(figure)


def forecast(
    table: pd.DataFrame | Forecast,
    before: object = None,
    levels: Sequence[float] = (),
    truth: object = None,
    title: str = "",
) -> Figure:
    """Plot a fan chart: a forecast with its prediction intervals,
    after the last steps of the series.

    Args:
        table: what `RNN.forecast` returned, or the `Forecast` that it was made of.
        before: the series that is continued. Three times as many of its
            steps are drawn as are forecast, at least 50.
        levels: levels of the intervals to draw, in percent.
        truth: the true values; of an array, from the first step of the forecast on.
        title: title of the figure.

    Raises:
        SettingError: the table has no intervals of a level.
    """
    times = drawn_times(table.index)
    past = None if before is None else Series.of(before)
    true, at = _true_values(truth, times)
    series = true if past is None else past
    shown = (
        table if isinstance(table, Forecast) else Forecast.of_frame(table, None if series is None else series.channels)
    )
    bounds = {f"{level:g}": ends for level, ends in shown.bounds.items()}
    if unknown := [level for level in levels if f"{level:g}" not in bounds]:
        raise SettingError(f"level {unknown[0]:g}: the forecast has the levels {', '.join(bounds) or '(none)'}")
    figure, grid = _new_figure(title, len(shown.channels), [2] * len(shown.channels))
    for place, (axes, channel) in enumerate(zip(grid, shown.channels, strict=True)):
        values = shown.point[:, place]
        if past is not None:
            count = min(len(past), max(3 * len(values), 50))
            then, following = (times, values) if true is None else (at, _values_of(true, channel, place))
            drawn = np.append(_values_of(past, channel, place)[-count:], following[0])
            axes.plot(np.append(past.drawn_times[-count:], then[0]), drawn, color=TRUTH, linewidth=1.4, label="data")
        for number, level in enumerate(sorted(levels, reverse=True)):
            low, high = (bound[:, place] for bound in bounds[f"{level:g}"])
            alpha = 0.18 + 0.22 * number / max(1, len(levels) - 1)
            axes.fill_between(times, low, high, color=NETWORK, alpha=alpha, linewidth=0, label=f"{level:g} % interval")
        if true is not None:
            axes.plot(at, _values_of(true, channel, place), color=TRUTH, linewidth=1.4)
        axes.plot(times, values, color=NETWORK, linewidth=1.6, label="forecast")
        axes.set_ylabel(channel)
    grid[-1].set_xlabel("time")
    _add_legend(grid[0])
    return _finish(figure)


def backtest(result: Backtest, title: str = "") -> Figure:
    """Plot the error of the network and of the baselines over the horizon,
    as MASE (see `freerun.metrics.mase`).

    Args:
        result: what `RNN.backtest` returned.
        title: title of the figure.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = _new_figure(title, 1, [3])
    errors = result.by_horizon()
    styles = ["-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1))]
    colors = [NETWORK, TRUTH, MARK, SECOND, "#CC79A7"]
    for name, style, color in zip(errors.columns, styles, colors, strict=False):
        width = 2.0 if name == errors.columns[0] else 1.3
        axes.plot(errors.index, errors[name], linestyle=style, color=color, linewidth=width, label=name)
    axes.set_xlabel("horizon (steps)")
    axes.set_ylabel("MASE")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _add_legend(axes, columns=5)
    return _finish(figure)


def occasions(series: object, result: Backtest, title: str = "") -> Figure:
    """Plot the forecasts of a backtest over the data, each with its widest intervals.

    Args:
        series: the series of the backtest.
        result: what `RNN.backtest` returned.
        title: title of the figure.
    """
    from freerun.backtest import METHOD

    series = Series.of(series)
    figure, grid = _new_figure(title, len(result.channels), [2] * len(result.channels))
    horizon = result.truth.shape[1]
    first = max(0, int(result.origins[0]) - max(50, horizon))
    times, level = series.drawn_times, max(result.bounds, default=None)
    for i, (axes, channel) in enumerate(zip(grid, result.channels, strict=True)):
        axes.plot(times[first:], series.values[first:, i], color=TRUTH, linewidth=1.4, label="data")
        for number, origin in enumerate(result.origins):
            ahead = times[origin : origin + horizon]
            labels = ("forecasts", f"{level:g} % intervals") if number == 0 else (None, None)
            axes.plot(ahead, result.forecasts[METHOD][number, :, i], color=NETWORK, linewidth=1.4, label=labels[0])
            axes.axvline(ahead[0], color=MARK, linewidth=0.8, linestyle=":")
            if level is not None:
                low, high = (bound[number, :, i] for bound in result.bounds[level])
                axes.fill_between(ahead, low, high, color=NETWORK, alpha=0.18, linewidth=0, label=labels[1])
        axes.set_ylabel(channel)
    grid[-1].set_xlabel(_time_label(series))
    _add_legend(grid[0])
    return _finish(figure)


def anomalies(found: Anomalies, title: str = "") -> Figure:
    """Plot a series, what the network expected of it, and the intervals in which it deviates;
    below, the scores.

    The score is -log10 of the p-value. Flagged readings are dots. Of many channels,
    those that deviate most are drawn.

    Args:
        found: what `RNN.anomalies` returned.
        title: title of the figure.
    """
    series, times = found.series, found.series.drawn_times
    worst = np.nan_to_num(found.channel_p, nan=1.0).min(axis=0)
    shown = np.sort(np.argsort(worst, kind="stable")[:MOST_PANELS])
    figure, grid = _new_figure(title, len(shown) + 1, [*([2] * len(shown)), 1])
    for axes, i in zip(grid, shown.tolist(), strict=False):
        axes.plot(times, series.values[:, i], color=TRUTH, linewidth=1, label="data")
        expected = _clip(found.expected[:, i], series.values[:, i])
        axes.plot(times, expected, color=NETWORK, linewidth=0.9, linestyle="--", label="expected one step before")
        flagged = found.flagged & (found.channel == i)
        axes.plot(times[flagged], series.values[flagged, i], ".", color=MARK, markersize=4, label="flagged")
        axes.set_ylabel(series.channels[i])
    grid[-1].plot(times, -np.log10(found.p), color=NETWORK, linewidth=0.8)
    grid[-1].axhline(-np.log10(found.rate), color=TRUTH, linewidth=0.8, linestyle=":")
    grid[-1].set_ylabel("score")
    grid[-1].set_xlabel(_time_label(series))
    if series.timed and np.issubdtype(times.dtype, np.datetime64):
        _shorten_dates(grid[-1])
    for begin, end in found.spans:
        for axes in grid:
            axes.axvspan(times[begin], times[end], color=MARK, alpha=0.18, linewidth=1)
    _add_legend(grid[0])
    return _finish(figure)


def residuals(series: object, predictions: Series, title: str = "") -> Figure:
    """Plot the errors of one-step predictions over time,
    their autocorrelation and their distribution.

    The band of the autocorrelation holds 95 % of the values for white noise,
    +-1.96 / sqrt(T) (Bartlett, 1946).

    Args:
        series: the data, T steps.
        predictions: what `RNN.predict` returned for them, steps 1 to T - 1.
        title: title of the figure.
    """
    from freerun.lettering import Lettered

    series = Series.of(series)
    errors = series.values[1:] - predictions.values
    figure = Lettered(figsize=(10, 1.2 + 1.9 * errors.shape[1]), layout="constrained")
    grid: Any = figure.subplots(errors.shape[1], 3, squeeze=False, sharex="col", width_ratios=[3, 1.5, 1])
    for row, channel, column in zip(grid, series.channels, errors.T, strict=True):
        known = column[np.isfinite(column)]
        lags = max(1, min(MOST_LAGS, len(known) // 3))
        correlation = autocorrelation(known, lags + 1)[1:] if len(known) else np.zeros(lags)
        band = 1.96 / np.sqrt(max(1, len(known)))
        over_time, by_lag, spread = row
        over_time.axhline(0, color=TRUTH, linewidth=0.6)
        over_time.plot(predictions.drawn_times, column, color=NETWORK, linewidth=0.8)
        over_time.set_ylabel(channel)
        by_lag.axhspan(-band, band, color=MARK, alpha=0.18, linewidth=0)
        by_lag.axhline(0, color=TRUTH, linewidth=0.6)
        by_lag.vlines(np.arange(1, lags + 1), 0, correlation, color=NETWORK, linewidth=1.2)
        reach = max(0.3, 1.15 * float(np.abs(correlation).max()))
        by_lag.set_ylim(-reach, reach)
        spread.hist(known, bins=min(30, max(5, len(known) // 8)), color=NETWORK, alpha=0.6)
        for axes in row:
            axes.spines[["top", "right"]].set_visible(False)
    heads = "errors of one-step predictions", "their autocorrelation", "their distribution"
    feet = _time_label(series), "lag (steps)", "error"
    for first, last, head, foot in zip(grid[0], grid[-1], heads, feet, strict=True):
        first.set_title(head, fontsize=10, loc="left")
        last.set_xlabel(foot)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return _finish(figure)


def seasons(series: object, season: int, ahead: np.ndarray | None = None, title: str = "") -> Figure:
    """Plot the cycles of a season over each other, the last ones darker,
    and the forecast of the next one.

    Args:
        series: the data.
        season: seasonal period in steps.
        ahead: the forecast of the steps after the series, shape (H, D).
        title: title of the figure.
    """
    series = Series.of(series)
    figure, grid = _new_figure(title, len(series.channels), [2] * len(series.channels))
    phase = np.arange(1, season + 1)
    for i, (axes, channel) in enumerate(zip(grid, series.channels, strict=True)):
        drawn = cycles(series.values[:, i], season)[-MOST_CYCLES:]
        shown = len(drawn)
        for number, cycle in enumerate(drawn):
            last = number == shown - 1
            label = "last cycle" if last else "earlier cycles" if number == shown - 2 else None
            axes.plot(phase, cycle, color=TRUTH, alpha=1.0 if last else 0.12 + 0.3 * number / shown, label=label)
        if ahead is not None:
            steps = min(season, len(ahead))
            axes.plot(phase[:steps], ahead[:steps, i], color=NETWORK, linewidth=2, label="forecast")
        axes.set_ylabel(channel)
    grid[-1].set_xlabel(f"step of the season (1 to {season})")
    _add_legend(grid[0])
    return _finish(figure)


def attractor(truth: object, run: Series, delay: int | None = None, title: str = "") -> Figure:
    """Plot the states of the data and of a free run side by side, on the same axes.

    Of several channels, the first two are drawn.
    A single channel is embedded with two delays (Takens, 1981).

    Args:
        truth: the data.
        run: the free run.
        delay: delay of the embedding in steps; by default a
            quarter of the dominant period of the data.
        title: title of the figure.
    """
    from freerun.lettering import Lettered

    truth = Series.of(truth)
    first, *others = truth.channels
    if others:
        names = first, others[0]
        clouds = [series.values[:, :2] for series in (truth, run)]
    else:
        lag = delay or metrics.quarter_period(truth.values[:, 0])
        names = f"{first} (t)", f"{first} (t - {lag} steps)"
        clouds = [np.column_stack([s.values[lag:, 0], s.values[:-lag, 0]]) for s in (truth, run)]
    clouds[1] = _clip(clouds[1], clouds[0])
    figure = Lettered(figsize=(10, 5.2), layout="constrained")
    grid: Any = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, cloud, name, color in zip(grid, clouds, ("data", "free run"), (TRUTH, NETWORK), strict=True):
        axes.plot(cloud[:LINES, 0], cloud[:LINES, 1], color=color, linewidth=0.4)
        axes.set_title(name if np.isfinite(cloud).any() else f"{name}: outside the plot", color=color, fontsize=11)
        axes.set_xlabel(names[0])
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel(names[1])
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return _finish(figure)


def spectra(truth: object, run: Series, title: str = "") -> Figure:
    """Plot the power spectra of the data and of a free run, smoothed as for D_H,
    one panel per channel.

    Args:
        truth: the data.
        run: the free run; a channel that diverges is left out.
        title: title of the figure.
    """
    truth = Series.of(truth)
    figure, grid = _new_figure(title, len(truth.channels), [2] * len(truth.channels))
    steps = min(len(truth), len(run))
    frequencies = np.fft.rfftfreq(steps)
    for i, (axes, channel) in enumerate(zip(grid, truth.channels, strict=True)):
        for series, name, color, style in ((truth, "data", TRUTH, "-"), (run, "free run", NETWORK, "--")):
            if not metrics.within_bounds(series.values[:steps, i]):
                continue
            power = metrics.power_spectrum(series.values[:steps, i : i + 1])[:, 0]
            axes.semilogy(frequencies[1:], power[1:], color=color, linestyle=style, linewidth=1.2, label=name)
        axes.set_ylabel(f"power of {channel}")
    grid[-1].set_xlabel("frequency (1 / step)")
    _add_legend(grid[0])
    return _finish(figure)


def return_map(truth: object, run: Series, title: str = "") -> Figure:
    """Plot each maximum of the first channel against the maximum before it,
    for the data and for a free run.

    Args:
        truth: the data.
        run: the free run.
        title: title of the figure.
    """
    from freerun.lettering import Lettered

    truth = Series.of(truth)
    figure = Lettered(figsize=(6.4, 6), layout="constrained")
    axes = figure.subplots()
    for series, name, color, marker in ((truth, "data", TRUTH, "o"), (run, "free run", NETWORK, "x")):
        pairs = metrics.return_map(_clip(series.values[:, 0], truth.values[:, 0]))
        axes.plot(pairs[:, 0], pairs[:, 1], marker, color=color, markersize=3.5, markerfacecolor="none", label=name)
    axes.set_xlabel(f"maximum of {truth.channels[0]}")
    axes.set_ylabel("next maximum")
    axes.spines[["top", "right"]].set_visible(False)
    _add_legend(axes)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return _finish(figure)


def error_growth(errors: np.ndarray, threshold: float = metrics.LOST, title: str = "") -> Figure:
    """Plot the growth of free-run errors: the median over many starts,
    and the range between the quartiles.

    Args:
        errors: shape (N, horizon), in standard deviations; see `RNN.error_growth`.
        threshold: threshold of the valid prediction time, drawn as a line.
        title: title of the figure.
    """
    figure, (axes,) = _new_figure(title, 1, [3])
    steps = np.arange(1, errors.shape[1] + 1)
    low, middle, high = np.quantile(np.clip(errors, *DRAWN_ERRORS), [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(
        steps, low, high, color=NETWORK, alpha=0.25, linewidth=0, label=f"quartiles of {len(errors)} runs"
    )
    axes.semilogy(steps, middle, color=NETWORK, linewidth=1.6, label="median")
    axes.axhline(threshold, color=SECOND, linestyle=":", linewidth=1.2, label=f"threshold of the VPT, {threshold:g}")
    axes.set_xlabel("steps of the free run")
    axes.set_ylabel("error (standard deviations)")
    _add_legend(axes)
    return _finish(figure)


def losses(history: History, title: str = "") -> Figure:
    """Plot training, validation and free-run error over the epochs, on a logarithmic scale.

    Args:
        history: of a fit (`RNN.history_`).
        title: title of the figure.
    """
    figure, (axes,) = _new_figure(title, 1, [2])
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
    if history.free_run_error:
        axes.semilogy(
            history.epochs,
            history.free_run_error,
            color=SECOND,
            linewidth=1.2,
            linestyle=":",
            label="free runs (mean error, at most 1 sd)",
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("one-step mean squared error" if not history.free_run_error else "error")
    _add_legend(axes)
    return _finish(figure)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF.

    Args:
        figure: the figure.
        path: file to write; its suffix decides the format.

    Raises:
        OutputError: the suffix is unknown, or the file cannot be written.
    """
    path = Path(path)
    require_format(path)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)


def require_format(path: str | Path) -> None:
    """Check that `save` knows the format of a path.

    Raises:
        OutputError: the suffix is unknown.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise OutputError(f"{path}: unknown picture format {Path(path).suffix!r}; use one of {', '.join(FORMATS)}")


def _new_figure(title: str, rows: int, heights: list[int]) -> tuple[Lettered, list[Axes]]:
    """Create a figure of panels above each other that share the x axis."""
    from freerun.lettering import Lettered

    figure = Lettered(figsize=(10, 1.2 + 1.35 * sum(heights)), layout="constrained")
    grid: Any = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure, list(grid[:, 0])


def _finish(figure: Lettered) -> Figure:
    """Finish a figure: prepare its texts, see `freerun.lettering.as_written`."""
    from freerun.lettering import as_written

    return as_written(figure)


def _true_values(truth: object, times: np.ndarray) -> tuple[Series | None, np.ndarray]:
    """True values, if there are any, and when they are drawn: those without times, as of an array,
    from `times` on."""
    if truth is None:
        return None, times
    series = Series.of(truth)
    return series, series.drawn_times if isinstance(truth, Series) or series.timed else times[: len(series)]


def _values_of(series: Series, channel: str, place: int) -> np.ndarray:
    """The values of a channel, shape (T,): that of the name,
    or at the place where channels came without names."""
    return series.channel(channel).values[:, 0] if series.named else series.values[:, place]


def _mark_boundary(grid: list[Axes], series: Series, boundary: int | None) -> None:
    """Mark the first step after the training part by a line."""
    if boundary is not None:
        for axes in grid:
            axes.axvline(series.drawn_times[boundary], color=MARK, linewidth=1.2)
        _annotate(grid[0], series.drawn_times[boundary], "not trained on →")


def _clip(run: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Replace values of a run that are far outside the range of the data (see `REACH`) by NaN."""
    low, high = np.nanmin(data, axis=0), np.nanmax(data, axis=0)
    reach = REACH * (high - low)
    return np.where((run >= low - reach) & (run <= high + reach), run, np.nan)


def _annotate(axes: Axes, time: object, text: str) -> None:
    """Write text above the panel, to the right of `time`."""
    axes.annotate(
        text,
        (time, 1.0),
        (3, 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=MARK,
        fontsize=9,
    )


def _add_legend(axes: Axes, columns: int = 4) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, frameon=False, borderaxespad=0.2)


def _shorten_dates(axes: Axes) -> None:
    """Label dates by what changes from one to the next."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _time_label(series: Series) -> str:
    return "time" if np.issubdtype(series.times.dtype, np.datetime64) or series.dt != 1 else "step"
