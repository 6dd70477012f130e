"""Noisy samples of systems, by states and by rows as they are:
`python benchmarks/noise.py [--systems NAME ...]`.

The default learns some noisy samples as measurements of states. This measures it on systems that
its rule was not settled on, beside the default without it (`measurement_noise=0`), which learns the
rows as they are. 10000 noisy rows are learned. Runs of 1000 steps from four places after noisy rows
give the valid time, in steps; a run of 5000 steps gives D_stsp and D_H, both against the true
system without noise.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

import freerun
from freerun import metrics
from freerun.errors import SeriesWarning
from machine import provenance

LEARNED, AFTER, SETTLED = 10_000, 6000, 500
"""Rows that are learned, that follow, and that are left out at the beginning."""

PLACES, RUN, LONG_RUN = (0, 1000, 2000, 3000), 1000, 5000
"""Rows after the learned ones from which runs start, and their steps; steps of the long run."""

READ = 1000
"""Noisy rows that are read before a run."""


@dataclass(frozen=True)
class Flow:
    """A system of three variables: its derivative, where it starts, and the time between rows."""

    derivative: Callable[[float, float, float], tuple[float, float, float]]
    start: tuple[float, float, float]
    dt: float

    def rows(self) -> np.ndarray:
        """Rows without noise, shape (LEARNED + AFTER, 3)."""
        times = np.arange(SETTLED + LEARNED + AFTER) * self.dt
        found = solve_ivp(
            lambda _, state: self.derivative(*state),
            (0, times[-1]),
            self.start,
            method="DOP853",
            t_eval=times,
            rtol=1e-9,
            atol=1e-9,
        )
        return found.y.T[SETTLED:]


FLOWS = {
    "halvorsen": Flow(
        lambda x, y, z: (
            -1.4 * x - 4 * y - 4 * z - y * y,
            -1.4 * y - 4 * z - 4 * x - z * z,
            -1.4 * z - 4 * x - 4 * y - x * x,
        ),
        (-5.0, 0.0, 0.1),
        0.02,
    ),
    "sprott-b": Flow(lambda x, y, z: (y * z, x - y, 1 - x * y), (0.1, 0.1, 0.1), 0.1),
    "thomas": Flow(
        lambda x, y, z: (np.sin(y) - 0.208 * x, np.sin(z) - 0.208 * y, np.sin(x) - 0.208 * z), (0.1, 1.1, 0.0), 0.2
    ),
    "chen": Flow(lambda x, y, z: (35 * (y - x), -7 * x - x * z + 28 * y, x * y - 3 * z), (-3.0, 2.0, 20.0), 0.01),
    "dadras": Flow(
        lambda x, y, z: (y - 3 * x + 2.7 * y * z, 1.7 * y - x * z + z, 2 * x * y - 9 * z), (1.0, 1.0, 0.0), 0.02
    ),
}
"""Systems as in the collection of Sprott, *Elegant Chaos* (2010), but Dadras and Momeni (2009)."""


def scores(rnn: freerun.RNN, clean: np.ndarray, noisy: np.ndarray) -> Sequence[float]:
    """The median valid time of the runs, D_stsp and D_H."""
    deviation = clean.std(axis=0)
    held = []
    for place in PLACES:
        at = LEARNED + place
        run = rnn.generate(RUN, after=noisy[at - READ : at]).values
        held.append(metrics.valid_prediction_time(clean[at : at + RUN], run, deviation))
    truth, run = clean[LEARNED : LEARNED + LONG_RUN], rnn.generate(LONG_RUN).values
    return (
        float(np.median(held)),
        metrics.state_space_divergence(truth, run),
        metrics.spectrum_distance(truth, run),
    )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="*", default=list(FLOWS), choices=list(FLOWS))
    parser.add_argument("--noise", nargs="*", type=float, default=[0.01, 0.03, 0.1], help="in standard deviations")
    parser.add_argument("--seeds", type=int, default=1, help="draws of the noise")
    given = parser.parse_args()
    print(json.dumps(provenance()))
    warnings.simplefilter("ignore", SeriesWarning)
    columns = ("system", "noise", "learned by", "valid time", "D_stsp", "D_H", "processor seconds")
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in given.systems:
        clean = FLOWS[name].rows()
        for noise in given.noise:
            for seed in range(given.seeds):
                random = np.random.default_rng(seed)
                noisy = clean + noise * clean.std(axis=0) * random.normal(size=clean.shape)
                for estimator in (freerun.RNN(), freerun.RNN(measurement_noise=0)):
                    began = time.process_time()
                    rnn = estimator.fit(noisy[:LEARNED])
                    seconds = time.process_time() - began
                    how = "states" if rnn.model_.best.noise is not None else "rows"
                    how = f"default: {how}" if rnn.get_params()["measurement_noise"] is None else how
                    held, divergence, distance = scores(rnn, clean, noisy)
                    found = f"{held:.0f} | {divergence:.3f} | {distance:.3f} | {seconds:.0f}"
                    print(f"| {name} | {noise:g} | {how} | {found} |", flush=True)


if __name__ == "__main__":
    main()
