"""`Plan`: what will be done for one network, with nothing left open.

`Settings` are what a user says, and may leave parameters open. Defaults are decided here and nowhere below: `settled`
fills in what depends on the length of the series, `plan_of` everything else. What policies propose and races choose, is
filled in before; see `freerun.selection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from freerun.network.initial import Start, initial_network
from freerun.network.network import Network, Shape
from freerun.settings import EPOCHS, EPOCHS_OF_LEVENBERG_MARQUARDT, PIECEWISE_LINEAR, Device, Settings

UNITS = 15
"""Hidden units of networks that are trained as a whole, as in the tutorial."""

FEWEST_UNITS, MOST_UNITS = 20, 1000
"""Hidden units of solved networks: beyond 1000 the factorisation, which grows with their cube, takes most of the
time."""

UNITS_PER_STEP = 2 / 3
"""Hidden units for each training step; with more, a readout solved on the half of the series has too few rows."""

RESTARTS = 4
"""Networks that Levenberg-Marquardt trains from different seeds; free runs choose among them."""

MOST_WASHOUT = 100
"""Steps after which the state of a reservoir has forgotten its start at zero; a tenth of a shorter series."""

LEARNING_RATE, BATCH = 0.01, 16
"""Step size of gradient methods, and windows in each of their updates."""

SPECTRAL_RADIUS, INPUT_SCALE, LARGEST_BIAS, LEAK = 0.9, 0.5, 1.0, 0.3
"""Of reservoirs; biases reach as far as the input scale where that is larger."""

STRENGTHS = (1.0, 0.5, 0.25, 0.1, 0.05)
"""Strengths of generalized forcing and scheduled sampling, one stage each."""

SEGMENTS = (5, 20, 50, 100)
"""Lengths of free-run segments, one stage each, after a stage of full forcing; those that fit."""

INTERVAL = 10
"""Steps between two forced ones in sparse forcing."""


@dataclass(frozen=True)
class Plan:
    """What will be done for one network.

    Attributes:
        settings: what the plan comes from; they tell people, and model files, how to repeat it.
        shape: of the network.
        start: how its weights are drawn.
        dtype: its precision.
        washout: first steps of a series whose errors do not count.
        input_noise: standard deviation of noise on the standardised values read while training.
    """

    settings: Settings
    shape: Shape
    start: Start
    dtype: str
    washout: int
    input_noise: float

    @property
    def seed(self) -> int:
        """Seed of the weights and of all other chance."""
        return self.start.seed

    def draw(self) -> Network:
        """The network, its weights as they are drawn."""
        return initial_network(self.shape, self.start, self.dtype)


@dataclass(frozen=True)
class SolvePlan(Plan):
    """The readout is solved by ridge regression; see `freerun.network.ridge`.

    Attributes:
        penalty: on the squared weights of the readout.
    """

    penalty: float


@dataclass(frozen=True)
class TrainPlan(Plan):
    """All weights are trained; see `freerun.training`.

    Attributes:
        optimizer: its name.
        epochs: updates or iterations at most, shared by the stages of a forcing.
        learning_rate, schedule: of gradient methods.
        window: steps of the random windows that gradient methods train on; 0 for the whole series.
        batch: windows in each update.
        stateful: whether windows begin in the state that the network reaches there.
        forcing: its name.
        strengths: of generalized and scheduled forcing.
        interval: of sparse forcing.
        lengths: of free-run segments.
        refuse_long: whether a length that does not fit in the series is refused, not left out.
        l1, l2: penalties on all weights.
        weight_noise: standard deviation of noise on the weights.
        device: where to train.
        parallel: whether pieces of the series run side by side, or where it is faster (`auto`).
        restarts: networks to train from seeds that follow each other.
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

    @property
    def by_gradients(self) -> bool:
        """Whether the optimiser follows a gradient: a gradient method, or BFGS."""
        return self.settings.by_gradients

    @property
    def uncounted(self) -> int:
        """First errors of the series, or of each window, that do not count; windows that carry states count all."""
        return 0 if self.stateful else self.washout


def default_units(steps: int) -> int:
    """Hidden units of a solved network for a training series of so many steps: two for three, within limits."""
    return int(np.clip(round(UNITS_PER_STEP * steps), FEWEST_UNITS, MOST_UNITS))


def settled(settings: Settings, steps: int) -> Settings:
    """The settings with all that is left open filled in by rule, for a training series of so many steps."""
    ridge = settings.method == "ridge"
    levenberg = settings.method == "levenberg-marquardt"
    filled: dict[str, Any] = {
        "hidden": default_units(steps) if ridge else UNITS,
        "cell": "simple",
        "delays": 1,
        "difference": 0,
        "initial": settings.drawn,
        "optimizer": settings.method,
        "l2": 0.0,
        "input_noise": 0.0,
        "members": 1,
        "restarts": max(RESTARTS if levenberg else 1, settings.members or 1),
    }
    filled = {name: value for name, value in filled.items() if getattr(settings, name) is None}
    if settings.washout is None:
        cell, memory = settings.cell or "simple", settings.with_(**filled).memory
        reservoir = ridge and cell != "memoryless"
        filled["washout"] = max(memory, min(MOST_WASHOUT, steps // 10) if reservoir else 0)
    return settings.with_(**filled)


def plan_of(settings: Settings, channels: int, inputs: int = 0) -> SolvePlan | TrainPlan:
    """The plan that settings come to.

    Args:
        settings: as `settled` fills them in.
        channels, inputs: of the series, D and E.
    """
    shape, start = _shape(settings, channels, inputs), _start(settings)
    common = settings, shape, start, settings.dtype, settings.washout or 0, settings.input_noise or 0.0
    if settings.method == "ridge":
        return SolvePlan(*common, settings.l2 or 0.0)
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
    """The plan of settings whose readout is solved; see `plan_of`."""
    plan = plan_of(settings, channels, inputs)
    assert isinstance(plan, SolvePlan)
    return plan


def train_plan(settings: Settings, channels: int, inputs: int = 0) -> TrainPlan:
    """The plan of settings whose weights are trained; see `plan_of`."""
    plan = plan_of(settings, channels, inputs)
    assert isinstance(plan, TrainPlan)
    return plan


def _shape(settings: Settings, channels: int, inputs: int) -> Shape:
    hidden = settings.hidden or UNITS
    latent = settings.latent or max(channels, hidden // 4)
    return Shape(
        channels,
        hidden,
        settings.cell or "simple",
        settings.lags,
        settings.layers,
        settings.direct,
        settings.nonlinearity,
        latent if settings.cell in PIECEWISE_LINEAR else 0,
        inputs,
        settings.differences,
    )


def _start(settings: Settings) -> Start:
    scale = INPUT_SCALE if settings.input_scale is None else settings.input_scale
    return Start(
        settings.drawn,
        settings.seed,
        SPECTRAL_RADIUS if settings.spectral_radius is None else settings.spectral_radius,
        scale,
        max(LARGEST_BIAS, scale) if settings.bias_scale is None else settings.bias_scale,
        LEAK if settings.leak is None else settings.leak,
    )
