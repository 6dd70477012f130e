"""`Settings`: every parameter of a network and its training, with its default, its range and its meaning.

A parameter whose default is None is chosen when the network is trained: by free runs on the last part of the training
series where its description says "chosen", and by the rule in its description otherwise.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from freerun.errors import SettingError

CellName = Literal["simple", "leaky", "gru", "lstm", "memoryless", "plrnn", "clipped-plrnn"]
Nonlinearity = Literal["tanh", "sigmoid", "relu", "softplus", "identity"]
Initial = Literal["tutorial", "glorot", "orthogonal", "reservoir"]
OptimizerName = Literal[
    "ridge", "levenberg-marquardt", "bfgs", "lbfgs", "sgd", "momentum", "adam", "nadam", "radam", "rmsprop"
]
ForcingName = Literal["full", "segments", "generalized", "sparse", "scheduled"]
ScheduleName = Literal["constant", "exponential", "cosine"]
Device = Literal["auto", "cpu", "gpu"]
Dtype = Literal["float64", "float32"]

Ensemble = Literal["best", "mean", "median", "trimmed"]
"""Which free run of a model with several members is given: that of the best, or their mean or median at each step, or
the mean of the middle half of them."""

Missing = Literal["mask", "interpolate", "error"]
"""What to do with missing values of a series: leave them out of training and let the network run on its own output over
them, fill them by linear interpolation, or refuse them. Infinite values are interpolated or refused."""

GRADIENT_METHODS = ("sgd", "momentum", "adam", "nadam", "radam", "rmsprop")
PIECEWISE_LINEAR = ("plrnn", "clipped-plrnn")

SHORT = 1000
"""A series of fewer steps than this may be all trend and season: differences are tried on it."""

MOST_DELAYS = 100_000
"""Most values that a step may read."""

EPOCHS, EPOCHS_OF_LEVENBERG_MARQUARDT = 1000, 200
"""Updates or iterations at most, unless something is said."""

FEW_UNITS = 100
"""Networks with fewer units than this are trained by Levenberg-Marquardt unless another optimiser is asked for."""


def _numbers(value: Any) -> Any:
    """From the command line: `20` is a number, `0,1,2` and `1,0.5` are several."""
    if isinstance(value, str) and ("," in value or value.replace(".", "", 1).isdigit()):
        parts = [float(part) if "." in part or "e" in part else int(part) for part in value.split(",") if part.strip()]
        return tuple(parts) if "," in value else parts[0]
    return tuple(value) if isinstance(value, list) else value


Lags = Annotated[int | tuple[int, ...] | None, BeforeValidator(_numbers)]
Strength = Annotated[float | tuple[float, ...] | Literal["adaptive"] | None, BeforeValidator(_numbers)]
Lengths = Annotated[tuple[int, ...] | None, BeforeValidator(_numbers)]


class Settings(BaseModel):
    """The parameters of `freerun.RNN` and the options of `freerun fit`, checked.

    A parameter that the others leave without effect is refused, never ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int | None = Field(
        None,
        ge=1,
        description="Hidden units of each layer. "
        "Default: for ridge two for three training steps, from 50 to 1000, else 15.",
    )
    cell: CellName | None = Field(None, description="Cell of the hidden units. Default: chosen, or simple.")
    layers: int = Field(1, ge=1, description="Layers of hidden units; the readout reads them all.")
    latent: int | None = Field(
        None, ge=1, description="Latent variables of a piecewise-linear cell. Default: a quarter of hidden."
    )
    nonlinearity: Nonlinearity = Field("tanh", description="Non-linearity of the hidden units.")
    leak: float | None = Field(
        None, gt=0, lt=1, description="Leak of leaky cells at the start. Default: chosen, or 0.3."
    )
    delays: Lags = Field(
        None,
        description="Values that each step reads: how many of the latest, or a list of lags (0 is the current value). "
        "Default: chosen, or 1.",
    )
    difference: Lags = Field(
        None,
        description="Learn differences instead of values: the lag of the difference, or a list of lags to take one "
        "after the other (1,12); 0 for none. Default: chosen for a series of fewer than 1000 steps, else none.",
    )
    detrend: bool = Field(False, description="Take a straight line out of each channel, and put it back in the end.")
    log: bool = Field(False, description="Learn the logarithm of the values, which must be positive.")
    direct: bool = Field(True, description="Direct connections from the values read to the output.")
    initial: Initial | None = Field(
        None, description="How the initial weights are drawn. Default: reservoir for ridge, else glorot."
    )
    spectral_radius: float | None = Field(
        None, ge=0, description="Of a reservoir's recurrent weights. Default: chosen, or 0.9."
    )
    input_scale: float | None = Field(
        None, gt=0, description="Strength of a reservoir's input weights. Default: chosen, or 0.5."
    )
    bias_scale: float | None = Field(
        None, ge=0, description="Largest bias of a reservoir. Default: the larger of 1 and the input scale."
    )
    optimizer: OptimizerName | None = Field(
        None,
        description="What trains the weights; ridge solves the readout alone. "
        f"Default: levenberg-marquardt when fewer than {FEW_UNITS} hidden units are asked for, else ridge.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="Most updates or iterations, shared by the stages of a forcing. "
        f"Default: {EPOCHS_OF_LEVENBERG_MARQUARDT} for levenberg-marquardt, else {EPOCHS}.",
    )
    learning_rate: float | None = Field(None, gt=0, description="Step size of the gradient methods. Default: 0.01.")
    schedule: ScheduleName | None = Field(
        None, description="How the learning rate falls, to a thousandth. Default: constant."
    )
    window: int | None = Field(
        None,
        ge=2,
        description="Train gradient methods on random windows of this many steps. Default: the whole series.",
    )
    batch: int | None = Field(None, ge=1, description="Windows in each update. Default: 16.")
    stateful: bool = Field(
        False, description="Begin windows in the state that the network reaches there, instead of at rest."
    )
    forcing: ForcingName | None = Field(
        None,
        description="What the network reads while it trains: the data (full), its own output for growing stretches "
        "(segments), a mixture (generalized), the data now and then (sparse), or one of both by chance (scheduled). "
        "Default: segments for levenberg-marquardt, else full.",
    )
    forcing_strength: Strength = Field(
        None,
        description="Of generalized and scheduled forcing, 0 to 1: one number, a list to go through, or adaptive "
        "(generalized). Default: 1, 0.5, 0.25, 0.1, 0.05.",
    )
    forcing_interval: int | None = Field(None, ge=1, description="Steps between two forced ones, sparse. Default: 10.")
    segment_lengths: Lengths = Field(
        None,
        description="Lengths of the free-run segments, one stage each. Default: 5, 20, 50, 100, as far as they fit.",
    )
    l1: float = Field(0.0, ge=0, description="Penalty on the absolute weights.")
    l2: float | None = Field(
        None, ge=0, description="Penalty on the squared weights. Default: chosen for ridge, else 0."
    )
    weight_noise: float = Field(0.0, ge=0, description="Standard deviation of noise on the weights while training.")
    input_noise: float | None = Field(
        None,
        ge=0,
        description="Standard deviation of noise on the standardised values read while training. "
        "Default: chosen for ridge, else 0.",
    )
    washout: int | None = Field(
        None, ge=0, description="First steps of a series whose errors do not count. Default: what the memory needs."
    )
    restarts: int | None = Field(
        None,
        ge=1,
        description="Networks from different seeds to train at once; free runs choose among them. "
        "Default: 4 where free runs choose, else 1; at least members.",
    )
    holdout: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="Share of the training series, its end, on which free runs choose; ridge also takes as much before "
        "it. Default: 0.25 where there is something to choose, else 0.",
    )
    members: int | None = Field(
        None,
        ge=1,
        description="Networks to keep, the best first; generate uses the best, or all, forecast all. "
        "Default: 10 for a series of fewer than 1000 steps where free runs choose for ridge, else 1.",
    )
    standardize: bool = Field(True, description="Standardise each channel inside; results keep their own units.")
    dtype: Dtype = Field("float64", description="Precision of the computation.")
    device: Device = Field(
        "auto", description="Where to train: cpu, gpu, or where it is faster, as far as the work's size tells (auto)."
    )
    parallel: bool | None = Field(
        None,
        description="Run pieces of the series side by side (parallel in time), not step by step. Default: on a GPU, "
        "for whole series and up to 256 units, LSTMs apart.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the initial weights and all other chance.")

    @classmethod
    def checked(cls, **parameters: Any) -> Settings:
        """Settings from parameters.

        Raises:
            SettingError: a parameter is unknown, out of range or without effect; the message names it.
        """
        try:
            return cls(**parameters)
        except ValidationError as error:
            faults = {_sentence(dict(fault)): None for fault in error.errors()}
            raise SettingError("; ".join(faults)) from error

    @classmethod
    def require_range(cls, name: str, value: Any) -> None:
        """Refuse a value that a parameter cannot have, whatever the others are.

        Raises:
            SettingError: there is no such parameter, or the value is out of its range.
        """
        try:
            cls(**{name: value})
        except ValidationError as error:
            for fault in error.errors():
                if fault["loc"]:
                    raise SettingError(_sentence(dict(fault))) from error

    def with_(self, **parameters: Any) -> Settings:
        """The same settings with some parameters changed, checked again."""
        return Settings.checked(**{**self.model_dump(), **parameters})

    @property
    def described(self) -> str:
        """What makes these settings unlike others, in a few words; for settings with nothing left open."""
        names = (
            "hidden",
            "cell",
            "input_scale",
            "leak",
            "spectral_radius",
            "learning_rate",
            "l2",
            "input_noise",
            "seed",
        )
        values = {name: getattr(self, name) for name in names}
        lags = self.lags
        spacing = f" every {lags[1]}" if len(lags) > 1 and lags[1] > 1 else ""
        parts = [f"{n.replace('_', ' ')} {v:.3g}" for n, v in values.items() if isinstance(v, int | float) and v]
        return ", ".join([str(self.cell), f"{len(lags)} delays{spacing}", *parts])

    @property
    def method(self) -> str:
        """The optimiser: the one asked for, or the one that suits the number of units."""
        if self.optimizer is not None:
            return self.optimizer
        return "levenberg-marquardt" if self.hidden is not None and self.hidden < FEW_UNITS else "ridge"

    @property
    def by_gradients(self) -> bool:
        """Whether the optimiser follows a gradient: a gradient method, or BFGS."""
        return self.method not in ("ridge", "levenberg-marquardt")

    @property
    def lags(self) -> tuple[int, ...]:
        """The delays of the values that each step reads, ascending; 0 is the current value."""
        if self.delays is None:
            return (0,)
        return tuple(range(self.delays)) if isinstance(self.delays, int) else self.delays

    @property
    def differences(self) -> tuple[int, ...]:
        """The lags of the differences that are taken one after the other."""
        if self.difference is None or self.difference == 0:
            return ()
        return (self.difference,) if isinstance(self.difference, int) else self.difference

    @property
    def memory(self) -> int:
        """Steps before the current one that a window reaches back."""
        return max(self.lags) + sum(self.differences)

    @property
    def forced(self) -> str:
        """The forcing: the one asked for, or the one that suits the optimiser."""
        return self.forcing or ("segments" if self.method == "levenberg-marquardt" else "full")

    def has_effect(self, name: str) -> bool:
        """Whether the others leave the parameter of that name an effect."""
        return all(allowed for other, allowed, *_ in self._needs() if other == name)

    def _needs(self) -> list[tuple[str, bool, str, str]]:
        """Parameters that have an effect only with another: whether they have, the other, and what it has to be."""
        gradient = self.method in GRADIENT_METHODS
        ridge = self.method == "ridge"
        generalized = self.forced in ("generalized", "scheduled")
        reservoir = self._drawn == "reservoir"
        recurrent = self.cell not in ("memoryless", *(() if self.by_gradients else (None,)))
        return [
            ("parallel", self.by_gradients, "optimizer", "a gradient method or BFGS"),
            ("learning_rate", gradient, "optimizer", "a gradient method"),
            ("schedule", gradient, "optimizer", "a gradient method"),
            ("window", gradient, "optimizer", "a gradient method"),
            ("batch", self.window is not None, "window", "a window"),
            ("stateful", self.window is not None, "window", "a window"),
            ("epochs", not ridge, "optimizer", "an optimizer other than ridge, which solves in one step"),
            ("l1", not ridge, "optimizer", "an optimizer other than ridge, whose penalty is l2"),
            ("weight_noise", not ridge, "optimizer", "an optimizer other than ridge"),
            ("forcing", not ridge or self.forcing == "full", "optimizer", "an optimizer other than ridge"),
            ("forcing_strength", generalized, "forcing", "forcing='generalized' or 'scheduled'"),
            ("forcing_interval", self.forced == "sparse", "forcing", "forcing='sparse'"),
            ("segment_lengths", self.forced == "segments", "forcing", "forcing='segments'"),
            ("leak", self.cell == "leaky", "cell", "cell='leaky'"),
            ("latent", self.cell in PIECEWISE_LINEAR, "cell", "a piecewise-linear cell"),
            ("spectral_radius", reservoir, "initial", "initial='reservoir'"),
            ("spectral_radius", recurrent, "cell", "a recurrent cell"),
            ("input_scale", reservoir, "initial", "initial='reservoir'"),
            ("bias_scale", reservoir, "initial", "initial='reservoir'"),
        ]

    def _in_force(self, name: str) -> Any:
        """What a parameter is, or what it means where it is left out."""
        return {"optimizer": self.method, "forcing": self.forced, "initial": self._drawn}.get(name, getattr(self, name))

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        self._refuse_ranges()
        for name, allowed, other, need in self._needs():
            if getattr(self, name) != Settings.model_fields[name].default and not allowed:
                raise ValueError(
                    f"{name} has no effect with {other}={self._in_force(other)!r}; it needs {need}; leave it out"
                )
        if self.restarts is not None and self.restarts < (self.members or 1):
            raise ValueError(
                f"members={self.members} exceeds restarts={self.restarts}; raise restarts or keep fewer members"
            )
        if self.forcing_strength == "adaptive" and self.forced != "generalized":
            raise ValueError("forcing_strength='adaptive' needs forcing='generalized'")
        return self

    @property
    def _drawn(self) -> str:
        """How initial weights are drawn: as asked for, or as it suits the optimiser."""
        return self.initial or ("reservoir" if self.method == "ridge" else "glorot")

    def _refuse_ranges(self) -> None:
        if isinstance(self.delays, int) and self.delays < 1:
            raise ValueError(f"delays={self.delays}: a step reads at least 1 value")
        if isinstance(self.delays, int) and self.delays > MOST_DELAYS:
            raise ValueError(f"delays={self.delays}: a step reads at most {MOST_DELAYS} values")
        if isinstance(self.delays, tuple) and (
            not self.delays
            or self.delays[0] < 0
            or any(b <= a for a, b in zip(self.delays, self.delays[1:], strict=False))
        ):
            raise ValueError(f"delays={self.delays}: lags are ascending numbers from 0 on, at least one")
        if any(lag < 1 for lag in self.differences):
            raise ValueError(f"difference={self.difference}: lags of differences are at least 1, or 0 for none")
        strengths = self.forcing_strength if isinstance(self.forcing_strength, tuple) else (self.forcing_strength,)
        for strength in strengths:
            if isinstance(strength, float | int) and not 0 <= strength <= 1:
                raise ValueError(f"forcing_strength={strength:g}: must lie between 0 (free) and 1 (data)")
        if self.segment_lengths is not None and (not self.segment_lengths or min(self.segment_lengths) < 1):
            raise ValueError(f"segment_lengths={self.segment_lengths}: lengths are at least 1 step")


def as_option(name: str, value: Any) -> str:
    """A setting as an option of `freerun fit`."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
    return f"--{flag} {shlex.quote(text)}"


def _sentence(fault: dict[str, Any]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name = fault["loc"][0]
    if fault["type"] == "extra_forbidden":
        return f"there is no parameter {name!r}"
    return f"{name}={fault['input']!r}: {message[0].lower()}{message[1:]}"
