"""Ridge regression of the readout; all other weights stay as they were drawn (Jaeger, 2001;
Huang et al., 2006).

With rows A = (hidden states, 1, window) and targets B, the readout W minimizes

    (sum of squares of A W - B) / (number of errors) + penalty * (sum of squares of W).

The rows are reduced by a QR factorization (Golub and Van Loan, Matrix Computations, 5.2), a piece
at a time. It is more accurate than the normal equations, and its memory does not grow with the
length of the series. The triangular factor R replaces the rows, and further rows can be appended to
it. Cross-validation, the final fit and the calibration of intervals therefore share their work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from freerun.compute.cores import physical_memory
from freerun.data.arrays import interpolated
from freerun.errors import TrainingDiverged
from freerun.network.network import Network, State, Window
from freerun.network.numpy_runs import Readouts, filled, read, read_in_pieces, states_before
from freerun.network.shape import Shape

if TYPE_CHECKING:
    from freerun.network.updates import Array

BLOCK = 32
"""Columns per block of LAPACK's tpqrt; 16 to 64 take the same time."""

SINGULAR = 10
"""Number of penalties from which on one singular value decomposition
replaces a QR factorization per penalty.

With 100 to 1000 columns, a singular value decomposition takes as long as 11 to 15 factorizations.
"""

ROWS_AT_ONCE = 2_000
"""Steps that are reduced at a time. With 1000 units, 20000 at once took 1.4 times as long,
and ten times the memory."""

NOT_FINITE = (
    "the hidden states are not finite at the weights drawn, so that no readout can be solved; standardize the series, "
    "draw smaller weights (spectral_radius, input_scale), or choose a bounded nonlinearity"
)
"""The message where hidden states overflow."""

NO_ROWS = "no step is left to solve a readout by; give a longer series, a smaller washout, or fill missing values"
"""The message where all steps have missing values, or are in a part that is left out."""

ROWS_PER_FEATURE = 20
"""Rows of a field for each feature of its readout from which on steps are left out."""

ROUNDS = 3
"""How often a readout is solved again after missing values are
filled with the predictions of the network."""

FAR = 1e3
"""Largest prediction that fills a missing value, in standard deviations;
a larger one has diverged."""


def washout_of(washout: int, panel: Sequence[np.ndarray]) -> int:
    """Limit the washout so that at least one error of each series counts.

    Args:
        washout: in steps.
        panel: the series, arrays of shape (T, N).
    """
    return min(washout, min(map(len, panel)) - 2)


def lack_of_memory(shape: Shape, steps: int, stretches: int = 0, runs: int = 0) -> str:
    """Check whether this machine has enough memory to solve a readout.

    Args:
        shape: the architecture of the network.
        steps: number of steps of the series.
        stretches: number of parts that are left out in turn.
        runs: number of free runs in a batch.

    Returns:
        The beginning of an error message; empty if there is enough memory.
    """
    hidden = shape.layers * shape.hidden
    columns = hidden + 1 + (shape.window if shape.direct else 0) + shape.outputs
    sites = 1 if shape.lattice is None else shape.lattice.sites
    rows, triangles = min(steps, ROWS_AT_ONCE) * columns, (stretches + 3) * columns**2
    needed, there = 8 * (3 * rows + triangles + 3 * runs * sites * hidden), physical_memory()
    if needed <= there:
        return ""
    return f"{shape.hidden} hidden units take {needed / 2**30:.1f} GiB, and this machine has {there / 2**30:.1f} GiB"


@dataclass(frozen=True)
class Rows:
    """n rows of the least-squares problem; of a field one for each step and site, and D = 1.

    Attributes:
        features: hidden states, 1, and the window if there are direct connections, shape (n, F).
        targets: target values of the readout, shape (n, D); zero where they are missing.
        counts: whether the error counts, shape (n, D).
        steps: step of each target, counted from the end of its series, shape (n,);
            1 is the last step.
    """

    features: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    steps: np.ndarray

    def where(self, which: np.ndarray) -> Rows:
        """Select rows, by a mask or by indices."""
        return Rows(self.features[which], self.targets[which], self.counts[which], self.steps[which])

    def by_sites(self) -> Rows:
        """Rows of steps, whose features have shape (n, sites, F), as rows of steps and sites,
        shape (n * sites, F)."""
        steps, sites = self.targets.shape
        features = self.features.reshape(steps * sites, -1)
        return Rows(features, self.targets.reshape(-1, 1), self.counts.reshape(-1, 1), np.repeat(self.steps, sites))


