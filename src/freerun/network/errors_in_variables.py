"""Readouts solved from noisy measurements: errors in variables, by expectation-maximization.

A network that learns to predict noisy values from noisy values learns too small slopes (regression
dilution; Fuller, 1987). What it should learn is how the states behind the measurements go on. So
two steps take turns (Ghahramani and Roweis, 1999):

- Expectation: the states are estimated from all measurements, given the network;
  see `freerun.network.assimilation`.
- Maximization: the readout is solved by ridge regression on states drawn from
  their posterior. The variance of its errors on these is the new q. The variance
  of the measurements around them is the new r.

Draws, and not the most likely states, keep what is uncertain in the states out of the network
(stochastic EM; Celeux and Diebolt, 1985). Where the errors of the network are small, EM takes many
rounds. So q is moved further than it says, by a power of its change (adaptive overrelaxation;
Salakhutdinov and Roweis, 2003). The round whose network makes the measurements most likely is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from freerun.network import assimilation, numpy_runs, ridge
from freerun.network.assimilation import Noise, Posterior
from freerun.network.network import Network
from freerun.network.ridge import Triangle

ROUNDS = 16
"""Most rounds by default."""

OVERRELAXATION = 4.0
"""Power of the change of q by which it is moved beyond the round's own estimate."""

LARGEST_MOVE = 10.0
"""Largest factor of that move."""

LEAST_ERROR = 1e-10
"""Smallest q in squared units of the network: below,
rounding spoils the equations of the states."""

LEAST_MEASURED, MOST_MEASURED = 0.5, 1.5
"""Bounds of r, as multiples of what it is at the start."""

MOST_ESTIMATED = 5_000
"""Most steps of a series that all rounds go over:
a round of these takes 0.1 processor seconds with 100 units."""

ROUNDS_OF_ALL = 4
"""Rounds over all of a longer series after those over its end.
On two Lorenz series of 10000 steps 8 gain nothing."""

PATIENCE = 3
"""Rounds without a better one after which rounds end."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A network, and the states behind noisy measurements.

    Attributes:
        network: its readout is solved.
        noise: of the measurements and of the network.
        states: the posterior of the states, in the units of the network.
        surprise: -2 times the logarithm of the likelihood of the measurements,
            for each number that is predicted.
        rounds: how many there were.
    """

    network: Network
    noise: Noise
    states: Posterior
    surprise: float
    rounds: int


def estimate(
    network: Network,
    values: np.ndarray,
    measured: np.ndarray,
    penalty: float,
    rounds: int = ROUNDS,
    seed: int = 0,
    guess: np.ndarray | None = None,
) -> Estimate:
    """Solve the readout of a network from noisy measurements.

    Args:
        network: a network without recurrent weights. Its readout has no effect.
        values: standardized measurements and external inputs, shape (T, N);
            NaN where a measurement is missing.
        measured: variance of the noise in each channel, shape (D,), from which r begins.
        penalty: on the squares of the readout.
        rounds: at most.
        seed: of the draws.
        guess: states to begin with, shape (T, D); None takes a smoothing spline.

    Returns:
        What the best round came to.

    Raises:
        TrainingDiverged: the hidden states are not finite.
    """
    channels, random = network.bias.shape[0], np.random.default_rng(seed)
    read = values[:, :channels]
    noise: Noise | None = None
    r = np.maximum(measured, LEAST_ERROR)
    best, states = None, assimilation.smooth_guess(read, r) if guess is None else guess
    drawn = states
    number = 0
    while number < rounds and (best is None or number - best.rounds < PATIENCE):
        number += 1
        solved, errors = _solved(network, np.concatenate([drawn, values[:, channels:]], axis=1), penalty)
        q = errors if noise is None else errors * np.clip((errors / noise.model) ** OVERRELAXATION, *_MOVES)
        noise = Noise(r, np.maximum(q, LEAST_ERROR))
        found = assimilation.posterior(solved, noise, values, states)
        surprise = found.surprise / ((len(values) - network.depth - 1) * channels)
        if best is None or surprise < best.surprise:
            best = Estimate(solved, noise, found, surprise, number)
        states, drawn = found.mean, found.drawn(random)
        r = np.clip(np.nanmean((read - drawn) ** 2, axis=0), LEAST_MEASURED * measured, MOST_MEASURED * measured)
    assert best is not None
    return replace(best, rounds=number)


def estimate_long(
    network: Network, values: np.ndarray, measured: np.ndarray, penalty: float, seed: int = 0
) -> Estimate:
    """Solve the readout of a network from noisy measurements, as `estimate` does,
    of a series of any length.

    The rounds go over the last 5000 steps. Four more go over all of the series. They begin with the
    states of all of it that the network tells by then.

    Args:
        network, values, measured, penalty, seed: see `estimate`.
    """
    of_end = estimate(network, values[-MOST_ESTIMATED:], measured, penalty, seed=seed)
    if len(values) <= MOST_ESTIMATED:
        return of_end
    states = assimilation.posterior(of_end.network, of_end.noise, values).mean
    found = estimate(network, values, measured, penalty, ROUNDS_OF_ALL, seed, states)
    return replace(found, rounds=of_end.rounds + found.rounds)


_MOVES = 1 / LARGEST_MOVE, LARGEST_MOVE


def _solved(network: Network, values: np.ndarray, penalty: float) -> tuple[Network, np.ndarray]:
    """Solve a readout on states, and compute the mean squared error of each channel."""
    depth, channels = network.depth, network.bias.shape[0]
    solved = Triangle.of(ridge.rows_of(network, [values], depth)).solved(network, penalty)
    outputs = numpy_runs.predict(solved, values[:-1])[depth:]
    return solved, ((values[depth + 1 :, :channels] - outputs) ** 2).mean(axis=0)
