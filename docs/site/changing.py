"""The figures of systems that change: networks that go on learning,
and networks that read a parameter.

    .venv/bin/python docs/site/changing.py [learning] [parameters]

Trains what they show, writes SVG files to docs/pictures,
and prints the numbers that the pages quote.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from matplotlib.figure import Figure

import freerun
from figures import Ink, draw

SEEDS = 2
"""Networks of each kind."""

TRAINING, FOLLOWED, BLOCK = 2000, 6000, 20
"""Steps of the fit, steps after it, and steps that come in at a time."""

MEMORY = {"learns": 1.0, "learns and forgets": 0.998}
"""Forgetting factors of the networks that learn."""

LEARNED = (3.6, 3.75, 3.9)
"""Parameters of the logistic map that the network learns."""

DT = 0.05
"""Time step of the Lorenz system."""

NOISE = 0.02
"""Standard deviation of the noise of observation, in standard deviations of the series."""


def lorenz(rho: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The Lorenz system by ten steps of Runge and Kutta's fourth order for each value of rho,
    shape (T, 3)."""

    def slope(state: np.ndarray, r: float) -> np.ndarray:
        x, y, z = state
        return np.array([10.0 * (y - x), x * (r - z) - y, x * y - 8.0 / 3.0 * z])

    states, state, h = np.empty((len(rho), 3)), start, DT / 10
    for step, r in enumerate(rho.tolist()):
        for _ in range(10):
            a = slope(state, r)
            b = slope(state + h / 2 * a, r)
            c = slope(state + h / 2 * b, r)
            state = state + h / 6 * (a + 2 * b + 2 * c + slope(state + h * c, r))
        states[step] = state
    return states


def errors_of(rnn: freerun.RNN, read: np.ndarray, count: int, deviation: np.ndarray) -> np.ndarray:
    """Root mean square over channels of the last `count` one-step errors,
    in standard deviations of the series."""
    errors = (rnn.predict(read).values[-count:] - read[-count:]) / deviation
    return np.sqrt(np.mean(errors**2, axis=1))