def rows_of(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    noise: float = 0.0,
    seed: int = 0,
    read: Sequence[np.ndarray] | None = None,
    state: State | None = None,
) -> Iterator[Rows]:
    """Compute the rows of the least-squares problem, a piece at a time.
    Rows without an error that counts are left out.

    If `read` is None, missing values are interpolated. Steps whose window holds a missing value do
    not count, unless most steps are of that kind.

    Args:
        network: the network. Its readout has no effect.
        panel: standardized series, arrays of shape (T, N), NaN where a value is missing;
            see `Scaling.apply`.
        washout: number of first predictions of each series that do not count.
        noise: standard deviation of normal noise on what the network reads.
        seed: seed of the noise.
        read: what the network reads of each series, shape (T - 1, N), without missing values.
        state: the state in which it begins to read each series;
            None is that of `numpy_runs.start_of`.

    Yields:
        The rows of a piece.
    """
    channels = network.channels
    random = np.random.default_rng(seed)
    counted = _counted_errors(network, panel, washout, whole_windows=read is None)
    read = [interpolated(values)[:-1] for values in panel] if read is None else read
    for values, counts, inputs in zip(panel, counted, read, strict=True):
        shaken = inputs + noise * random.normal(size=inputs.shape) if noise else inputs
        targets = np.nan_to_num(values[1:, :channels])
        for here, hidden, window in _read_sparsely(network, shaken, state, stride_of(network, panel)):
            columns = [hidden, np.ones((*hidden.shape[:-1], 1), network.bias.dtype)]
            if network.direct is not None:
                columns.append(window.seen)
            wanted = targets[here] if window.base is None else targets[here] - window.base
            rows = Rows(np.concatenate(columns, axis=-1), wanted, counts[here], len(values) - 1 - here)
            rows = rows if network.lattice is None else rows.by_sites()
            some = np.flatnonzero(rows.counts.any(axis=1))
            yield rows if len(some) == len(rows.steps) else rows.where(some)


