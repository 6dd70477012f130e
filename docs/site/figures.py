"""The figures of the docs, each for light and for dark pages.

    .venv/bin/python docs/site/figures.py

Trains what they show (some minutes on two cores), writes SVG files to docs/pictures,
and prints the numbers that the pages quote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import freerun
from freerun import metrics, systems
from freerun.data.series import Series
from freerun.demo import DESCENT
from freerun.errors import SeriesError
from freerun.settings import ForcingName

PICTURES = Path(__file__).parents[1] / "pictures"

TRAINING = 1500
"""Steps that are trained on, as in the tutorial."""

EXPONENT = 0.0061
"""Largest Lyapunov exponent of Mackey-Glass at tau 17, per step."""

WAYS: dict[str, ForcingName] = {"one-step errors": "full", "free-run segments": "segments"}
"""What networks of 15 units are trained on, by the name in the picture."""

SEEDS = 8
"""Networks of each kind where several are compared."""

MANY = 120
"""Networks of the figure that compares one-step errors with free runs."""


@dataclass(frozen=True)
class Ink:
    """Colours on one background; Okabe and Ito's palette, lighter on dark."""

    name: str
    text: str
    grid: str
    data: str
    network: str
    other: str
    third: str


LIGHT = Ink("light", "#222222", "#dddddd", "#8a8a8a", "#D55E00", "#0072B2", "#009E73")
DARK = Ink("dark", "#e6e6e6", "#444444", "#9a9a9a", "#FF8C3A", "#56B4E9", "#2FCFA0")


@contextmanager
def inked(ink: Ink) -> Iterator[None]:
    """Matplotlib with these colours on a background that shows through."""
    style: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), ink.text
    )
    style |= {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "savefig.transparent": True}
    style |= {"svg.hashsalt": "freerun", "legend.frameon": False, "figure.constrained_layout.use": True}
    with mpl.rc_context(style):
        yield


def draw(name: str, size: tuple[float, float], fill: Callable[[Figure, Ink], None]) -> None:
    """Write a figure twice: NAME-light.svg and NAME-dark.svg."""
    for ink in (LIGHT, DARK):
        with inked(ink):
            figure = Figure(figsize=size)
            fill(figure, ink)
            figure.savefig(PICTURES / f"{name}-{ink.name}.svg", metadata={"Date": None})


def at_one_look(figure: Figure, ink: Ink, series: Series, runs: list[tuple[str, freerun.RNN]]) -> None:
    """Data, teacher forcing, the moment at which the network is let loose,
    and the run against the truth."""
    first, last = TRAINING - 200, TRAINING + 400
    grid = figure.subplots(len(runs), 1, sharex=True, sharey=True)
    for axes, (title, rnn) in zip(grid, runs, strict=True):
        predicted = rnn.predict(series).values[first - 1 : TRAINING - 1, 0]
        run = rnn.generate(last - TRAINING, after=series.between(0, TRAINING)).values[:, 0]
        steps = np.arange(first, last)
        axes.axvspan(first, TRAINING, color=ink.grid, alpha=0.35, linewidth=0)
        axes.plot(steps, series.values[first:last, 0], color=ink.data, linewidth=3.2, label="data")
        axes.plot(steps[:200], predicted, color=ink.other, linewidth=1.2, label="one-step prediction")
        axes.plot(steps[200:], run, color=ink.network, linewidth=1.4, label="free run")
        axes.axvline(TRAINING, color=ink.text, linewidth=1)
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(x=0)
    grid[0].set_ylim(-0.75, 0.62)
    for x, text, side in (
        (TRAINING - 6, "reads the data", "right"),
        (TRAINING + 6, "let loose: reads its own output", "left"),
    ):
        for axes in grid:
            axes.text(x, -0.72, text, ha=side, va="bottom", fontsize=10, style="italic")
    grid[-1].set_xlabel("step")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3)


def growth(figure: Figure, ink: Ink, curves: list[tuple[str, np.ndarray]]) -> None:
    """How errors grow from the moment at which networks are let loose."""
    axes = figure.subplots()
    colors = (ink.data, ink.other, ink.network)
    for (name, errors), color in zip(curves, colors, strict=True):
        axes.semilogy(
            np.arange(1, errors.shape[1] + 1), np.median(errors, axis=0), color=color, linewidth=1.8, label=name
        )
    horizon = curves[-1][1].shape[1]
    steps = np.arange(1, horizon + 1)
    start = np.median(curves[-1][1], axis=0)[49] * np.exp(-EXPONENT * 50)
    axes.semilogy(
        steps,
        start * np.exp(EXPONENT * steps),
        color=ink.text,
        linewidth=1,
        linestyle="--",
        label="the system's own growth, exp(0.0061 t)",
    )
    axes.axhline(0.4, color=ink.third, linestyle=":", linewidth=1.4, label="0.4: the run is lost (VPT)")
    axes.set_xlabel("steps since the network was let loose")
    axes.set_ylabel("error (standard deviations)")
    axes.set_ylim(3e-7, 6)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def scatter(figure: Figure, ink: Ink, points: np.ndarray) -> None:
    """One-step errors of many networks against how long their free runs hold."""
    axes = figure.subplots()
    axes.scatter(points[:, 0], points[:, 1], s=22, color=ink.network, alpha=0.75, linewidth=0)
    axes.set_xscale("log")
    axes.set_xlabel("one-step error on steps that were not trained on (MSE)")
    axes.set_ylabel("steps the free run holds (VPT)")
    axes.grid(color=ink.grid, linewidth=0.6)
    axes.set_axisbelow(True)


