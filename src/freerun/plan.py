"""`Plan`: how one network is made and trained, with a value for every parameter.

`Settings` hold what a user has set. A parameter that is None has not been chosen yet.
`freerun.selection` chooses some of these. Defaults for the others are decided in this module alone:
`settled` decides what depends on the length of the series, `plan_of` everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from freerun.network import smoothing
from freerun.network.cells import CELLS
from freerun.network.initial import Start, initial_network
from freerun.network.lattice import Lattice, lattice_of
from freerun.network.network import Network
from freerun.network.shape import Shape
from freerun.settings import EPOCHS, EPOCHS_OF_LEVENBERG_MARQUARDT, Device, Settings

UNITS = 15
"""Default number of hidden units if all weights are trained, as in the tutorial."""

FEWEST_UNITS = 20
"""Fewest hidden units that are chosen for a network whose readout is solved."""

MOST_UNITS = 1000
"""Most hidden units that are chosen for a solved readout; beyond,
its factorization takes most of the time."""

UNITS_PER_STEP = 2 / 3
"""Hidden units per training step; with more,
a readout that is solved on half of the series has too few rows."""

NEIGHBOURS = 1
"""Sites on each side that a site of a field reads, where nothing chooses."""

RESTARTS = 4
"""Number of seeds from which Levenberg-Marquardt trains;
the network with the best free run is kept."""

MOST_WASHOUT = 100
"""Default washout of reservoirs, in steps, in which they forget the zero state;
at most a tenth of a series."""

FEWEST_READ = 2
"""Fewest first steps of a series whose errors do not count for smoothers, beside a season."""

LEARNING_RATE = 0.01
"""Default step size of gradient methods."""

BATCH = 16
"""Default number of windows in an update of a gradient method."""

SPECTRAL_RADIUS = 0.9
"""Default spectral radius of reservoirs, below 1 so that they forget their initial state."""

INPUT_SCALE = 0.5
"""Default scale of the inputs of reservoirs, in standard deviations."""

LARGEST_BIAS = 1.0
"""Default bound of the biases of reservoirs; the input scale if that is larger."""

DEGREE = 2
"""Default degree of the monomials of a polynomial cell."""

LEAK = 0.3
"""Default leak of leaky cells, between 0 and 1."""

MOST_DENSE, CONNECTIONS = 1000, 10
"""Most units of reservoirs whose units are all connected by default. In larger ones each
is connected with 10, whatever their size, as Lukosevicius (2012, A practical guide to
applying echo state networks) advises."""

STRENGTHS = (1.0, 0.5, 0.25, 0.1, 0.05)
"""Default strengths of generalized forcing and scheduled sampling, one for each stage."""

SEGMENTS = (5, 20, 50, 100)
"""Default lengths of free-run segments in steps, one for each stage after full forcing;
those that fit the series."""

INTERVAL = 10
"""Default number of steps from one forced step to the next in sparse forcing."""


@dataclass(frozen=True)
class Plan:
    """How one network is made and trained.

    Attributes:
        settings: the settings that the plan was made from. Model files store them.
        shape: architecture of the network.
        start: how its weights are drawn.
        dtype: precision of the weights, `float64` or `float32`.
        washout: number of first steps of a series whose errors do not count.
        input_noise: standard deviation of the noise that training adds to standardized values.
    """

    settings: Settings
    shape: Shape
    start: Start
    dtype: str
    washout: int
    input_noise: float

    @property
    def seed(self) -> int:
        """Seed of the weights and of all other random numbers."""
        return self.start.seed

    def draw(self) -> Network:
        """Draw the initial weights."""
        return initial_network(self.shape, self.start, self.dtype)


@dataclass(frozen=True)
class SolvePlan(Plan):
    """The plan of a network whose readout is solved by ridge regression;
    see `freerun.network.ridge`.

    Attributes:
        penalty: penalty on the squared weights of the readout.
        measured: noise in measurements, in standard deviations of the channel, one for all or one
            for each. If there is one, the readout is solved as
            `freerun.network.errors_in_variables` says.
    """

    penalty: float
    measured: tuple[float, ...] = ()

    def measured_variance(self, values: np.ndarray) -> np.ndarray:
        """Variance of the noise in each channel, shape (D,), in squared units of the values,
        shape (T, N)."""
        return (np.array(self.measured) * np.nanstd(values[:, : self.shape.channels], axis=0)) ** 2


@dataclass(frozen=True)
class SmoothPlan(Plan):
    """The plan of a network of exponential smoothers; see `freerun.network.smoothing`."""

    def draw(self) -> Network:
        """The grid of smoothers, all of the same weight."""
        return smoothing.network_of(self.shape, _grid(self.settings), self.dtype)


@dataclass(frozen=True)
class TrainPlan(Plan):
    """The plan of a network whose weights are all trained; see `freerun.training.loop`.

    Attributes:
        optimizer: name of the optimizer.
        epochs: most updates or iterations, divided among the stages of a forcing.
        learning_rate: step size of gradient methods.
        schedule: learning rate schedule of gradient methods.
        window: number of steps of the random windows that gradient methods train on;
            0 is the whole series.
        batch: number of windows in an update.
        stateful: whether a window begins in the state that the network reaches there,
            and not in the zero state.
        forcing: name of the forcing.
        strengths: forcing strengths of generalized forcing and scheduled sampling.
        interval: number of steps from one forced step to the next in sparse forcing.
        lengths: lengths of free-run segments, in steps.
        refuse_long: whether a segment that is longer than the series is an error; otherwise,
            it is left out.
        l1: penalty on the absolute values of all weights.
        l2: penalty on the squares of all weights.
        weight_noise: standard deviation of the noise on the weights.
        device: device to train on.
        parallel: whether runs are computed parallel in time; `auto` decides by speed.
        restarts: number of networks to train, from consecutive seeds.
    """

    optimizer: str
    epochs: int
    learning_rate: float
    schedule: str
    window: int
    batch: int
    stateful: bool
    forcing: str
    strengths: tuple[float, ...] | Literal["adaptive"]
    interval: int
    lengths: tuple[int, ...]
    refuse_long: bool
    l1: float
    l2: float
    weight_noise: float
    device: Device
    parallel: bool | Literal["auto"]
    restarts: int

    def draw(self) -> Network:
        """Draw the initial weights, as arrays: all of them are trained, in JAX.

        Raises:
            MachineError: sparse weights do not fit into memory as an array.
        """
        return super().draw().dense()

    @property
    def by_gradients(self) -> bool:
        """Whether the optimizer is a gradient method or BFGS."""
        return self.settings.by_gradients

    @property
    def uncounted(self) -> int:
        """Number of first errors of the series, or of each window, that do not count;
        0 for stateful windows."""
        return 0 if self.stateful else self.washout


def default_units(steps: int) -> int:
    """Default number of hidden units for a solved readout: two for three steps, at least 20,
    at most 1000.

    Args:
        steps: number of training steps.
    """
    return int(np.clip(round(UNITS_PER_STEP * steps), FEWEST_UNITS, MOST_UNITS))


def all_units(settings: Settings, steps: int) -> int:
    """Hidden units for a solved readout: those given, 1000 for a field, whose sites are many rows,
    or the default."""
    if settings.hidden is not None:
        return settings.hidden
    return MOST_UNITS if settings.is_field else default_units(steps)


def settled(settings: Settings, steps: int) -> Settings:
    """Fill in defaults for the settings that are None and depend on
    the method or on the length of the series.

    Args:
        settings: as given by the user and by `freerun.selection`.
        steps: number of training steps.

    Returns:
        The settings with defaults. Those of single methods may still be None;
        `plan_of` decides them.
    """
    if settings.method == "likelihood":
        alone = settings.with_(optimizer="likelihood", members=settings.members or 1, restarts=settings.restarts or 1)
        washout = (
            min(FEWEST_READ + max(alone.seasons, default=0), steps // 2)
            if settings.washout is None
            else settings.washout
        )
        return alone.with_(washout=washout, season=settings.season or 0, direct=False)
    ridge = settings.method == "ridge"
    levenberg = settings.method == "levenberg-marquardt"
    filled: dict[str, object] = {
        "hidden": all_units(settings, steps) if ridge else UNITS,
        "cell": "simple",
        "delays": 1,
        "difference": 0,
        "initial": settings.drawn,
        "optimizer": settings.method,
        "l2": 0.0,
        "input_noise": 0.0,
        "members": 1,
        "restarts": max(RESTARTS if levenberg else 1, settings.members or 1),
        "neighbours": NEIGHBOURS,
    }
    filled = settings.effective(**{name: value for name, value in filled.items() if settings.is_left(name)})
    if settings.washout is None:
        cell, memory = settings.cell or "simple", settings.with_(**filled).memory
        reservoir = ridge and not CELLS[cell].memoryless
        filled["washout"] = max(memory, min(MOST_WASHOUT, steps // 10) if reservoir else 0)
    return settings.with_(**filled)


def plan_of(settings: Settings, channels: int, inputs: int = 0) -> SolvePlan | SmoothPlan | TrainPlan:
    """Make a plan from settings.

    Args:
        settings: settings that `settled` has filled in.
        channels: D, the number of channels of the series.
        inputs: E, the number of external inputs.

    Returns:
        A `SolvePlan` if the method is `ridge`, a `SmoothPlan` for smoothers; otherwise,
        a `TrainPlan`.
    """
    shape, start = _shape(settings, channels, inputs), _start(settings)
    common = settings, shape, start, settings.dtype, settings.washout or 0, settings.input_noise or 0.0
    if settings.method == "ridge":
        return SolvePlan(*common, settings.l2 or 0.0, settings.measured_noise)
    if settings.method == "likelihood":
        return SmoothPlan(*common)
    usual = EPOCHS_OF_LEVENBERG_MARQUARDT if settings.method == "levenberg-marquardt" else EPOCHS
    strengths = STRENGTHS if settings.forcing_strength is None else settings.forcing_strength
    return TrainPlan(
        *common,
        optimizer=settings.method,
        epochs=settings.epochs or usual,
        learning_rate=settings.learning_rate or LEARNING_RATE,
        schedule=settings.schedule or "constant",
        window=settings.window or 0,
        batch=settings.batch or BATCH,
        stateful=settings.stateful,
        forcing=settings.forced,
        strengths=strengths if isinstance(strengths, tuple | str) else (strengths,),
        interval=settings.forcing_interval or INTERVAL,
        lengths=settings.segment_lengths or SEGMENTS,
        refuse_long=settings.segment_lengths is not None,
        l1=settings.l1,
        l2=settings.l2 or 0.0,
        weight_noise=settings.weight_noise,
        device=settings.device,
        parallel="auto" if settings.parallel is None else settings.parallel,
        restarts=settings.restarts or 1,
    )


def solve_plan(settings: Settings, channels: int, inputs: int = 0) -> SolvePlan:
    """Make the plan of settings with the method `ridge`; see `plan_of`."""
    plan = plan_of(settings, channels, inputs)
    assert isinstance(plan, SolvePlan)
    return plan


def train_plan(settings: Settings, channels: int, inputs: int = 0) -> TrainPlan:
    """Make the plan of settings with any method but `ridge`; see `plan_of`."""
    plan = plan_of(settings, channels, inputs)
    assert isinstance(plan, TrainPlan)
    return plan


def _shape(settings: Settings, channels: int, inputs: int) -> Shape:
    """The architecture of the network."""
    if settings.cell == "smoothing":
        hidden = channels * len(_grid(settings))
        return Shape(channels, hidden, "smoothing", inputs=inputs, periods=settings.seasons)
    hidden, cell = settings.hidden or UNITS, settings.cell or "simple"
    latent = settings.latent or max(channels, hidden // 4)
    shape = Shape(
        channels,
        hidden,
        cell,
        settings.lags,
        settings.layers,
        settings.direct,
        settings.nonlinearity,
        latent if settings.has_effect("latent") else 0,
        inputs,
        settings.differences,
        known=settings.model is not None,
        degree=(settings.degree or DEGREE) if settings.has_effect("degree") else 0,
        lattice=_lattice(settings, channels),
    )
    return CELLS[cell].sized(shape)


def _lattice(settings: Settings, channels: int) -> Lattice | None:
    """The sites of a field; None if the channels are no field."""
    if settings.neighbours is None or settings.neighbours == "auto":
        return None
    return lattice_of(channels, settings.neighbours, settings.grid, settings.boundary)


def _grid(settings: Settings) -> smoothing.Gains:
    """The gains of the smoothers of a channel."""
    return smoothing.gains(max(settings.seasons, default=0), slopes=not settings.detrend)


def _start(settings: Settings) -> Start:
    """How the weights are drawn."""
    scale = INPUT_SCALE if settings.input_scale is None else settings.input_scale
    return Start(
        settings.drawn,
        settings.seed,
        SPECTRAL_RADIUS if settings.spectral_radius is None else settings.spectral_radius,
        scale,
        max(LARGEST_BIAS, scale) if settings.bias_scale is None else settings.bias_scale,
        LEAK if settings.leak is None else settings.leak,
        _connectivity(settings),
    )


def _connectivity(settings: Settings) -> float:
    """Share of the units of a reservoir that each is connected with."""
    if settings.connectivity is not None:
        return settings.connectivity
    units = settings.hidden or UNITS
    few = settings.drawn == "small-world" or units > MOST_DENSE
    return min(1.0, CONNECTIONS / units) if few else 1.0
