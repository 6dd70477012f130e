"""Ridge regression of the readout, all other weights left as they were drawn (Jaeger, 2001; Huang et al., 2006).

The readout minimises  mean squared error + penalty * (sum of its squares).  Rows (hidden states, 1, window) with their
targets pass through a QR factorisation (Golub and Van Loan, Matrix Computations, 5.2), which keeps all digits, unlike
the normal equations, and has room for a series of any length. A triangle is all that is left of the rows: more rows can
be joined to it, so that the parts left out in turn, the final fit and the calibration of intervals share their work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from freerun.cores import physical_memory
from freerun.data.arrays import interpolated
from freerun.errors import TrainingDiverged
from freerun.network.network import Network, Shape
from freerun.network.numpy_runs import Readouts, filled, read_in_pieces

BLOCK = 32
"""Columns in a block of LAPACK's structured QR factorisation; 16 to 64 take the same time."""

SINGULAR = 10
"""Penalties from which on the singular values, which give all of them, cost less than a factorisation for each.

At 100 to 1000 columns a singular value decomposition takes as long as 11 to 15 factorisations.
"""

PIECE = 2_000
"""Steps that are reduced at a time: 20000 at once took 1.4 times as long, with 1000 units, on memory that is ten times as
large."""

ROUNDS = 3
"""How often a readout is solved anew with the network's own output in the gaps of a series."""

FAR = 1e3
"""Output in a gap that is larger than this, in standard deviations, has run away."""


def washout_of(washout: int, panel: Sequence[np.ndarray]) -> int:
    """The washout, or as much of it as leaves the shortest series an error that counts."""
    return min(washout, min(map(len, panel)) - 2)


def lack_of_memory(shape: Shape, steps: int, stretches: int = 0, runs: int = 0) -> str:
    """Whether this machine has too little memory to solve a readout, as words for a message; empty where it has enough.

    Args:
        shape: of the network.
        steps: of the series.
        stretches: parts that are left out in turn.
        runs: free runs side by side.
    """
    hidden = shape.layers * shape.hidden
    columns = hidden + 1 + (shape.window if shape.direct else 0) + shape.channels
    rows, triangles = min(steps, PIECE) * columns, (stretches + 3) * columns**2
    needed, there = 8 * (3 * rows + triangles + 3 * runs * hidden), physical_memory()
    if needed <= there:
        return ""
    return f"{shape.hidden} hidden units take {needed / 2**30:.1f} GiB, and this machine has {there / 2**30:.1f} GiB"