def attractors(figure: Figure, ink: Ink, panels: list[tuple[str, np.ndarray, str]]) -> None:
    """Each value against the one six steps before it."""
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for axes, (title, values, color) in zip(grid, panels, strict=True):
        axes.plot(values[:-6], values[6:], color=getattr(ink, color), linewidth=0.5)
        if np.ptp(values) < 0.01:
            axes.plot(values[-1], values[-1], "o", color=getattr(ink, color))
            axes.text(values[-1] + 0.03, values[-1], "stands still", va="center", fontsize=10, style="italic")
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("x(t)")
        axes.set_aspect("equal")
    grid[0].set_ylabel("x(t + 6)")


def forcing(figure: Figure, ink: Ink, rows: list[tuple[str, list[int]]]) -> None:
    """How long the runs of networks hold that were trained in different ways,
    a point for each seed."""
    axes = figure.subplots()
    for row, (_, held) in enumerate(rows):
        axes.scatter(held, np.full(len(held), row), s=42, color=ink.network, alpha=0.75, linewidth=0, zorder=3)
        axes.plot(np.median(held), row, marker="|", markersize=26, markeredgewidth=2.5, color=ink.text, zorder=4)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.invert_yaxis()
    axes.set_xlabel("steps the free run holds (VPT); the bar is the median")
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=ink.grid, linewidth=0.6)


def held(rnn: freerun.RNN, series: Series) -> int:
    """Steps that a free run from the end of the training part holds."""
    return rnn.evaluate(series, start=TRAINING).vpt


def many(series: Series) -> np.ndarray:
    """One-step error and VPT of networks with windows, sizes and penalties by chance, shape (N, 2).

    Those are left out whose run diverges.
    """
    random, points = np.random.default_rng(0), []
    training, _ = series.split(TRAINING)
    for seed in range(MANY):
        settings: dict[str, Any] = {
            "cell": str(random.choice(["memoryless", "leaky"])),
            "delays": int(random.choice([1, 4, 8, 12, 18])),
            "input_scale": float(10 ** random.uniform(-1.3, 0)),
            "l2": float(10 ** random.uniform(-10, -3)),
        }
        if settings["cell"] == "leaky":
            settings |= {"leak": float(random.uniform(0.2, 1)), "spectral_radius": float(random.uniform(0.5, 1.2))}
        units = int(random.choice([50, 100, 200, 400]))
        rnn = freerun.RNN(units, **settings, optimizer="ridge", input_noise=0.0, holdout=0.0, seed=seed).fit(training)
        try:
            scores = rnn.evaluate(series, start=TRAINING)
        except SeriesError:  # its run went beyond all bounds
            continue
        points.append((scores.one_step_mse, scores.vpt))
    return np.array(points)


def trained(training: Series, forcing: ForcingName, seed: int) -> freerun.RNN:
    """One network of 15 units, by Levenberg-Marquardt."""
    how: dict[str, Any] = {"cell": "simple", "delays": 4, "optimizer": "levenberg-marquardt", "restarts": 1}
    return freerun.RNN(15, **how, forcing=forcing, seed=seed).fit(training)


def write_occasions() -> None:
    """Write a picture of the report of a fit: forecasts of the made
    series of docs/forecasts.md from its past."""
    random, months = np.random.default_rng(0), np.arange(180)
    values = 100 * np.exp(0.004 * months) * (1 + 0.2 * np.sin(2 * np.pi * months / 12))
    times = np.datetime64("2010-01", "M") + months
    series = Series((values * np.exp(random.normal(0, 0.02, 180))).round(1), ("passengers",), times=times)
    result = freerun.RNN().backtest(series, 12, levels=(95,))
    freerun.plots.save(freerun.plots.occasions(series, result), PICTURES / "occasions.png")


