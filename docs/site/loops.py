"""The figure and the numbers of docs/reservoirpy.md:
networks of reservoirpy and of freerun in closed loop.

    .venv/bin/python docs/site/loops.py [alone] [tolerance] [driven]

`alone` is one channel of the Lorenz system, by networks of reservoirpy that differ in one point
each, and writes docs/pictures/loops-*.svg. `tolerance` is the same on the data that
`reservoirpy.datasets.lorenz` makes by default. `driven` is a servo that follows a reference. Each
prints medians and ranges over seeds, some minutes on one core.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from reservoirpy import ESN, datasets
from reservoirpy.nodes import Reservoir, Ridge
from scipy.integrate import solve_ivp

import freerun
from figures import Ink, draw
from freerun import metrics, systems

SEEDS = 10
"""Networks of each kind, each with its own part of the series."""

TRAINING, RUN, WASHOUT = 2000, 600, 100
"""Steps that are trained on, steps of the run that follows, and first steps that do not count."""

DT = 0.03
"""Time step of the Lorenz system, the default of `reservoirpy.datasets.lorenz`."""

LYAPUNOV_TIME = 1 / (0.906 * DT)
"""Steps in which an error grows by a factor of e."""

SERVOS, FOLLOWED = 5, 500
"""Servos, and steps after training that they are run for."""


@dataclass(frozen=True)
class Echo:
    """An echo state network of reservoirpy; its defaults are the settings of reservoirpy's user
    guide.

    Attributes:
        units, lr, sr, input_scaling, ridge: as in reservoirpy.
        bias: biases of the units are uniform between this and its negative.
        standardize: whether values are brought to mean 0 and standard deviation 1.
        at_rest: whether the loop begins in the zero state,
            and not in the one at the end of training.
    """

    units: int = 100
    lr: float = 0.5
    sr: float = 0.9
    input_scaling: float = 1.0
    ridge: float = 1e-7
    bias: float = 0.0
    standardize: bool = True
    at_rest: bool = False

    def model(self, seed: int) -> Any:
        """The network, untrained."""
        bias = np.random.default_rng(seed).uniform(-self.bias, self.bias, self.units)
        scales: dict[str, Any] = {"lr": self.lr, "sr": self.sr, "input_scaling": self.input_scaling, "bias": bias}
        return ESN(Reservoir(self.units, **scales, seed=seed), Ridge(self.ridge))

    def __call__(self, train: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
        """Train it on a series, shape (T, 1); its one-step error in variances of the series,
        and a run of `RUN`."""
        mean, scale = (train.mean(), train.std()) if self.standardize else (0.0, 1.0)
        values = (train - mean) / scale
        model = self.model(seed)
        model.fit(values[:-1], values[1:], warmup=WASHOUT)
        model.reset()
        predicted = model.run(values[:-1])
        if self.at_rest:
            model.reset()
        run, value = np.empty((RUN, 1)), values[-1]
        for step in range(RUN):
            value = model(value)
            run[step] = value
        error = float(np.mean((predicted[WASHOUT:] - values[WASHOUT + 1 :]) ** 2) / values.var())
        return error, run * scale + mean


def chosen(train: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """The same by freerun, which chooses everything but the seed."""
    rnn = freerun.RNN(seed=seed).fit(train)
    errors = rnn.predict(train).values[WASHOUT:] - train[WASHOUT + 1 :]
    return float(np.mean(errors**2) / train.var()), rnn.generate(RUN).values


GUIDE, LARGE, TUNED = Echo(), Echo(units=500, bias=1.0), Echo(units=500, bias=1.0, input_scaling=0.5, ridge=1e-9)

Way = Callable[[np.ndarray, int], tuple[float, np.ndarray]]

WAYS: dict[str, Way] = {
    "values as they are": replace(GUIDE, standardize=False),
    "standardised": GUIDE,
    "... but begun at rest": replace(GUIDE, at_rest=True),
    "and biases": replace(GUIDE, bias=1.0),
    "and 500 units": LARGE,
    "... and ridge=1e-9": replace(LARGE, ridge=1e-9),
    "and input_scaling=0.5, ridge=1e-9": TUNED,
    "freerun.RNN()": chosen,
}
"""What is compared. Each is the one before it and something more, or less."""


def runs(series: np.ndarray, way: Way) -> tuple[list[float], list[int]]:
    """One-step errors, and the steps for which runs hold,
    of networks that differ in seed and part of the series."""
    errors, held = list[float](), list[int]()
    for seed in range(SEEDS):
        part = series[seed * RUN // 2 :]
        train, truth = part[:TRAINING], part[TRAINING : TRAINING + RUN]
        error, run = way(train, seed)
        errors.append(error)
        held.append(metrics.valid_prediction_time(truth, run, train.std(axis=0)))
    return errors, held


def compared(series: np.ndarray, ways: dict[str, Way]) -> list[tuple[str, list[int]]]:
    """Compare ways on a series, shape (T, 1), and print what comes of it."""
    rows = list[tuple[str, list[int]]]()
    for name, way in ways.items():
        began = time.process_time()
        errors, held = runs(series, way)
        took = (time.process_time() - began) / SEEDS
        middle, least, most = np.median(held), min(held), max(held)
        print(
            f"{name:36} MSE {np.median(errors):7.1e}  VPT {middle:5.1f} ({least} to {most})  {took:.1f} s", flush=True
        )
        rows.append((name, held))
    return rows


def holding(figure: Figure, ink: Ink, rows: list[tuple[str, list[int]]]) -> None:
    """How long runs hold, a point for each network."""
    axes = figure.subplots()
    for row, (name, held) in enumerate(rows):
        color = ink.network if name.startswith("freerun") else ink.other
        times = np.array(held) / LYAPUNOV_TIME
        axes.scatter(times, np.full(len(held), row), s=42, color=color, alpha=0.7, linewidth=0, zorder=3)
        axes.plot(np.median(times), row, marker="|", markersize=22, markeredgewidth=2.5, color=ink.text, zorder=4)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.invert_yaxis()
    axes.set_xlabel("time for which the run holds, in Lyapunov times; the bar is the median")
    axes.set_xlim(left=-0.2)
    axes.grid(axis="x", color=ink.grid, linewidth=0.6)


def alone() -> None:
    """z of the Lorenz system, solved accurately."""
    series = systems.lorenz_dop853(SEEDS * RUN // 2 + TRAINING + RUN, dt=DT, washout=1000).channel("z")
    rows = compared(series.values, WAYS)
    draw("loops", (9, 4), lambda figure, ink: holding(figure, ink, rows))


def tolerance() -> None:
    """z as `reservoirpy.datasets.lorenz` computes it with its default,
    solve_ivp's relative tolerance of 1e-3."""
    series = datasets.lorenz(1000 + SEEDS * RUN // 2 + TRAINING + RUN, h=DT)[1000:, 2:]
    compared(series, {"the best reservoir": TUNED})


def servo(steps: int, seed: int, dt: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """A mass on a spring, which a motor of limited force moves
    after a reference of 20 sines below 1 Hz.

    Returns:
        Reference and displacement, shape (steps, 1) each;
        that of the displacement with a noise of 0.1 %.
    """
    random = np.random.default_rng(seed)
    frequencies, phases = 2 * np.pi * random.uniform(0.05, 1.0, 20), random.uniform(0, 2 * np.pi, 20)

    def reference(time: Any) -> Any:
        return np.sin(np.multiply.outer(time, frequencies) + phases).sum(axis=-1) / np.sqrt(10)

    def slope(at: float, state: np.ndarray) -> list[float]:
        position, speed = state
        return [speed, 40 * np.tanh(1.5 * (reference(at) - position)) - 2 * speed]

    times = dt * np.arange(steps)
    position = solve_ivp(slope, (0, times[-1]), [0.0, 0.0], t_eval=times, rtol=1e-8, atol=1e-8).y[0]
    measured = position + 1e-3 * position.std() * random.normal(size=steps)
    return reference(times)[:, None], measured[:, None]


def error_of(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square error in standard deviations of the truth."""
    return float(np.sqrt(np.mean((truth - predicted) ** 2)) / truth.std())


def standardized(position: np.ndarray) -> np.ndarray:
    """The displacement in standard deviations of its training part."""
    return (position - position[:TRAINING].mean()) / position[:TRAINING].std()


def echoed(echo: Echo, reference: np.ndarray, position: np.ndarray, seed: int) -> tuple[float, float]:
    """Errors of a network that reads the reference and the last displacement: the true one,
    and its own."""
    standard = standardized(position)
    read, truth = np.hstack([reference[1:], standard[:-1]]), standard[1:]
    model = echo.model(seed)
    model.fit(read[: TRAINING - 1], truth[: TRAINING - 1], warmup=WASHOUT)
    model.reset()
    known = model.run(read)[TRAINING - 1 :]
    model.reset()
    model.run(read[: TRAINING - 1])
    looped, value = np.empty((FOLLOWED, 1)), standard[TRAINING - 1]
    for step in range(FOLLOWED):
        value = model(np.concatenate([reference[TRAINING + step], value]))
        looped[step] = value
    return error_of(standard[TRAINING:], known), error_of(standard[TRAINING:], looped)


def without_feedback(echo: Echo, reference: np.ndarray, position: np.ndarray, seed: int) -> float:
    """Error of a network that reads the reference alone."""
    standard, model = standardized(position), echo.model(seed)
    model.fit(reference[:TRAINING], standard[:TRAINING], warmup=WASHOUT)
    model.reset()
    return error_of(standard[TRAINING:], model.run(reference)[TRAINING:])


def driven() -> None:
    """A servo: networks that read its reference and its displacement,
    with the known one and with their own."""
    found: dict[str, list[float]] = {}

    def add(name: str, error: float) -> None:
        found.setdefault(name, []).append(error)

    for seed in range(SERVOS):
        reference, position = servo(TRAINING + FOLLOWED, seed)
        truth = position[TRAINING:]
        add("the last displacement, known", error_of(truth, position[TRAINING - 1 : -1]))
        add("guide, reference alone", without_feedback(GUIDE, reference, position, seed))
        for name, echo in (("guide", GUIDE), ("tuned on Lorenz", TUNED)):
            known, looped = echoed(echo, reference, position, seed)
            add(f"{name}, known", known)
            add(f"{name}, own", looped)
        began = time.process_time()
        rnn = freerun.RNN(seed=seed).fit(position[:TRAINING], inputs=reference[:TRAINING])
        add("seconds of freerun", time.process_time() - began)
        predicted = rnn.predict(position, inputs=reference).values[TRAINING - 1 :]
        add("freerun, known", error_of(truth, predicted))
        add("freerun, own", error_of(truth, rnn.generate(FOLLOWED, inputs=reference[TRAINING:]).values))
    for name, errors in found.items():
        print(f"{name:32} {np.median(errors):9.4g} ({min(errors):.3g} to {max(errors):.3g})")


PAGES = {"alone": alone, "tolerance": tolerance, "driven": driven}
"""What is computed, by name."""

if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # of runs that grow without bound
    for page in sys.argv[1:] or PAGES:
        PAGES[page]()
