"""States behind noisy measurements: a network that predicts the
next step stands between noise and signal.

The measurements y_t of a system whose states are x_t, shape (D,), are

    y_t = x_t + noise of variance r,    x_{t+1} = F(x_t, x_{t-1}, ...) + error of variance q,

where F is a network that reads the last values alone. Given all of a series,
the most likely states minimize

    J(x) = sum over t of (y_t - x_t)^2 / r  +  sum over t of (x_{t+1} - F(x_t, ...))^2 / q,

the cost of weak-constraint 4D-Var (Tremolet, 2006). `posterior` minimizes it by Gauss-Newton steps.
Their equations are banded, so that a step is exact and takes a time in proportion to the length of
the series. For a linear network one step gives the smoother of Rauch, Tung and Striebel (1965). The
precision of the states is the banded matrix itself.

Given the past alone, `filtered` estimates the last states by the extended Kalman
filter (Jazwinski, 1970). Free runs and predictions begin there. A missing value
is a measurement without weight, in both.

Shapes: T steps; N = D + E numbers read in a step, D channels and E external inputs;
K = depth + 1 values that a prediction depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from freerun.data.arrays import interpolated
from freerun.network import numpy_runs
from freerun.network.network import Network, State, left_out

STEPS = 50
"""Most Gauss-Newton steps."""

CONVERGED = 1e-8
"""Relative change of the cost below which Gauss-Newton steps end."""

LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e6
"""Damping of a Gauss-Newton step that would raise the cost, relative to the diagonal (Marquardt,
1963). It grows and shrinks tenfold."""

REMEMBERED = 500
"""Steps before the first run that the filter reads; it forgets where it began."""

GUESSED_BY = 5_000
"""Most steps by which the smoothness of a first guess is chosen."""

SMOOTHNESS = tuple(10.0**exponent for exponent in range(-5, 5))
"""Variances of the second differences of a first guess of the states,
relative to that of the noise."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Variances in squared units of the network.

    Attributes:
        measured: r, of the noise in measurements, shape (D,), positive.
        model: q, of the errors of predictions from true states, shape (D,), positive.
    """

    measured: np.ndarray
    model: np.ndarray


class Linear(NamedTuple):
    """A network linearized at M windows.

    Attributes:
        outputs: shape (M, D).
        slopes: derivative of each output by each value that it depends on, shape (M, K, D, D):
            entry [m, k, a, b] is that of output a by channel b, k steps before the current one.
    """

    outputs: np.ndarray
    slopes: np.ndarray


def linearized(network: Network, inputs: np.ndarray, past: np.ndarray) -> Linear:
    """Linearize a network without recurrent weights.

    Args:
        network: the network.
        inputs: what it reads, shape (T, *S, N).
        past: what it read before, shape (depth, *S, N).

    Returns:
        The outputs and slopes of T windows (times S), in the order of `inputs`.
    """
    channels = network.bias.shape[0]
    window = numpy_runs.windows(network, inputs, past)
    seen = np.asarray(window.seen).reshape(-1, window.seen.shape[-1])
    hidden: list[np.ndarray] = []
    for cell in network.cells:
        driven_by = hidden[-1] if hidden else seen
        hidden.append(np.asarray(cell.step(cell.rest(network.bias.dtype), cell.drive(driven_by))[0]))
    features = np.concatenate([seen[:, :0], *hidden], axis=-1)
    outputs = np.asarray(numpy_runs.output(network, features, window._replace(seen=seen, base=None)))
    by_seen = np.stack([_gradient(network, seen, hidden, channel) for channel in range(channels)], axis=1)
    by_lag = by_seen.reshape(len(seen), channels, len(network.lags), -1)[..., :channels]
    slopes = np.zeros((len(seen), network.depth + 1, channels, channels))
    kept = [(-1, -1), *left_out(network.differences)] if network.differences else [(-1, -1)]
    for place, lag in enumerate(network.lags):
        for back, coefficient in kept:  # a difference is the value minus what it leaves out
            slopes[:, lag + back + 1] -= coefficient * by_lag[:, :, place]
    if window.base is not None:
        outputs = outputs + np.asarray(window.base).reshape(outputs.shape)
        for back, coefficient in left_out(network.differences):
            slopes[:, back] += coefficient * np.eye(channels)
    return Linear(outputs, slopes)


def _gradient(network: Network, seen: np.ndarray, hidden: list[np.ndarray], channel: int) -> np.ndarray:
    """The derivative of an output by the window, shape (M, window),
    layer by layer from the top down."""
    sizes = np.cumsum([cell.hidden for cell in network.cells])
    weights = np.split(network.readout[:, channel], sizes[:-1])
    gradient: np.ndarray | float = 0.0
    for layer in reversed(range(len(hidden))):
        driven_by = hidden[layer - 1] if layer else seen
        gradient = np.asarray(network.cells[layer].pulled_back(driven_by, hidden[layer], weights[layer] + gradient))
    direct = 0.0 if network.direct is None else network.direct[:, channel]
    return np.broadcast_to(gradient + direct, seen.shape)


@dataclass(frozen=True, eq=False)
class Posterior:
    """The states of a series, given all its measurements.

    Attributes:
        mean: the most likely states, shape (T, D).
        factor: lower Cholesky factor of their precision, in the banded form of
            `scipy.linalg.cholesky_banded`: shape (bands, T * D), the states step by step.
        surprise: -2 times the logarithm of the likelihood of the measurements, up to a constant,
            by Laplace's method.
    """

    mean: np.ndarray
    factor: np.ndarray
    surprise: float

    def drawn(self, random: np.random.Generator) -> np.ndarray:
        """Draw states from the posterior, shape (T, D)."""
        from scipy.linalg import solve_banded

        bands, size = self.factor.shape
        upper = np.zeros_like(self.factor)
        for band in range(bands):
            upper[bands - 1 - band, band:] = self.factor[band, : size - band]
        away = solve_banded((0, bands - 1), upper, random.normal(size=size), check_finite=False)
        return self.mean + away.reshape(self.mean.shape)

    def deviation(self) -> np.ndarray:
        """Compute the standard deviation of each state, shape (T, D),
        from the inverse of the precision.

        Only the entries of the inverse inside the band are computed,
        from the last to the first (Takahashi et al., 1973).
        """
        bands, size = self.factor.shape
        below = bands - 1
        variance = np.empty(size)
        near = np.zeros((below, below))  # the inverse at the next steps
        for place in reversed(range(size)):
            first = self.factor[0, place]
            column = np.zeros(below)
            count = min(below, size - 1 - place)
            column[:count] = self.factor[1 : count + 1, place] / first
            across = -near @ column
            variance[place] = 1.0 / first**2 - column @ across
            near[1:, 1:] = near[:-1, :-1].copy()
            near[0, 1:] = near[1:, 0] = across[:-1]
            near[0, 0] = variance[place]
        return np.sqrt(variance).reshape(self.mean.shape)


def posterior(network: Network, noise: Noise, values: np.ndarray, guess: np.ndarray | None = None) -> Posterior:
    """Estimate the states of a series from all its measurements.

    Args:
        network: a network without recurrent weights.
        noise: of the measurements and of the network.
        values: what was measured, and the external inputs, shape (T, N); NaN where a measurement is
            missing. T is more than the depth of the network plus one.
        guess: where the search begins, shape (T, D); None begins at `smooth_guess`.

    Returns:
        The states. The first of them, up to the depth of the network,
        are known by measurements and by what follows.
    """
    from scipy.linalg import cho_solve_banded

    channels = network.bias.shape[0]
    problem = _Problem(network, noise, np.array(values, np.float64))
    states = smooth_guess(values[:, :channels], noise.measured) if guess is None else guess
    linear, cost, damping = *problem.at(states), 0.0
    factor = np.empty(0)
    for _ in range(STEPS):
        precision, gradient = problem.equations(states, linear)
        while True:
            factor = _factor(precision, damping)
            step = -cho_solve_banded((factor, True), gradient.ravel(), check_finite=False).reshape(states.shape)
            found, lower = problem.at(states + step)
            if lower <= cost or damping > MOST_DAMPING:
                break
            damping = max(LEAST_DAMPING, 10 * damping)
        settled = not lower < cost * (1 - CONVERGED)
        if lower <= cost:
            states, linear, cost = states + step, found, lower
        if settled:
            break
        damping = damping / 10 if damping > LEAST_DAMPING else 0.0
    factor = _factor(problem.equations(states, linear)[0], 0.0)
    surprise = cost + problem.scales() + 2.0 * float(np.log(factor[0]).sum())
    return Posterior(states, factor, surprise)


class _Problem:
    """The cost J of states, and the equations of its Gauss-Newton steps."""

    def __init__(self, network: Network, noise: Noise, values: np.ndarray) -> None:
        self.network, self.noise = network, noise
        self.channels = network.bias.shape[0]
        self.measured = values[:, : self.channels]
        self.weights = np.isfinite(self.measured) / noise.measured
        self.measured = np.nan_to_num(self.measured)
        self.inputs = interpolated(values[:, self.channels :]) if network.inputs else values[:, self.channels :]
        self.before = network.depth + 1  # steps without a prediction

    def at(self, states: np.ndarray) -> tuple[Linear, float]:
        """The network linearized at the states, and their cost."""
        with np.errstate(all="ignore"):
            read = np.concatenate([states, self.inputs], axis=1)[:-1]
            linear = linearized(self.network, read[self.before - 1 :], read[: self.before - 1])
            errors = states[self.before :] - linear.outputs
            cost = (self.weights * (states - self.measured) ** 2).sum() + (errors**2 / self.noise.model).sum()
        return linear, float(cost) if np.isfinite(cost) else np.inf

    def scales(self) -> float:
        """The logarithms of the variances, one for each measurement and each prediction."""
        counts = (self.weights > 0).sum(axis=0)
        predicted = len(self.measured) - self.before
        return float(counts @ np.log(self.noise.measured) + predicted * np.log(self.noise.model).sum())

    def equations(self, states: np.ndarray, linear: Linear) -> tuple[np.ndarray, np.ndarray]:
        """Half the second derivative of the cost, lower bands of shape ((K + 1) D, T D),
        and half its gradient, (T, D).

        A prediction couples the state that it predicts with the K states that it is made from. The
        contributions of all predictions to one entry of one pair of these lie D apart in a band.
        """
        channels, (steps, _) = self.channels, states.shape
        errors, predicted = states[self.before :] - linear.outputs, len(linear.outputs)
        blocks = [np.broadcast_to(np.eye(channels), (predicted, channels, channels))]
        blocks += [-linear.slopes[:, back] for back in range(self.before)]
        gradient = self.weights * (states - self.measured)
        bands = np.zeros(((self.before + 1) * channels, steps * channels))
        bands[0] = self.weights.ravel()
        coupled = [i for i, block in enumerate(blocks) if block.any()]
        for i in coupled:
            weighted = blocks[i] / self.noise.model[:, None]
            first = self.before - i
            gradient[first : first + predicted] += np.einsum("mab,ma->mb", weighted, errors)
            for j in coupled:
                if j >= i:
                    pairs = np.einsum("mab,mac->bcm", weighted, blocks[j])
                    self._add(bands, pairs, self.before - j, j - i)
        return bands, gradient

    def _add(self, bands: np.ndarray, pairs: np.ndarray, earlier: int, apart: int) -> None:
        """Add products, shape (D, D, M), of states `apart` steps from each
        other to the bands of the lower triangle."""
        channels, predicted = self.channels, pairs.shape[-1]
        for later in range(channels):
            for channel in range(channels):
                band = apart * channels + later - channel
                if band >= 0:
                    first = earlier * channels + channel
                    bands[band, first : first + predicted * channels : channels] += pairs[later, channel]


def _factor(precision: np.ndarray, damping: float) -> np.ndarray:
    """The lower Cholesky factor of banded equations whose diagonal is raised by a share."""
    from scipy.linalg import cholesky_banded

    damped = precision.copy()
    damped[0] *= 1.0 + damping
    return cholesky_banded(damped, lower=True, check_finite=False)


def smooth_guess(values: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Guess states without a network: a smoothing spline through each channel, with gaps bridged.

    The second differences of the states are noise, which makes a discrete smoothing spline
    (Whittaker, 1923). How smooth it is, is chosen by the likelihood (Kitagawa and Gersch, 1984).

    Args:
        values: measurements, shape (T, D), T at least 3; NaN where one is missing.
        variance: of their noise, shape (D,).

    Returns:
        Shape (T, D).
    """
    line = _straight_on(values.dtype)
    straight = interpolated(values)
    states = np.empty_like(straight)
    for channel in range(values.shape[1]):
        one = slice(channel, channel + 1)
        noises = [Noise(variance[one], variance[one] * share) for share in SMOOTHNESS]
        some, start = values[:GUESSED_BY, one], straight[:GUESSED_BY, one]
        best = min(noises, key=lambda noise: posterior(line, noise, some, start).surprise)
        states[:, one] = posterior(line, best, values[:, one], straight[:, one]).mean
    return states