def followed(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """rho, and the one-step errors of each network, at each step after the fit."""
    settings = {"hidden": 200, "optimizer": "ridge", "online": True, "seed": seed}
    steps = np.arange(FOLLOWED)
    rho = 28.0 + 6.0 * (1.0 - np.cos(2.0 * np.pi * steps / 4000.0))
    start = lorenz(np.full(500, 28.0), np.array([1.0 + seed, 2.0, 25.0]))[-1]
    x = lorenz(np.concatenate([np.full(TRAINING, 28.0), rho]), start)
    deviation, random = x[:TRAINING].std(axis=0), np.random.default_rng(seed)

    def observed(states: np.ndarray) -> np.ndarray:
        return states + NOISE * deviation * random.normal(size=states.shape)

    x = observed(x)
    networks = {name: freerun.RNN(**settings).fit(x[:TRAINING]) for name in ("as it was", *MEMORY)}
    found = {name: np.empty(FOLLOWED) for name in networks}
    for first in range(TRAINING, len(x), BLOCK):
        here, new = slice(first - TRAINING, first - TRAINING + BLOCK), x[first : first + BLOCK]
        for name, rnn in networks.items():
            found[name][here] = errors_of(rnn, x[first - 200 : first + BLOCK], BLOCK, deviation)
            rnn.update(new, learn=name in MEMORY, forgetting=MEMORY.get(name, 1.0))
    chosen = networks["as it was"].model_.best.settings
    found["told rho"] = np.full(FOLLOWED, np.nan)
    for first in range(0, FOLLOWED, 500):
        there = rho[first + 250]
        own = lorenz(np.full(2800, there), start)[500:]
        oracle = freerun.RNN(**{**chosen.model_dump(), "online": False}).fit(observed(own[:TRAINING]))
        piece = observed(own[TRAINING:])
        found["told rho"][first : first + 500] = np.sqrt(np.mean(errors_of(oracle, piece, 100, deviation) ** 2))
    return rho, found


def smoothed(errors: np.ndarray, width: int = 200) -> np.ndarray:
    """Root mean squares over windows of this many steps."""
    return np.sqrt(np.convolve(errors**2, np.ones(width) / width, mode="valid"))


def drift(figure: Figure, ink: Ink, rho: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """The parameter, and the one-step errors of each network."""
    top, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    top.plot(rho, color=ink.text, linewidth=1.4)
    top.set_ylabel("rho")
    styles = {"as it was": ink.data, "learns": ink.other, "learns and forgets": ink.network, "told rho": ink.third}
    for name, color in styles.items():
        errors = smoothed(found[name])
        style = "--" if name == "told rho" else "-"
        axes.plot(np.arange(len(errors)) + 100, errors, style, color=color, linewidth=1.6, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("one-step error")
    axes.set_xlabel("step after the fit")
    axes.margins(x=0)
    axes.grid(visible=True, color=ink.grid, linewidth=0.6)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=4)


def learning() -> None:
    """A Lorenz system whose rho wanders: networks that learn,
    beside one that does not and one that is told rho."""
    began = time.process_time()
    several = [followed(seed) for seed in range(SEEDS)]
    for name in several[0][1]:
        each = [np.sqrt(np.mean(found[name][1000:] ** 2)) for _, found in several]
        print(f"{name}: one-step error from step 1000 on, each seed {', '.join(f'{error:.2g}' for error in each)}")
    print(f"{time.process_time() - began:.0f} processor seconds")
    draw("learning", (9, 5), lambda figure, ink: drift(figure, ink, *several[0]))


def logistic(r: float, steps: int, skip: int = 200) -> np.ndarray:
    """The logistic map on its attractor, shape (steps,)."""
    values = [0.4]
    for _ in range(steps + skip):
        values.append(r * values[-1] * (1.0 - values[-1]))
    return np.array(values[-steps:])


def bifurcation(figure: Figure, ink: Ink, diagrams: list[tuple[str, str, list[np.ndarray]]], at: np.ndarray) -> None:
    """The values that the system and the network visit at each parameter."""
    figure.set_dpi(160)
    for axes, (title, color, visited) in zip(figure.subplots(1, len(diagrams), sharey=True), diagrams, strict=True):
        for r in LEARNED:
            axes.axvline(r, color=ink.third, linewidth=1.2)
        for r, values in zip(at, visited, strict=True):
            axes.plot(np.full(len(values), r), values, ",", color=getattr(ink, color), rasterized=True)
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.set_xlabel("r")
        axes.set_xlim(at[0], at[-1])
        axes.set_ylim(0, 1)


def parameters() -> None:
    """The bifurcation diagram of the logistic map,
    true and by a network that learned three parameters."""
    began = time.process_time()
    panel = [freerun.Series.of(logistic(r, 1000), inputs=np.full(1000, r)) for r in LEARNED]
    rnn = freerun.RNN().fit(panel)
    at = np.linspace(3.4, 4.0, 241)
    true, learned, distances = list[np.ndarray](), list[np.ndarray](), list[float]()
    for r in at:
        start = freerun.Series.of(panel[1].values[-20:], inputs=np.full(20, r))
        run = rnn.generate(600, after=start, inputs=np.full(600, r)).values[200:, 0]
        true.append(logistic(r, 400))
        learned.append(run)
        distances.append(float(np.abs(np.sort(run) - np.sort(true[-1])).mean()))
    print(f"mean distance between the values visited: median {np.median(distances):.2g}, worst {max(distances):.2g}")
    print(f"{time.process_time() - began:.0f} processor seconds")
    shown = [("the logistic map", "data", true), ("the network at parameters it never read", "network", learned)]
    draw("parameters", (9, 4), lambda figure, ink: bifurcation(figure, ink, shown, at))


PAGES = {"learning": learning, "parameters": parameters}
"""The figures by name."""

if __name__ == "__main__":
    for page in sys.argv[1:] or PAGES:
        PAGES[page]()