def write_anomalies() -> None:
    """Write the picture of docs/anomalies.md: hours of a pump with faults in April."""
    random, hours = np.random.default_rng(0), np.arange(24 * 120)
    day = 2 * np.pi * hours / 24
    flow = (20 + 4 * np.sin(day) + 1.5 * np.sin(2 * day + 1) + random.normal(scale=0.7, size=len(hours))).round(2)
    april = 24 * 90
    flow[april + 57] += 9
    flow[april + 9 * 24 : april + 10 * 24] = flow[april + 9 * 24]
    flow[april + 17 * 24 : april + 20 * 24] += 1.5
    flow[april + 24 * 24 + 6 : april + 24 * 24 + 13] = np.nan
    series = Series(flow, ("flow",), times=np.datetime64("2026-01-01", "h") + hours)
    rnn = freerun.RNN().fit(series.between(0, april))
    found = rnn.anomalies(series.between(april), false_alarms="1/30D")
    freerun.plots.save(freerun.plots.anomalies(found), PICTURES / "anomalies.png")


def behind_noise(figure: Figure, ink: Ink, measured: np.ndarray, states: np.ndarray, true: np.ndarray) -> None:
    """Measurements, the states estimated from them, and the true states."""
    axes = figure.subplots()
    axes.plot(true, color=ink.data, linewidth=3.5, label="true")
    axes.plot(measured, "o", color=ink.other, markersize=3, alpha=0.6, linewidth=0, label="measured")
    axes.plot(states, color=ink.network, linewidth=1.3, label="smoothed")
    axes.set_xlabel("step")
    axes.set_ylabel("x")
    axes.margins(x=0.01)
    axes.legend(loc="upper right", ncols=3, frameon=False)


def write_noisy() -> None:
    """The example of docs/noisy-measurements.md: draw a part of it,
    and print how much noise is left."""
    true = systems.lorenz_dop853(3000, dt=0.05, washout=100)
    noise = 0.2 * true.deviation * np.random.default_rng(0).normal(size=true.shape)
    series = replace(true, values=true.values + noise)
    rnn = freerun.RNN(200, cell="memoryless", delays=1, input_scale=0.3, l2=1e-7, measurement_noise=0.2)
    states = rnn.fit(series).smooth(series).values
    left = np.sqrt(((states - true.values) ** 2).mean(axis=0)) / true.deviation
    print(f"noisy measurements: noise 0.2, left {left.round(3)}")
    shown = slice(1500, 1700)
    parts = [values[shown, 0] for values in (series.values, states, true.values)]
    draw("noisy-measurements", (10, 3.6), lambda figure, ink: behind_noise(figure, ink, *parts))


def main() -> None:
    """Train, draw, and print what the pages quote."""
    series = systems.mackey_glass(4000, seed=0)
    training, _ = series.split(TRAINING)
    descent = freerun.RNN(**DESCENT, standardize=False).fit(training)
    small, default = freerun.RNN(15).fit(training), freerun.RNN().fit(training)
    named = [
        ("the tutorial's network", descent),
        ("15 units on free-run segments", small),
        ("freerun's default", default),
    ]
    for name, rnn in named:
        scores = rnn.evaluate(series, start=TRAINING)
        print(f"{name}: one-step MSE {scores.one_step_mse:.2g}, VPT {scores.vpt}, NRMSE84 {scores.nrmse84:.2g}")

    shown = [("The tutorial's 15 units", descent), ("freerun.RNN()", default)]
    draw("free-run", (10, 4.6), lambda figure, ink: at_one_look(figure, ink, series, shown))

    curves = [(name, rnn.error_growth(series, TRAINING, 1000)) for name, rnn in named]
    draw("error-growth", (9, 4), lambda figure, ink: growth(figure, ink, curves))

    points = many(series)
    near = points[(points[:, 0] > 1e-9) & (points[:, 0] < 1e-8)]
    least, most = near[:, 1].min(), near[:, 1].max()
    print(f"the runs of {len(points)} of {MANY} networks stay finite")
    print(f"{len(near)} of them, with an MSE of 1e-9 to 1e-8, hold {least:.0f} to {most:.0f} steps")
    draw("one-step-and-free-run", (7, 4), lambda figure, ink: scatter(figure, ink, points))

    truth = systems.mackey_glass(6000, seed=0).values[TRAINING : TRAINING + 3000, 0]
    runs = [rnn.generate(4000).values[1000:, 0] for rnn in (descent, default)]
    for name, run in zip(("tutorial", "default"), runs, strict=True):
        print(f"{name}: D_H {metrics.spectrum_distance(truth[:, None], run[:, None]):.2g}")
    panels = [("data", truth, "data"), ("free run of the tutorial's network", runs[0], "other")]
    panels.append(("free run of freerun's default", runs[1], "network"))
    draw("attractors", (10, 4.2), lambda figure, ink: attractors(figure, ink, panels))

    ways: list[tuple[str, list[int]]] = []
    for name, way in WAYS.items():
        ways.append((name, [held(trained(training, way, seed), series) for seed in range(SEEDS)]))
        print(f"{name}: VPT {ways[-1][1]}, median {np.median(ways[-1][1]):.0f}")
    draw("forcing", (8, 2.6), lambda figure, ink: forcing(figure, ink, ways))
    write_occasions()
    write_anomalies()
    write_noisy()


if __name__ == "__main__":
    main()