def stride_of(network: Network, panel: Sequence[np.ndarray]) -> int:
    """Every how many steps all sites of a field give a row; 1 for other networks,
    and for fields with few rows.

    Neighbouring steps say much the same. On the Kuramoto-Sivashinsky equation (64 sites, 10000
    steps, 1000 units) the free run held 6.2 Lyapunov times by every 32nd step of all sites, 6.0 by
    as many rows drawn at random, and 4.1 by as many rows of two sites at all steps.

    Args:
        network: the network.
        panel: the series, arrays of shape (T, N).
    """
    if network.lattice is None:
        return 1
    features = network.readout.shape[0] + 1 + (0 if network.direct is None else len(network.direct))
    rows = network.lattice.sites * sum(len(values) - 1 for values in panel)
    return max(1, rows // (ROWS_PER_FEATURE * features))


def _read_sparsely(
    network: Network, inputs: np.ndarray, state: State | None, stride: int
) -> Iterator[tuple[np.ndarray, Array, Window]]:
    """Run in open loop, and yield steps, hidden states and windows of every `stride`-th step,
    a piece at a time.

    Networks without memory read the other steps only in their windows.
    """
    piece = ROWS_AT_ONCE if network.lattice is None else max(1, ROWS_AT_ONCE // network.lattice.sites)
    if stride > 1 and network.memoryless:
        for first in range(0, len(inputs), piece * stride):
            here = np.arange(first, min(first + piece * stride, len(inputs)), stride)
            before, _ = states_before(network, inputs, here, state)
            reading = read(network, inputs[None, here], before)
            base = None if reading.window.base is None else reading.window.base[0]
            yield here, reading.hidden[0], Window(reading.window.seen[0], base)
        return
    first = 0
    for reading in read_in_pieces(network, inputs, state, piece):
        here = np.arange(first, first + len(reading.hidden))
        first += len(here)
        some = here % stride == 0
        base = None if reading.window.base is None else reading.window.base[some]
        yield here[some], reading.hidden[some], Window(reading.window.seen[some], base)


def _counted_errors(
    network: Network, panel: Sequence[np.ndarray], washout: int, whole_windows: bool
) -> list[np.ndarray]:
    """Determine which errors of each series count, shape (T - 1, D).

    With `whole_windows`, the window must be complete too,
    unless that leaves fewer than half of the errors.
    """
    channels = network.channels
    counted, whole = list[np.ndarray](), list[np.ndarray]()
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
    """Rows reduced to triangular factors. Channels whose errors count at the same steps share a
    factor.

    Attributes:
        groups: the channels of each factor.
        factors: upper triangular factors. They have F columns for the
            features and one for each of their channels.
        counted: number of errors of each channel that count, or the sum of their weights,
            shape (D,); None before the first row.
    """

    groups: tuple[tuple[int, ...], ...] = ()
    factors: tuple[np.ndarray, ...] = ()
    counted: np.ndarray | None = None

    @classmethod
    def of(cls, pieces: Iterator[Rows] | Sequence[Rows]) -> Triangle:
        """Reduce the rows of all pieces."""
        triangle = cls()
        for rows in pieces:
            triangle = triangle.joined(rows)
        return triangle

    @property
    def width(self) -> int:
        """F, the number of features."""
        return self.factors[0].shape[1] - len(self.groups[0])

    @property
    def steps(self) -> float:
        """Number of steps that the rows stand for: the mean of `counted` over the channels."""
        return 0.0 if self.counted is None else float(self.counted.mean())

    def discounted(self, factor: float) -> Triangle:
        """Multiply the weights of the squared errors of all rows by a factor."""
        if self.counted is None:
            return self
        factors = tuple(factor_of * np.asarray(math.sqrt(factor), factor_of.dtype) for factor_of in self.factors)
        return replace(self, factors=factors, counted=factor * self.counted)

    def joined(self, rows: Rows, weights: np.ndarray | None = None) -> Triangle:
        """Append rows to those that are reduced already.

        Args:
            rows: n rows.
            weights: of their squared errors, shape (n,); None is 1 for each.
        """
        if not len(rows.features):
            return self
        width = rows.features.shape[1]
        counts = rows.counts if weights is None else rows.counts * weights[:, None]
        if weights is not None:
            root = np.sqrt(weights).astype(rows.features.dtype)[:, None]
            rows = replace(rows, features=root * rows.features, targets=root * rows.targets)
        groups, factors = self._divide_groups(_group_channels(rows.counts))
        reduced = list[np.ndarray]()
        for channels, factor in zip(groups, factors, strict=True):
            some = rows.counts[:, channels[0]]
            new = np.concatenate([rows.features, rows.targets[:, list(channels)]], axis=1)
            reduced.append(_reduce(factor, new if some.all() else new[some], width + len(channels)))
        counted = counts.sum(axis=0) + (0 if self.counted is None else self.counted)
        return Triangle(groups, tuple(reduced), counted)

    def _divide_groups(self, patterns: list[np.ndarray]) -> tuple[tuple[tuple[int, ...], ...], list[np.ndarray | None]]:
        """Divide the groups, so that the channels of a group also share
        a pattern of counted errors in new rows.

        Args:
            patterns: the channels that share a pattern in the new rows.

        Returns:
            The groups, and the factor of each; None if there are no rows yet.
        """
        if not self.groups:
            return tuple(tuple(pattern.tolist()) for pattern in patterns), [None] * len(patterns)
        groups, factors = list[tuple[int, ...]](), list[np.ndarray | None]()
        for group, factor in zip(self.groups, self.factors, strict=True):
            for pattern in patterns:
                places = [place for place, channel in enumerate(group) if channel in pattern]
                if places:
                    groups.append(tuple(group[place] for place in places))
                    width = factor.shape[1] - len(group)
                    columns = [*range(width), *(width + place for place in places)]
                    factors.append(
                        factor if len(places) == len(group) else _reduce(None, factor[:, columns], len(columns))
                    )
        return tuple(groups), factors

    def readouts(self, network: Network, penalties: Sequence[float]) -> Readouts:
        """Solve for the readouts that minimize mean squared error +
        penalty * (sum of squares of the readout).

        With a penalty of 0, the solution is that of the pseudoinverse:
        singular values below rounding are dropped.

        Args:
            network: the network. Its readout has no effect.
            penalties: R of them.

        Returns:
            R readouts.

        Raises:
            TrainingDiverged: the hidden states are not finite, or there are no rows.
        """
        if self.counted is None or not self.counted.any():
            raise TrainingDiverged(NO_ROWS)
        weights = np.empty((len(penalties), self.width, len(self.counted)), network.bias.dtype)
        for factor, group in zip(self.factors, self.groups, strict=True):
            count = self.counted[group[0]] or 1.0  # without any error, the penalty alone counts
            damping = self.counted.sum() / count * np.asarray(penalties)  # the mean is over the errors of all channels
            weights[:, :, list(group)] = _solve_penalties(factor / np.sqrt(count), self.width, damping)
        hidden = network.readout.shape[0]
        direct = None if network.direct is None else weights[:, hidden + 1 :]
        return Readouts(weights[:, :hidden], weights[:, hidden : hidden + 1], direct)

    def solved(self, network: Network, penalty: float) -> Network:
        """Solve for one penalty, and return the network with that readout; see `readouts`."""
        return self.readouts(network, [penalty]).of_network(network, 0)

    def mean_squared_error(self, network: Network) -> float:
        """Mean squared error of a network over the errors that count,
        in squared standard deviations."""
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
    """Reduced rows that leave out each of several stretches in turn.

    Attributes:
        without: for each stretch, all rows outside it; without stretches,
            a single entry that holds all rows.
        first: the rows of the first stretch; empty without stretches.
    """

    without: tuple[Triangle, ...]
    first: tuple[Rows, ...]

    def whole(self) -> Triangle:
        """All rows, reduced."""
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
    """Reduce the rows of a network, leaving out each of several stretches in turn.

    Rows outside all stretches are reduced once.

    Args:
        network, panel, washout, noise, seed: see `rows_of`.
        stretches: pairs (first, last) of steps counted from the end of the series. A stretch holds
            the steps s with last < s <= first. Stretches do not overlap.
    """
    common, apart = Triangle(), [list[Rows]() for _ in stretches]
    for rows in rows_of(network, panel, washout, noise, seed):
        rest = np.ones(len(rows.steps), bool)
        for held, (first, last) in zip(apart, stretches, strict=True):
            inside = (rows.steps <= first) & (rows.steps > last)
            held.append(rows.where(inside))
            rest &= ~inside
        common = common.joined(rows.where(rest) if stretches else rows)
    if not stretches:
        return Divided((common,), ())
    without = list[Triangle]()
    for left in range(len(stretches)):
        triangle = common
        for other, held in enumerate(apart):
            if other != left:
                for rows in held:
                    triangle = triangle.joined(rows)
        without.append(triangle)
    return Divided(tuple(without), tuple(apart[0]))


def without_each(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    groups: Sequence[Sequence[int]],
    noise: float = 0.0,
    seed: int = 0,
) -> list[Triangle]:
    """Reduce the rows of a network, leaving out each of several groups of series in turn.

    Args:
        network, panel, washout, noise, seed: see `rows_of`.
        groups: numbers of the series of each group, without overlap.
    """
    grouped = {number for group in groups for number in group}
    rest = [values for number, values in enumerate(panel) if number not in grouped]
    common, without = Triangle.of(rows_of(network, rest, washout, noise, seed)), list[Triangle]()
    for left in range(len(groups)):
        triangle = common
        for number, group in enumerate(groups):
            if number != left:
                for rows in rows_of(network, [panel[one] for one in group], washout, noise, seed + 1 + number):
                    triangle = triangle.joined(rows)
        without.append(triangle)
    return without


class Solution(NamedTuple):
    """A solved readout.

    Attributes:
        network: the network with the readout for the whole series.
        without: the network with the readout for the series without each stretch in turn.
        triangle: the reduced rows of the whole series;
            None if it was solved by `freerun.network.normal_equations`.
    """

    network: Network
    without: list[Network]
    triangle: Triangle | None


def solve(
    network: Network,
    panel: Sequence[np.ndarray],
    washout: int,
    penalty: float,
    noise: float = 0.0,
    seed: int = 0,
    stretches: Sequence[tuple[int, int]] = (),
    rows: Divided | None = None,
) -> Solution:
    """Solve the readout of a network for standardized series,
    and for the series without each of several stretches.

    If values are missing, the readout for the whole series is solved again.
    The predictions of the network then fill the missing values.

    Args:
        network, panel, washout, noise, seed: see `rows_of`.
        penalty: penalty on the sum of squares of the readout.
        stretches: see `divided`.
        rows: the result of `divided` for these arguments, if it is known already.

    Raises:
        TrainingDiverged: the hidden states are not finite.
    """
    if rows is None:
        rows = divided(network, panel, washout, stretches, noise, seed)
    triangle = rows.whole()
    solved = triangle.solved(network, penalty)
    parts = [part.solved(network, penalty) for part in rows.without] if stretches else []
    channels = network.channels
    if all(np.isfinite(values[:-1, :channels]).all() for values in panel):
        return Solution(solved, parts, triangle)
    for _ in range(ROUNDS):
        read = [filled(solved, values[:-1]) for values in panel]
        if not all(np.isfinite(one).all() and np.abs(one).max() <= FAR for one in read):
            break
        triangle = Triangle.of(rows_of(network, panel, washout, noise, seed, read))
        solved = triangle.solved(network, penalty)
    return Solution(solved, parts, triangle)


def _group_channels(counts: np.ndarray) -> list[np.ndarray]:
    """Group the channels whose errors count at the same steps; `counts` has shape (n, D)."""
    if counts.all():
        return [np.arange(counts.shape[1])]
    patterns = np.unique(counts, axis=1, return_inverse=True)[1].ravel()
    return [np.flatnonzero(patterns == pattern) for pattern in range(patterns.max() + 1)]


def _reduce(factor: np.ndarray | None, rows: np.ndarray, width: int) -> np.ndarray:
    """The triangular factor, shape (width, width), of the rows of a factor and of further rows."""
    from scipy.linalg import qr

    if factor is not None:
        return _append_rows(0, factor, np.asfortranarray(rows))
    factor = np.zeros((width, width), rows.dtype, order="F")
    triangle = np.asarray(qr(rows, mode="r", overwrite_a=True, check_finite=False)[0])[:width]
    factor[: len(triangle)] = triangle
    return factor


def _append_rows(trapezoid: int, factor: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The triangular factor of a factor on top of rows, by LAPACK tpqrt.
    The last `trapezoid` rows are trapezoidal."""
    from scipy.linalg import get_lapack_funcs

    (update,) = get_lapack_funcs(("tpqrt",), (factor, rows))
    return update(trapezoid, min(BLOCK, factor.shape[1]), factor, rows)[0]


def _solve_penalties(factor: np.ndarray, width: int, damping: np.ndarray) -> np.ndarray:
    """Solve for each of R penalties.

    Args:
        factor: the triangular factor, divided by the square root of the number of rows.
        width: F, the number of features.
        damping: the penalties, shape (R,).

    Returns:
        Weights, shape (R, F, channels).

    Raises:
        TrainingDiverged: the factor is not finite.
    """
    if not np.isfinite(factor).all():
        raise TrainingDiverged(NOT_FINITE)
    if len(damping) < SINGULAR and damping.min() > 0:
        return np.stack([_solve_damped(factor, width, one) for one in damping])
    u, singular, right = np.linalg.svd(factor[:width, :width], full_matrices=False)
    left = u.T @ factor[:width, width:]
    return np.stack([right.T @ (_gain(singular, one)[:, None] * left) for one in damping])


def _solve_damped(factor: np.ndarray, width: int, damping: float) -> np.ndarray:
    """Solve for one penalty: least squares with the rows
    sqrt(damping) * identity and targets 0 appended."""
    from scipy.linalg import solve_triangular

    below = np.zeros((width, factor.shape[1]), factor.dtype, order="F")
    below[range(width), range(width)] = np.sqrt(damping)
    joined = _append_rows(width, np.asfortranarray(factor), below)
    return solve_triangular(joined[:width, :width], joined[:width, width:], check_finite=False)


def _gain(singular: np.ndarray, damping: float) -> np.ndarray:
    """s / (s^2 + damping) for singular values s; without damping, 0 for those below rounding."""
    with np.errstate(over="ignore"):  # the gain of a singular value whose square overflows is 0
        sizes = singular**2 + damping
    reached = singular > singular[0] * len(singular) * np.finfo(singular.dtype).eps if damping == 0 else sizes > 0
    return np.divide(singular, sizes, out=np.zeros_like(singular), where=reached)