def _straight_on(dtype: np.dtype) -> Network:
    """The network without hidden units that goes on in a straight line:
    x_{t+1} = 2 x_t - x_{t-1}."""
    direct = np.array([[2.0], [-1.0]], dtype)
    return Network((), np.empty((0, 1), dtype), np.zeros(1, dtype), direct, (0, 1))


def states_before(network: Network, noise: Noise, values: np.ndarray, at: np.ndarray) -> tuple[State, np.ndarray]:
    """Estimate from the past alone where free runs start,
    as `numpy_runs.states_before` does for exact values.

    Args:
        network: a network without recurrent weights.
        noise: of the measurements and of the network.
        values: what was measured, and the external inputs, shape (T, N);
            NaN where a measurement is missing.
        at: the first step of each of S runs, shape (S,). Its measurement is read,
            and none after it.

    Returns:
        The states before the steps `at`, as a batch, and the values of these steps, shape (S, D).
    """
    begin = max(0, int(at.min()) - REMEMBERED)
    read = values[begin : int(at.max()) + 1]
    return _starts(network, filtered(network, noise, read).means, read, at - begin)


def _starts(network: Network, estimated: np.ndarray, values: np.ndarray, at: np.ndarray) -> tuple[State, np.ndarray]:
    """The states before the steps `at`, and the values there, from the last K states at each step,
    (T, K, D)."""
    channels, depth, dtype = network.bias.shape[0], network.depth, network.bias.dtype
    inputs = np.concatenate([np.zeros((depth, network.inputs)), values[:, channels:]])
    known = inputs[at[:, None] + np.arange(depth)]
    past = np.concatenate([estimated[at][:, :0:-1], known], axis=2).transpose(1, 0, 2)
    cells = tuple(tuple(np.broadcast_to(e, (len(at), len(e))) for e in cell.rest()) for cell in network.cells)
    return State(cells, past.astype(dtype)), estimated[at, 0].astype(dtype)


