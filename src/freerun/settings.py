"""`Settings`: every parameter of a network and its training, written once.

The constructor of `freerun.RNN`, its docstring, the options of `freerun fit` and the controls of
the studio are made from the fields of `Settings`. A field has the type, the default, the range and
the description of a parameter; its `Parameter` has the rest.

A parameter whose default is None is chosen when the network is trained: by free
runs on the last part of the training series where its description says "chosen",
and by the rule in its description otherwise.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from freerun.errors import SettingError
from freerun.known import KnownModel

CellName = Literal["simple", "leaky", "gru", "lstm", "memoryless", "plrnn", "clipped-plrnn", "smoothing", "polynomial"]
Nonlinearity = Literal["tanh", "sigmoid", "relu", "softplus", "identity"]
Initial = Literal["tutorial", "glorot", "orthogonal", "reservoir", "cycle", "delay-line", "cycle-jumps", "small-world"]
OptimizerName = Literal[
    "ridge",
    "likelihood",
    "levenberg-marquardt",
    "bfgs",
    "lbfgs",
    "sgd",
    "momentum",
    "adam",
    "nadam",
    "radam",
    "rmsprop",
]
ForcingName = Literal["full", "segments", "generalized", "sparse", "scheduled"]
ScheduleName = Literal["constant", "exponential", "cosine"]
Boundary = Literal["periodic", "no-flux"]
Device = Literal["auto", "cpu", "gpu"]
Dtype = Literal["float64", "float32"]

Ensemble = Literal["best", "mean", "median", "trimmed"]
"""Which free run of a model with several members is given: that of the best, or their mean or
median at each step, or the mean of the middle half of them."""

OnnxProgram = Literal["run", "step"]
"""Programs that are exported to ONNX: one reads values and runs free after them,
the other predicts a single step."""

Missing = Literal["mask", "interpolate", "error"]
"""What to do with missing values of a series: leave them out of training and let the
network run on its own output over them, fill them by linear interpolation, or refuse them.
Infinite values are interpolated or refused."""

Together = Literal["auto", "local", "shared"]
"""How many series are forecast: `local` each by its own fit, `shared` by one readout for all,
`auto` by the weighted mean of both where enough series go together."""

RESERVOIRS = ("reservoir", "cycle", "delay-line", "cycle-jumps", "small-world")
"""Initial weights that are those of a reservoir, by the topology of its recurrent connections."""

GRADIENT_METHODS = ("sgd", "momentum", "adam", "nadam", "radam", "rmsprop")
PIECEWISE_LINEAR = ("plrnn", "clipped-plrnn")
WITHOUT_MEMORY = ("memoryless", "polynomial")

LONGEST_SEASON = 400
"""Longest season, in steps, that smoothers follow; each of its steps is an entry of their state."""

MOST_DELAYS = 100_000
"""Most values that a step may read."""

EPOCHS, EPOCHS_OF_LEVENBERG_MARQUARDT = 1000, 200
"""Default limit of updates or iterations."""

FEW_UNITS = 100
"""Hidden units below which Levenberg-Marquardt is the default optimiser."""


Value = Any
"""A value of a parameter: those of `Settings` have the types of its fields."""


def _numbers(value: Value) -> Value:
    """From the command line: `20` is a number, `0,1,2` and `1,0.5` are several."""
    if isinstance(value, str) and ("," in value or value.replace(".", "", 1).isdigit()):
        parts = [float(part) if "." in part or "e" in part else int(part) for part in value.split(",") if part.strip()]
        return tuple(parts) if "," in value else parts[0]
    return tuple(value) if isinstance(value, list) else value


Lags = Annotated[int | tuple[int, ...] | None, BeforeValidator(_numbers)]
Strength = Annotated[float | tuple[float, ...] | Literal["adaptive"] | None, BeforeValidator(_numbers)]
Around = Annotated[int | Literal["auto"] | None, BeforeValidator(_numbers)]
Grid = Annotated[tuple[int, int] | None, BeforeValidator(_numbers)]
Lengths = Annotated[tuple[int, ...] | None, BeforeValidator(_numbers)]
Shares = Annotated[float | tuple[float, ...] | None, BeforeValidator(_numbers)]

ModelOrName = Annotated[
    InstanceOf[KnownModel],
    BeforeValidator(KnownModel.of),
    PlainSerializer(lambda model: model.name, when_used="json"),
]
"""A known model; in JSON, its name."""


Group = Literal[
    "Network",
    "Initial weights",
    "Reading the series",
    "Training",
    "Gradient methods",
    "Forcing",
    "Selection",
    "Computing",
]
"""Groups of parameters: panels of `freerun fit --help`, sections of the docstring,
parts of the studio."""

Kind = Literal["choice", "switch", "number", "text", "function"]
"""How a value is entered: one of several names, yes or no, a number, text (one value or several
with commas), or the name of a function to import."""


@dataclass(frozen=True)
class Need:
    """A condition under which a parameter has an effect.

    Attributes:
        other: the parameter that decides.
        met: whether the settings meet the condition.
        said: the condition in words, for the error message.
    """

    other: str
    met: Callable[[Settings], bool]
    said: str


@dataclass(frozen=True)
class Parameter:
    """Metadata of a parameter.

    Attributes:
        group: what it belongs to.
        needs: the conditions under which it has an effect.
        shapes_weights: whether the shape of the weights or the units of the network depend on it.
        varies_in_program: whether networks that are trained by one compiled program may differ in
            it.
        searchable: whether a search may vary it.
        detail: further sentences for the docstring, which `--help` leaves out.
    """

    group: Group
    needs: tuple[Need, ...] = ()
    shapes_weights: bool = False
    varies_in_program: bool = False
    searchable: bool = True
    detail: str = ""


GRADIENT_METHOD = Need("optimizer", lambda s: s.method in GRADIENT_METHODS, "a gradient method")
WINDOW = Need("window", lambda s: s.window is not None, "a window")
RIDGE = Need("optimizer", lambda s: s.method == "ridge", "optimizer='ridge'")
NETWORK = Need("cell", lambda s: s.cell != "smoothing", "another cell, since the smoothers are a fixed grid")
RESERVOIR = Need("initial", lambda s: s.drawn in RESERVOIRS, "initial='reservoir' or another reservoir")
RECURRENT = Need(
    "cell", lambda s: s.cell not in WITHOUT_MEMORY and (s.cell is not None or s.by_gradients), "a recurrent cell"
)
DRAWN_TO_ORDER = Need(
    "initial", lambda s: s.drawn in ("reservoir", "small-world"), "initial='reservoir' or 'small-world'"
)
UNITS = Need("cell", lambda s: s.cell not in ("smoothing", "polynomial"), "a cell with hidden units")
FIELD = Need("neighbours", lambda s: s.is_field, "a field (neighbours=...)")
NO_FIELD = Need("neighbours", lambda s: not s.is_field, "channels that are no field")


def _not_ridge(why: str = "") -> Need:
    return Need("optimizer", lambda s: s.method not in ("ridge", "likelihood"), f"an optimizer other than ridge{why}")


def _exact(asked: Callable[[Settings], bool]) -> Need:
    """What is asked for needs measurements without noise."""
    return Need("measurement_noise", lambda s: not (s.measured_noise and asked(s)), "measurement_noise=0")


def _forcing(*names: str) -> Need:
    said = " or ".join(map(repr, names))
    return Need("forcing", lambda s: s.forced in names, f"forcing={said}")


class Settings(BaseModel):
    """The parameters of `freerun.RNN` and the options of `freerun fit`, checked.

    A parameter that has no effect beside the others is refused, never ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: Annotated[int | None, Parameter("Network", needs=(UNITS,), shapes_weights=True)] = Field(
        None,
        ge=1,
        description="Hidden units of each layer. "
        "Default: two thirds of the training steps for ridge, from 20 to 1000; else 15.",
    )
    cell: Annotated[
        CellName | None,
        Parameter(
            "Network",
            shapes_weights=True,
            detail="A memoryless cell has no recurrent weights; its memory is the values that it reads. "
            "plrnn and clipped-plrnn are shallow piecewise-linear cells. "
            "smoothing is a grid of exponential smoothers with level, damped trend and season. "
            "polynomial has no units, but the monomials of the values that it reads.",
        ),
    ] = Field(None, description="Cell of the hidden units. Default: chosen, or simple.")
    layers: Annotated[int, Parameter("Network", needs=(UNITS,), shapes_weights=True)] = Field(
        1, ge=1, description="Layers of hidden units; the readout reads them all."
    )
    latent: Annotated[
        int | None,
        Parameter(
            "Network",
            needs=(Need("cell", lambda s: s.cell in PIECEWISE_LINEAR, "a piecewise-linear cell"),),
            shapes_weights=True,
            detail="The default is never less than the number of channels.",
        ),
    ] = Field(None, ge=1, description="Latent variables of a piecewise-linear cell. Default: a quarter of hidden.")
    degree: Annotated[
        int | None,
        Parameter(
            "Network",
            needs=(Need("cell", lambda s: s.cell == "polynomial", "cell='polynomial'"),),
            shapes_weights=True,
            detail="The linear part are direct connections.",
        ),
    ] = Field(None, ge=2, le=10, description="Highest degree of the monomials of a polynomial cell. Default: 2.")
    nonlinearity: Annotated[Nonlinearity, Parameter("Network", needs=(UNITS,), shapes_weights=True)] = Field(
        "tanh", description="Non-linearity of the hidden units."
    )
    direct: Annotated[bool, Parameter("Network", shapes_weights=True)] = Field(
        True, description="Direct connections from the values read to the output."
    )
    model: Annotated[
        ModelOrName | None,
        Parameter(
            "Network",
            needs=(
                RIDGE,
                Need("detrend", lambda s: not s.detrend, "the values as they are (detrend=False)"),
                NO_FIELD,
            ),
            shapes_weights=True,
            searchable=False,
            detail="It maps values of shape (..., D), in the units of the series, to an estimate of the next values, "
            "and gets the external inputs of the next step, shape (..., E), if it needs a second argument. It is "
            "called from several threads.",
        ),
    ] = Field(
        None,
        description="Known model of the system, an estimate of the next values, which the network reads and corrects: "
        "package.module:function on the command line.",
    )
    initial: Annotated[
        Initial | None,
        Parameter(
            "Initial weights",
            needs=(UNITS,),
            varies_in_program=True,
            detail="cycle, delay-line, cycle-jumps and small-world are reservoirs of other connections. "
            "A reservoir that ridge does not train starts from its ridge readout.",
        ),
    ] = Field(None, description="How the initial weights are drawn. Default: reservoir for ridge, else glorot.")
    spectral_radius: Annotated[
        float | None,
        Parameter(
            "Initial weights",
            needs=(
                RESERVOIR,
                RECURRENT,
            ),
            varies_in_program=True,
        ),
    ] = Field(None, ge=0, description="Of a reservoir's recurrent weights. Default: chosen, or 0.9.")
    connectivity: Annotated[
        float | None,
        Parameter(
            "Initial weights",
            needs=(DRAWN_TO_ORDER, RECURRENT),
            searchable=False,
            detail="With 200 units and more, and a share of at most 0.1, the weights are stored as a sparse matrix.",
        ),
    ] = Field(
        None,
        gt=0,
        le=1,
        description="Share of the units of a reservoir that each of them is connected with. "
        "Default: all up to 1000 units, else 10 units; in a small world always 10 units.",
    )
    input_scale: Annotated[
        float | None,
        Parameter(
            "Initial weights",
            needs=(UNITS, RESERVOIR),
            varies_in_program=True,
            detail="It is the standard deviation of what standardised values add to a unit.",
        ),
    ] = Field(None, gt=0, description="Strength of a reservoir's input weights. Default: chosen, or 0.5.")
    bias_scale: Annotated[
        float | None,
        Parameter(
            "Initial weights",
            needs=(UNITS, RESERVOIR),
            varies_in_program=True,
            detail="Biases are uniform between -bias_scale and bias_scale.",
        ),
    ] = Field(None, ge=0, description="Largest bias of a reservoir. Default: the larger of 1 and the input scale.")
    leak: Annotated[
        float | None,
        Parameter(
            "Initial weights",
            needs=(Need("cell", lambda s: s.cell == "leaky", "cell='leaky'"),),
            varies_in_program=True,
        ),
    ] = Field(None, gt=0, lt=1, description="Leak of leaky cells at the start. Default: chosen, or 0.3.")
    seed: Annotated[
        int, Parameter("Initial weights", varies_in_program=True, detail="The same seed gives the same result.")
    ] = Field(0, ge=0, lt=2**32, description="Seed of the initial weights and of everything else that is random.")
    delays: Annotated[Lags, Parameter("Reading the series", needs=(NETWORK,), shapes_weights=True)] = Field(
        None,
        description="Values that each step reads: how many of the latest, or a list of lags (0 is the current value). "
        "Default: chosen, or 1.",
    )
    neighbours: Annotated[
        Around,
        Parameter(
            "Reading the series",
            needs=(RIDGE,),
            shapes_weights=True,
            detail="The channels are the sites of a ring, or of a grid, in order. All sites share one network, which "
            "predicts a site from the values around it, and one scaling.",
        ),
    ] = Field(
        None,
        description="Learn the channels as a field: how many sites on each side a site reads, or auto. "
        "Default: the channels are no field.",
    )
    grid: Annotated[Grid, Parameter("Reading the series", needs=(FIELD,), shapes_weights=True)] = Field(
        None,
        description="Rows and columns of a field on a grid (8,16), whose sites are numbered row by row. "
        "Default: a ring.",
    )
    boundary: Annotated[
        Boundary,
        Parameter(
            "Reading the series",
            needs=(FIELD,),
            shapes_weights=True,
            detail="no-flux mirrors the sites beyond the edge.",
        ),
    ] = Field("periodic", description="What lies beyond the edge of a field.")
    difference: Annotated[
        Lags,
        Parameter("Reading the series", needs=(NETWORK, _exact(lambda s: bool(s.differences))), shapes_weights=True),
    ] = Field(
        None,
        description="Learn differences instead of values: the lag of the difference, or a list of lags to take one "
        "after the other (1,12); 0 for none. Default: chosen for ridge, else none.",
    )
    season: Annotated[
        Lags,
        Parameter(
            "Reading the series",
            shapes_weights=True,
            detail="Smoothers follow it, and the windows and differences that are tried reach back over it.",
        ),
    ] = Field(
        None,
        description="Steps after which the series repeats itself: 12 for months, or a list (24,168); 0 for no season. "
        "Default: by the calendar of its dates, or by its autocorrelation.",
    )
    detrend: Annotated[
        bool,
        Parameter("Reading the series", shapes_weights=True, detail="Smoothers of a detrended series have no slope."),
    ] = Field(False, description="Subtract a straight line from each channel, and add it again to results.")
    log: Annotated[bool, Parameter("Reading the series", shapes_weights=True)] = Field(
        False, description="Learn the logarithm of the values, which must be positive."
    )
    nonnegative: Annotated[bool | None, Parameter("Reading the series", shapes_weights=True)] = Field(
        None,
        description="Raise negative results and bounds of intervals to zero. Default: for channels of counts, which "
        "are whole numbers from zero on.",
    )
    standardize: Annotated[
        bool,
        Parameter("Reading the series", shapes_weights=True, detail="The mean becomes 0, the standard deviation 1."),
    ] = Field(True, description="Standardise each channel inside; results keep their own units.")
    optimizer: Annotated[OptimizerName | None, Parameter("Training", detail="lbfgs is BFGS with limited memory.")] = (
        Field(
            None,
            description="What trains the weights; ridge solves the readout alone, and likelihood weights smoothers. "
            f"Default: levenberg-marquardt when fewer than {FEW_UNITS} hidden units are asked for, without a known "
            "model; likelihood for smoothers; else ridge.",
        )
    )
    epochs: Annotated[
        int | None, Parameter("Training", needs=(_not_ridge(", which solves in one step"),), searchable=False)
    ] = Field(
        None,
        ge=1,
        description="Most updates or iterations, shared by the stages of a forcing. "
        f"Default: {EPOCHS_OF_LEVENBERG_MARQUARDT} for levenberg-marquardt, else {EPOCHS}.",
    )
    washout: Annotated[
        int | None,
        Parameter(
            "Training",
            detail="The state forgets its start at zero in these steps. "
            "The default is what the delays and differences need, and for a recurrent reservoir up to 100 steps.",
        ),
    ] = Field(
        None, ge=0, description="First steps of a series whose errors do not count. Default: what the memory needs."
    )
    l1: Annotated[
        float,
        Parameter(
            "Training",
            needs=(_not_ridge(", whose penalty is l2"),),
            varies_in_program=True,
            detail="Biases are included.",
        ),
    ] = Field(0.0, ge=0, description="Penalty on the absolute weights.")
    l2: Annotated[
        float | None, Parameter("Training", needs=(NETWORK,), varies_in_program=True, detail="Biases are included.")
    ] = Field(None, ge=0, description="Penalty on the squared weights. Default: chosen for ridge, else 0.")
    online: Annotated[
        bool,
        Parameter(
            "Training",
            needs=(
                Need("optimizer", lambda s: s.method in ("ridge", "likelihood"), "a readout that is solved ('ridge')"),
                NO_FIELD,
            ),
            searchable=False,
            detail="These are as many numbers as half the square of the hidden units, for each member.",
        ),
    ] = Field(False, description="Keep the sums from which update(learn=True) goes on to learn as data arrive.")
    weight_noise: Annotated[float, Parameter("Training", needs=(_not_ridge(),), varies_in_program=True)] = Field(
        0.0, ge=0, description="Standard deviation of noise on the weights while training."
    )
    input_noise: Annotated[
        float | None,
        Parameter("Training", needs=(NETWORK, _exact(lambda s: bool(s.input_noise))), varies_in_program=True),
    ] = Field(
        None,
        ge=0,
        description="Standard deviation of noise on the standardised values read while training. "
        "Default: chosen for ridge, else 0.",
    )
    measurement_noise: Annotated[
        Shares,
        Parameter(
            "Training",
            needs=(
                Need(
                    "cell",
                    lambda s: s.cell in WITHOUT_MEMORY or s.measurement_noise == 0,
                    "a cell without memory (cell='memoryless')",
                ),
                Need("optimizer", lambda s: s.method == "ridge", "optimizer='ridge'"),
                Need("online", lambda s: not s.online, "online=False"),
                Need("model", lambda s: s.model is None, "a network without a known model"),
                NO_FIELD,
            ),
            detail="The readout is then solved on the states behind the measurements, which are estimated with it "
            "(freerun.network.errors_in_variables). Where it begins; each channel's noise is estimated too.",
        ),
    ] = Field(
        None,
        description="Standard deviation of the noise in measurements, in standard deviations of the channel; one, or a "
        "list with one for each channel. Default: 0; of noisy samples of systems, what the fit chooses.",
    )
    learning_rate: Annotated[
        float | None, Parameter("Gradient methods", needs=(GRADIENT_METHOD,), varies_in_program=True)
    ] = Field(None, gt=0, description="Step size of the gradient methods. Default: 0.01.")
    schedule: Annotated[ScheduleName | None, Parameter("Gradient methods", needs=(GRADIENT_METHOD,))] = Field(
        None, description="How the learning rate falls, to a thousandth. Default: constant."
    )
    window: Annotated[int | None, Parameter("Gradient methods", needs=(GRADIENT_METHOD,))] = Field(
        None,
        ge=2,
        description="Train gradient methods on random windows of this many steps. Default: the whole series.",
    )
    batch: Annotated[int | None, Parameter("Gradient methods", needs=(WINDOW,))] = Field(
        None, ge=1, description="Windows in each update. Default: 16."
    )
    stateful: Annotated[
        bool,
        Parameter(
            "Gradient methods",
            needs=(WINDOW,),
            detail="The memory may then be longer than a window (truncated back-propagation through time, Williams "
            "and Peng, 1990). The states are computed anew about a hundred times in a fit. "
            "Windows that begin at rest have a washout, which does not count.",
        ),
    ] = Field(False, description="Begin windows in the state that the network reaches there, instead of at rest.")
    forcing: Annotated[
        ForcingName | None,
        Parameter(
            "Forcing",
            needs=(
                Need(
                    "optimizer",
                    lambda s: s.method not in ("ridge", "likelihood") or s.forcing == "full",
                    "an optimizer other than ridge",
                ),
            ),
            detail="Generalized forcing reads strength * data + (1 - strength) * output. "
            "Sparse forcing reads the data at every forcing_interval-th step.",
        ),
    ] = Field(
        None,
        description="What the network reads while it trains: the data (full), its own output for growing stretches "
        "(segments), a mixture (generalized), the data every few steps (sparse), or one of both at random (scheduled). "
        "Default: segments for levenberg-marquardt, else full.",
    )
    forcing_strength: Annotated[
        Strength,
        Parameter(
            "Forcing",
            needs=(_forcing("generalized", "scheduled"),),
            detail="Adaptive strengths follow the Jacobians. "
            "For scheduled forcing it is the probability that the data are read.",
        ),
    ] = Field(
        None,
        description="Strength of generalized and scheduled forcing, 0 to 1: one number, one a stage, or adaptive "
        "(generalized). Default: 1, 0.5, 0.25, 0.1, 0.05.",
    )
    forcing_interval: Annotated[int | None, Parameter("Forcing", needs=(_forcing("sparse"),))] = Field(
        None, ge=1, description="Steps between two readings of the data, for sparse forcing. Default: 10."
    )
    segment_lengths: Annotated[Lengths, Parameter("Forcing", needs=(_forcing("segments"),))] = Field(
        None,
        description="Steps of the free-run segments, one length for each stage. Default: 5, 20, 50, 100, those that "
        "fit.",
    )
    select: Annotated[
        Literal["forecast", "attractor", "auto"],
        Parameter(
            "Selection",
            needs=(RIDGE,),
            searchable=False,
        ),
    ] = Field(
        "auto",
        description="What free runs are judged by: the next steps (forecast), how much a long run resembles the series "
        "(attractor), or what suits the series (auto).",
    )
    restarts: Annotated[int | None, Parameter("Selection", searchable=False)] = Field(
        None,
        ge=1,
        description="Networks from different seeds to train at once; free runs choose among them. "
        "Default: 4 where free runs choose, else 1; at least members.",
    )
    members: Annotated[int | None, Parameter("Selection", searchable=False)] = Field(
        None,
        ge=1,
        description="Networks to keep, the best first; generate uses the best, or all, forecast all. "
        "Default: those no worse than the best beyond chance, at most 5, where free runs choose for ridge; else 1.",
    )
    holdout: Annotated[
        float | None,
        Parameter(
            "Selection",
            searchable=False,
            detail="Ridge leaves out one part at a time, and solves for the weights on the whole series in the end. "
            "Other optimizers never see these steps.",
        ),
    ] = Field(
        None,
        ge=0,
        le=0.5,
        description="Share of the training series, its end, on which free runs choose; ridge also takes as much before "
        "it. Default: 0.25 where there is something to choose, else 0.",
    )
    dtype: Annotated[Dtype, Parameter("Computing", searchable=False)] = Field(
        "float64", description="Precision of the computation."
    )
    device: Annotated[
        Device,
        Parameter(
            "Computing",
            searchable=False,
            detail="A GPU that is asked for and absent is refused. auto takes a GPU if JAX finds one and the work is "
            "large enough, as gradient methods and BFGS on long series or wide batches are.",
        ),
    ] = Field(
        "auto", description="Where to train: cpu, gpu, or where it should be faster for work of this size (auto)."
    )
    parallel: Annotated[
        bool | None,
        Parameter(
            "Computing",
            needs=(Need("optimizer", lambda s: s.by_gradients, "a gradient method or BFGS"),),
            searchable=False,
            detail="The results are the same to rounding.",
        ),
    ] = Field(
        None,
        description="Run pieces of the series side by side (parallel in time), not step by step. Default: on a GPU, "
        "for whole series and up to 256 units, LSTMs apart.",
    )

    @classmethod
    def parameter(cls, name: str) -> Parameter:
        """The metadata of a parameter: group, needs, and how it may be used."""
        (found,) = (marker for marker in cls.model_fields[name].metadata if isinstance(marker, Parameter))
        return found

    @classmethod
    def named(cls, **traits: object) -> tuple[str, ...]:
        """The names of the parameters that have these attributes of `Parameter`:
        `named(shapes_weights=True)`."""
        wanted = traits.items()
        names = cls.model_fields
        return tuple(n for n in names if all(getattr(cls.parameter(n), trait) == value for trait, value in wanted))

    @classmethod
    def kind_of(cls, name: str) -> Kind:
        """How a value of a parameter is entered."""
        kinds = [kind for kind in _alternatives(cls.model_fields[name].annotation) if kind is not type(None)]
        if kinds == [ModelOrName]:
            return "function"
        if kinds == [bool]:
            return "switch"
        if all(get_origin(kind) is Literal for kind in kinds):
            return "choice"
        return "number" if all(kind in (int, float) for kind in kinds) else "text"

    @classmethod
    def choices_of(cls, name: str) -> tuple[str, ...]:
        """The names among which a parameter is chosen; none if it is no choice."""
        kinds = _alternatives(cls.model_fields[name].annotation)
        return tuple(word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind))

    @classmethod
    def checked(cls, **parameters: Value) -> Settings:
        """Settings from parameters.

        Raises:
            SettingError: a parameter is unknown, out of range or without effect;
                the message names it.
        """
        try:
            return cls(**parameters)
        except ValidationError as error:
            faults = {_sentence(dict(fault)): None for fault in error.errors()}
            raise SettingError("; ".join(faults)) from error

    @classmethod
    def require_range(cls, name: str, value: Value) -> None:
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

    def with_(self, **parameters: Value) -> Settings:
        """The same settings with some parameters changed, checked again."""
        return Settings.checked(**{**self.model_dump(), **parameters})

    @property
    def described(self) -> str:
        """A summary in a few words, of settings with nothing left to choose."""
        names = (
            "hidden",
            "degree",
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
        if self.cell == "smoothing":
            return "likelihood"
        few = self.hidden is not None and self.hidden < FEW_UNITS
        return "levenberg-marquardt" if few and self.model is None and not self.is_field else "ridge"

    @property
    def by_gradients(self) -> bool:
        """Whether the optimiser follows a gradient: a gradient method, or BFGS."""
        return self.method not in ("ridge", "likelihood", "levenberg-marquardt")

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
    def measured_noise(self) -> tuple[float, ...]:
        """The noise in measurements, one for all channels or one for each; none for 0 or None."""
        if not self.measurement_noise:
            return ()
        return self.measurement_noise if isinstance(self.measurement_noise, tuple) else (self.measurement_noise,)

    @property
    def seasons(self) -> tuple[int, ...]:
        """The seasons that are given, in steps, ascending; none for 0 or None."""
        if not self.season:
            return ()
        return (self.season,) if isinstance(self.season, int) else self.season

    @property
    def is_field(self) -> bool:
        """Whether the channels are the sites of a field."""
        return self.neighbours is not None

    def is_left(self, name: str) -> bool:
        """Whether the choice of a parameter is left to the fit."""
        return getattr(self, name) == ("auto" if name == "neighbours" else None)

    @property
    def memory(self) -> int:
        """Steps before the current one that a window reaches back."""
        return max(self.lags) + sum(self.differences)

    @property
    def forced(self) -> str:
        """The forcing: the one asked for, or the one that suits the optimiser."""
        return self.forcing or ("segments" if self.method == "levenberg-marquardt" else "full")

    def refuse_model(self, what: str) -> None:
        """Refuse a known model where settings go to other processes,
        which do not have its function.

        Raises:
            SettingError: there is one; the message says what does not take it.
        """
        if self.model is not None:
            raise SettingError(f"model={self.model.name!r}: {what} takes no known model; fit single networks with RNN")

    def has_effect(self, name: str) -> bool:
        """Whether the others leave the parameter of that name an effect."""
        return all(need.met(self) for need in self.parameter(name).needs)

    def effective(self, **parameters: Value) -> dict[str, Value]:
        """Those of some parameters that would have an effect beside the others."""
        together = self.model_copy(update=parameters)
        return {name: value for name, value in parameters.items() if together.has_effect(name)}

    def _in_force(self, name: str) -> Value:
        """What a parameter is, or what it means where it is left out."""
        return {"optimizer": self.method, "forcing": self.forced, "initial": self.drawn}.get(name, getattr(self, name))

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        self._refuse_ranges()
        self._refuse_lattices()
        if any(not 0 < share < 1 for share in self.measured_noise):
            raise ValueError(
                f"measurement_noise={self.measurement_noise}: noise varies less than its channel; give a share between "
                "0 and 1"
            )
        for name, field in Settings.model_fields.items():
            if getattr(self, name) == field.default:
                continue
            for need in self.parameter(name).needs:
                if not need.met(self):
                    other = f"{need.other}={self._in_force(need.other)!r}"
                    raise ValueError(f"{name} has no effect with {other}; it needs {need.said}; leave it out")
        if self.restarts is not None and self.restarts < (self.members or 1):
            raise ValueError(
                f"members={self.members} exceeds restarts={self.restarts}; raise restarts or keep fewer members"
            )
        if (self.cell == "smoothing") != (self.method == "likelihood"):
            raise ValueError(
                f"cell={self.cell!r} with optimizer={self.method!r}: smoothers are weighted by likelihood, and nothing "
                "else is; give cell='smoothing' alone, or leave it out"
            )
        if self.forcing_strength == "adaptive" and self.forced != "generalized":
            raise ValueError("forcing_strength='adaptive' needs forcing='generalized'")
        return self

    @property
    def drawn(self) -> str:
        """How initial weights are drawn: as asked for, or as it suits the optimiser."""
        return self.initial or ("reservoir" if self.method == "ridge" else "glorot")

    def _refuse_lattices(self) -> None:
        if isinstance(self.neighbours, int) and self.neighbours < 0:
            raise ValueError(f"neighbours={self.neighbours}: a site reads 0 or more sites on each side")
        if self.grid is not None and min(self.grid) < 1:
            raise ValueError(f"grid={self.grid}: give rows and columns, 1 or more of each")

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
        if any(season < 2 for season in self.seasons) or list(self.seasons) != sorted(set(self.seasons)):
            raise ValueError(f"season={self.season}: seasons are ascending numbers of steps from 2 on, or 0 for none")
        if self.cell == "smoothing" and max(self.seasons, default=0) > LONGEST_SEASON:
            raise ValueError(f"season={self.season}: smoothers follow a season of at most {LONGEST_SEASON} steps")
        strengths = self.forcing_strength if isinstance(self.forcing_strength, tuple) else (self.forcing_strength,)
        for strength in strengths:
            if isinstance(strength, float | int) and not 0 <= strength <= 1:
                raise ValueError(f"forcing_strength={strength:g}: must lie between 0 (free) and 1 (data)")
        if self.segment_lengths is not None and (not self.segment_lengths or min(self.segment_lengths) < 1):
            raise ValueError(f"segment_lengths={self.segment_lengths}: lengths are at least 1 step")


def as_option(name: str, value: Value) -> str:
    """A setting as an option of `freerun fit`."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
    return f"--{flag} {shlex.quote(text)}"


def _alternatives(annotation: object) -> tuple[Any, ...]:
    """The types of a union; a type that is none, alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _sentence(fault: dict[str, Value]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name = fault["loc"][0]
    if fault["type"] == "extra_forbidden":
        return f"there is no parameter {name!r}"
    return f"{name}={fault['input']!r}: {message[0].lower()}{message[1:]}"