@dataclass(frozen=True)
class Rows:
    """Rows of the least-squares problem.

    Attributes:
        features: hidden states, 1, and the window where there are direct connections, shape (n, F).
        targets: what the readout is to give, shape (n, D), zero where it is not known.
        counts: whether the error counts, shape (n, D).
        steps: the step of each target in its series, counted from its end, shape (n,): 1 is the last.
    """

    features: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    steps: np.ndarray

    def where(self, which: np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows(self.features[which], self.targets[which], self.counts[which], self.steps[which])


def rows_of(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    noise: float = 0.0,
    seed: int = 0,
    read: Sequence[np.ndarray] | None = None,
) -> Iterator[Rows]:
    """The rows of a network on standardised series, a piece at a time, without those in which no error counts.

    Steps whose window holds a missing value are left out, or read as interpolated where most are of that kind.

    Args:
        network: its readout has no part in this.
        panel: arrays of shape (T, N), NaN where a value is missing; see `Scaling.apply`.
        washout: the first `washout` predictions of each do not count.
        noise: standard deviation of normal noise on what is read.
        seed: of the noise.
        read: what the network reads of each series, shape (T - 1, N), nothing missing; None is the series, missing
            values interpolated.
    """
    channels = network.bias.shape[0]
    random = np.random.default_rng(seed)
    counted = _counted(network, panel, washout, whole_windows=read is None)
    read = [interpolated(values)[:-1] for values in panel] if read is None else read
    for values, counts, inputs in zip(panel, counted, read, strict=True):
        shaken = inputs + noise * random.normal(size=inputs.shape) if noise else inputs
        targets = np.nan_to_num(values[1:, :channels])
        first = 0
        for reading in read_in_pieces(network, shaken, piece=PIECE):
            here = slice(first, first + len(reading.hidden))
            first = here.stop
            columns = [reading.hidden, np.ones((len(reading.hidden), 1), network.bias.dtype)]
            if network.direct is not None:
                columns.append(reading.window.seen)
            wanted = targets[here] if reading.window.base is None else targets[here] - reading.window.base
            steps = len(values) - 1 - np.arange(here.start, here.stop)
            rows = Rows(np.concatenate(columns, axis=1), wanted, counts[here], steps)
            some = np.flatnonzero(rows.counts.any(axis=1))
            yield rows if len(some) == len(rows.steps) else rows.where(some)


def _counted(network: Network, panel: Sequence[np.ndarray], washout: int, whole_windows: bool) -> list[np.ndarray]:
    """Of each series, which errors count, shape (T - 1, D)."""
    channels = network.bias.shape[0]
    counted, whole = [], []
    for values in panel:
        known = np.isfinite(values[:, :channels])
        counts = known[1:].copy()
        counts[:washout] = False
        counted.append(counts)
        missing = np.concatenate([np.zeros(network.depth + 1, int), np.cumsum(~known[:-1].all(axis=1))])
        whole.append(counts & (missing[network.depth + 1 :] == missing[: -network.depth - 1])[:, None])
    if not whole_windows:
        return counted
    left = np.sum([counts.sum(axis=0) for counts in whole], axis=0).min()
    return whole if 2 * left * channels >= sum(int(counts.sum()) for counts in counted) else counted


@dataclass(frozen=True)
class Triangle:
    """Rows reduced to triangular factors, one for all channels whose errors count at the same steps.

    Attributes:
        groups: the channels of each factor.
        factors: upper triangular, of F columns for the features and one for each channel.
        counted: how many errors of each channel count, shape (D,).
    """

    groups: tuple[tuple[int, ...], ...] = ()
    factors: tuple[np.ndarray, ...] = ()
    counted: np.ndarray | None = None

    @classmethod
    def of(cls, pieces: Iterator[Rows] | Sequence[Rows]) -> Triangle:
        """All rows, reduced."""
        triangle = cls()
        for rows in pieces:
            triangle = triangle.joined(rows)
        return triangle

    @property
    def width(self) -> int:
        """F, the number of features."""
        return self.factors[0].shape[1] - len(self.groups[0])

    def joined(self, rows: Rows) -> Triangle:
        """These rows and more."""
        if not len(rows.features):
            return self
        width = rows.features.shape[1]
        groups, factors = self._divided(_alike(rows.counts))
        reduced = []
        for channels, factor in zip(groups, factors, strict=True):
            some = rows.counts[:, channels[0]]
            new = np.concatenate([rows.features, rows.targets[:, list(channels)]], axis=1)
            reduced.append(_reduced(factor, new if some.all() else new[some], width + len(channels)))
        counted = rows.counts.sum(axis=0) + (0 if self.counted is None else self.counted)
        return Triangle(groups, tuple(reduced), counted)

    def _divided(self, patterns: list[np.ndarray]) -> tuple[tuple[tuple[int, ...], ...], list[np.ndarray | None]]:
        """The problems, divided so that the channels of each also count alike in what is to come."""
        if not self.groups:
            return tuple(tuple(pattern.tolist()) for pattern in patterns), [None] * len(patterns)
        groups, factors = [], []
        for group, factor in zip(self.groups, self.factors, strict=True):
            for pattern in patterns:
                places = [place for place, channel in enumerate(group) if channel in pattern]
                if places:
                    groups.append(tuple(group[place] for place in places))
                    width = factor.shape[1] - len(group)
                    columns = [*range(width), *(width + place for place in places)]
                    factors.append(
                        factor if len(places) == len(group) else _reduced(None, factor[:, columns], len(columns))
                    )
        return tuple(groups), factors

    def readouts(self, network: Network, penalties: Sequence[float]) -> Readouts:
        """The readouts that minimise mean squared error + penalty * (sum of their squares), for each penalty.

        With a penalty of 0, directions in which the rows do not reach beyond rounding get no weight.

        Raises:
            TrainingDiverged: the hidden states are not finite.
        """
        assert self.counted is not None
        weights = np.empty((len(penalties), self.width, len(self.counted)), network.bias.dtype)
        for factor, group in zip(self.factors, self.groups, strict=True):
            count = self.counted[group[0]]
            damping = self.counted.sum() / count * np.asarray(penalties)  # the mean is over the errors of all channels
            weights[:, :, list(group)] = _solutions(factor / np.sqrt(count), self.width, damping)
        hidden = network.readout.shape[0]
        direct = None if network.direct is None else weights[:, hidden + 1 :]
        return Readouts(weights[:, :hidden], weights[:, hidden : hidden + 1], direct)

    def solved(self, network: Network, penalty: float) -> Network:
        """The network with the readout for one penalty."""
        return self.readouts(network, [penalty]).of_network(network, 0)

    def mean_squared_error(self, network: Network) -> float:
        """That of the readout of a network over the rows, the errors that count alone."""
        assert self.counted is not None
        direct = [] if network.direct is None else [network.direct]
        weights = np.concatenate([network.readout, network.bias[None], *direct])
        squares = 0.0
        for factor, group in zip(self.factors, self.groups, strict=True):
            errors = factor[:, : len(weights)] @ weights[:, list(group)] - factor[:, len(weights) :]
            squares += float((errors**2).sum())
        return squares / float(self.counted.sum())


@dataclass(frozen=True)
class Divided:
    """Rows without each of several stretches in turn, and all of them.

    Attributes:
        without: the rows without each stretch.
        first: the rows of the first stretch; all rows are in `without` where there is no stretch.
    """

    without: tuple[Triangle, ...]
    first: tuple[Rows, ...]

    def whole(self) -> Triangle:
        """All rows."""
        triangle = self.without[0]
        for rows in self.first:
            triangle = triangle.joined(rows)
        return triangle


def divided(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    stretches: Sequence[tuple[int, int]],
    noise: float = 0.0,
    seed: int = 0,
) -> Divided:
    """The rows of a network without each of several stretches in turn; each row is reduced as seldom as possible.

    Args:
        stretches: first and last step (excluded) of each, counted from the end of the series: 0 < last < first; they
            do not overlap.
        network, panel, washout, noise, seed: see `rows_of`.
    """
    common, apart = Triangle(), [[] for _ in stretches]
    for rows in rows_of(network, panel, washout, noise, seed):
        rest = np.ones(len(rows.steps), bool)
        for held, (first, last) in zip(apart, stretches, strict=True):
            inside = (rows.steps <= first) & (rows.steps > last)
            held.append(rows.where(inside))
            rest &= ~inside
        common = common.joined(rows.where(rest) if stretches else rows)
    if not stretches:
        return Divided((common,), ())
    without = []
    for left in range(len(stretches)):
        triangle = common
        for other, held in enumerate(apart):
            if other != left:
                for rows in held:
                    triangle = triangle.joined(rows)
        without.append(triangle)
    return Divided(tuple(without), tuple(apart[0]))


def solve(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    penalty: float,
    noise: float = 0.0,
    seed: int = 0,
    stretches: Sequence[tuple[int, int]] = (),
    rows: Divided | None = None,
) -> tuple[Network, list[Network]]:
    """The network with its readout solved for standardised series, and for them without each of some stretches.

    Steps that read a gap are left out at first; then the network's own output stands in for it, and the readout for the
    whole series is solved again.

    Args:
        network, panel, washout, noise, seed: see `rows_of`.
        penalty: factor of the sum of squares.
        stretches: see `divided`.
        rows: what `divided` gives for all these, where it is known already.

    Raises:
        TrainingDiverged: the hidden states are not finite.
    """
    if rows is None:
        rows = divided(network, panel, washout, stretches, noise, seed)
    solved = rows.whole().solved(network, penalty)
    parts = [part.solved(network, penalty) for part in rows.without] if stretches else []
    channels = network.bias.shape[0]
    if all(np.isfinite(values[:-1, :channels]).all() for values in panel):
        return solved, parts
    for _ in range(ROUNDS):
        read = [filled(solved, values[:-1]) for values in panel]
        if not all(np.isfinite(one).all() and np.abs(one).max() <= FAR for one in read):
            break
        solved = Triangle.of(rows_of(network, panel, washout, noise, seed, read)).solved(network, penalty)
    return solved, parts


def _alike(counts: np.ndarray) -> list[np.ndarray]:
    """The channels whose errors count at the same steps, together."""
    if counts.all():
        return [np.arange(counts.shape[1])]
    patterns = np.unique(counts, axis=1, return_inverse=True)[1].ravel()
    return [np.flatnonzero(patterns == pattern) for pattern in range(patterns.max() + 1)]


def _reduced(factor: np.ndarray | None, rows: np.ndarray, width: int) -> np.ndarray:
    """The triangular factor, shape (width, width), of a factor and more rows."""
    from scipy.linalg import qr

    if factor is not None:
        return _joined(0, factor, np.asfortranarray(rows))
    factor = np.zeros((width, width), rows.dtype, order="F")
    triangle = np.asarray(qr(rows, mode="r", overwrite_a=True, check_finite=False)[0])[:width]
    factor[: len(triangle)] = triangle
    return factor


def _joined(trapezoid: int, factor: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The triangular factor of a factor over rows of which the last `trapezoid` are upper trapezoidal; see LAPACK."""
    from scipy.linalg import get_lapack_funcs

    (update,) = get_lapack_funcs(("tpqrt",), (factor, rows))
    return update(trapezoid, min(BLOCK, factor.shape[1]), factor, rows)[0]


def _solutions(factor: np.ndarray, width: int, damping: np.ndarray) -> np.ndarray:
    """The weights for each of R penalties, shape (R, F, channels), of a factor over the root of the number of rows."""
    if not np.isfinite(factor).all():
        raise TrainingDiverged(
            "the hidden states are not finite at the weights drawn, so that no readout can be solved; standardise "
            "the series, draw smaller weights (spectral_radius, input_scale), or choose a bounded nonlinearity"
        )
    if len(damping) < SINGULAR and damping.min() > 0:
        return np.stack([_damped(factor, width, one) for one in damping])
    u, singular, right = np.linalg.svd(factor[:width, :width], full_matrices=False)
    left = u.T @ factor[:width, width:]
    return np.stack([right.T @ (_gain(singular, one)[:, None] * left) for one in damping])


def _damped(factor: np.ndarray, width: int, damping: float) -> np.ndarray:
    """The weights for one penalty, by the factor of the rows over sqrt(damping) times the identity."""
    from scipy.linalg import solve_triangular

    below = np.zeros((width, factor.shape[1]), factor.dtype, order="F")
    below[range(width), range(width)] = np.sqrt(damping)
    joined = _joined(width, np.asfortranarray(factor), below)
    return solve_triangular(joined[:width, :width], joined[:width, width:], check_finite=False)


def _gain(singular: np.ndarray, damping: float) -> np.ndarray:
    """s / (s^2 + damping) of the singular values s; without damping, of those above rounding alone."""
    with np.errstate(over="ignore"):  # hidden states that run away; their share is 0 then
        sizes = singular**2 + damping
    reached = singular > singular[0] * len(singular) * np.finfo(singular.dtype).eps if damping == 0 else sizes > 0
    return np.divide(singular, sizes, out=np.zeros_like(singular), where=reached)