def covariance_after(network: Network, noise: Noise, values: np.ndarray) -> np.ndarray:
    """The covariance of the last K states at the last step, where `states_before` has their means.

    Args:
        network, noise, values: see `states_before`.

    Returns:
        Shape (K D, K D), the current state first.
    """
    return filtered(network, noise, values[max(0, len(values) - 1 - REMEMBERED) :]).covariance


def predict(network: Network, noise: Noise, values: np.ndarray) -> np.ndarray:
    """Predict the next value after each step from measurements up to it, shape (T, D);
    see `filtered`."""
    steps = np.arange(len(values))
    states, value = _starts(network, filtered(network, noise, values).means, values, steps)
    ahead = values[None, :, network.bias.shape[0] :] if network.inputs else None
    return numpy_runs.run(network, states, value, 1, future_inputs=ahead).values[0, :, 0]


class Filtered(NamedTuple):
    """What the extended Kalman filter knows of the last K states.

    Attributes:
        means: at each step, shape (T, K, D), the current state first.
        covariance: at the last step, shape (K D, K D).
    """

    means: np.ndarray
    covariance: np.ndarray


def filtered(network: Network, noise: Noise, values: np.ndarray) -> Filtered:
    """Estimate the last K states at each step, from measurements up to it,
    by the extended Kalman filter.

    Before the first measurement the states are those of the network at rest, zero,
    with the variance of the series.

    Args:
        network, noise, values: see `states_before`.

    """
    channels, count = network.bias.shape[0], network.depth + 1
    inputs = interpolated(values[:, channels:]) if network.inputs else values[:, channels:]
    estimated = np.empty((len(values), count, channels))
    state, covariance = np.zeros((count, channels)), np.eye(count * channels)
    known_by_now = covariance
    shift = np.eye(count * channels, k=-channels)
    read = np.zeros((count, 1, channels + network.inputs))
    for step, measured in enumerate(values[:, :channels]):
        known = np.flatnonzero(np.isfinite(measured))
        if len(known):
            between = covariance[known]
            gain = np.linalg.solve(between[:, known] + np.diag(noise.measured[known]), between).T
            state = state + (gain @ (measured[known] - state[0, known])).reshape(state.shape)
            covariance = covariance - gain @ between
        estimated[step], known_by_now = state, covariance
        read[:-1, :, channels:] = read[1:, :, channels:]
        read[:, 0, :channels], read[-1, 0, channels:] = state[::-1], inputs[step]
        linear = linearized(network, read[-1:], read[:-1])
        shift[:channels] = linear.slopes[0].transpose(1, 0, 2).reshape(channels, -1)
        state = np.concatenate([linear.outputs, state[:-1]])
        covariance = shift @ covariance @ shift.T
        covariance[range(channels), range(channels)] += noise.model
        covariance = (covariance + covariance.T) / 2
    return Filtered(estimated, known_by_now)
