"""`Parameters`: what an `RNN` is told, stored as scikit-learn wants it."""

from __future__ import annotations

import inspect
from typing import Any, Self

from freerun.errors import SettingError
from freerun.settings import CellName, Device, Dtype, ForcingName, Initial, Nonlinearity, OptimizerName, ScheduleName


class Parameters:
    """The parameters of `freerun.RNN`.

    Parameters are checked by `fit`. A parameter left at None is chosen by `fit`: `RNN()` tries windows of several
    lengths and leaky reservoirs, and keeps what runs free best over the last part of the training series.

    Args:
        hidden: hidden units of each layer; None means two for three training steps, from 50 to 1000, for `ridge`, and
            15 otherwise.
        cell: `simple`, `leaky`, `gru`, `lstm`, `memoryless` (no recurrent weights: its memory is what it reads),
            `plrnn` or `clipped-plrnn` (shallow piecewise-linear); None is chosen for `ridge` and
            `levenberg-marquardt`, and means `simple` otherwise.
        layers: layers of hidden units; the readout reads them all.
        latent: latent variables of a piecewise-linear cell; None means a quarter of `hidden`, at least the channels.
        nonlinearity: of the hidden units: `tanh`, `sigmoid`, `relu`, `softplus` or `identity`.
        leak: of leaky cells at the start, between 0 and 1; None is chosen for `ridge`, and means 0.3 otherwise.
        delays: the values that each step reads: how many of the latest, or a tuple of lags (0 is the current value);
            None is chosen where `cell` is, and means 1 otherwise.
        difference: learn differences instead of values: their lag, or a tuple of lags to take one after the other; 0
            for none. None is chosen for series of fewer than 1000 steps where `cell` is, and means 0 otherwise.
        detrend: take a straight line out of each channel, and put it back in the end.
        log: learn the logarithm of the values.
        direct: direct connections from the values read to the output.
        initial: how initial weights are drawn: `tutorial`, `glorot`, `orthogonal` or `reservoir`; a reservoir that is
            not trained by `ridge` starts from its ridge readout. None means `reservoir` for `ridge`, else `glorot`.
        spectral_radius: of a reservoir's recurrent weights; None is chosen, or means 0.9.
        input_scale: of a reservoir: standard deviation of a unit's drive by standardised values; None is chosen, or
            means 0.5.
        bias_scale: of a reservoir: its biases are uniform on +-bias_scale; None means the larger of 1 and
            `input_scale`.
        optimizer: `ridge`, which solves the readout alone; `levenberg-marquardt`; `bfgs`; `lbfgs` (limited memory); or
            the gradient methods `sgd`, `momentum`, `adam`, `nadam`, `radam`, `rmsprop`. None means
            `levenberg-marquardt` where fewer than 100 hidden units are asked for, and `ridge` otherwise.
        epochs: most updates or iterations, shared by the stages of a forcing; None means 200 for
            `levenberg-marquardt` and 1000 otherwise.
        learning_rate: step size of the gradient methods; None means 0.01.
        schedule: how the learning rate falls to a thousandth: `constant` (not at all), `exponential` or `cosine`.
        window: train gradient methods on random windows of so many steps in each update; None means the whole series.
        batch: how many windows; None means 16.
        stateful: begin windows in the state that the network reaches there, so that its memory is longer than they are
            (truncated back-propagation through time, Williams and Peng, 1990); the states are found anew about a
            hundred times. Otherwise windows begin at rest, and their washout does not count.
        forcing: what the network reads while it trains: the data (`full`); its own output for stretches of growing
            length (`segments`); strength * data + (1 - strength) * output (`generalized`); the data at every
            `forcing_interval`-th step (`sparse`); the data by chance (`scheduled`). None means `segments` for
            `levenberg-marquardt`, else `full`.
        forcing_strength: of `generalized`, or the probability of `scheduled` forcing: one number from 0 to 1, a tuple
            to go through, or `adaptive`, from the Jacobians; None means 1, 0.5, 0.25, 0.1, 0.05.
        forcing_interval: steps from one forced step to the next; None means 10.
        segment_lengths: lengths of the free-run segments; None means 5, 20, 50, 100.
        l1: factor of the penalty on the absolute weights, biases included.
        l2: factor of the penalty on the squared weights, biases included; None is chosen for `ridge`, and means 0
            otherwise.
        weight_noise: standard deviation of the noise on all weights while training.
        input_noise: standard deviation of the noise on the standardised values read while training; None is chosen
            for `ridge`, and means 0 otherwise.
        washout: first steps of a series whose errors do not count, while the state forgets its start at zero; None
            means what the window needs, and up to 100 steps for a reservoir.
        restarts: networks from different seeds, of which free runs choose; None means 4 where free runs choose, else 1.
        holdout: share of the training series, its end, that free runs choose on; None means 0.25 where there is a
            choice, else 0. `ridge` takes as much before it too, each left out in its turn, and its weights are solved
            for the whole series afterwards; others never see it.
        members: how many networks to keep, the best first; None means 10 for series of fewer than 1000 steps where
            free runs choose for `ridge`, and 1 otherwise.
        standardize: bring each channel to mean 0 and standard deviation 1 inside. Results keep their own units.
        dtype: `float64` or `float32`.
        device: where to train: `cpu`, `gpu`, which is refused where there is none, or `auto`: a GPU if JAX finds one
            and the work is large enough for it, as gradient methods and BFGS on long series or wide batches are.
        parallel: run pieces of the series side by side (parallel in time) instead of step by step, for gradient methods
            and BFGS; the results are the same to rounding. None does so on a GPU, on whole series, for networks whose
            state has up to 256 numbers.
        seed: seed of the initial weights and all other chance; the same seed gives the same result.
    """

    def __init__(
        self,
        hidden: int | None = None,
        *,
        cell: CellName | None = None,
        layers: int = 1,
        latent: int | None = None,
        nonlinearity: Nonlinearity = "tanh",
        leak: float | None = None,
        delays: int | tuple[int, ...] | None = None,
        difference: int | tuple[int, ...] | None = None,
        detrend: bool = False,
        log: bool = False,
        direct: bool = True,
        initial: Initial | None = None,
        spectral_radius: float | None = None,
        input_scale: float | None = None,
        bias_scale: float | None = None,
        optimizer: OptimizerName | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        schedule: ScheduleName | None = None,
        window: int | None = None,
        batch: int | None = None,
        stateful: bool = False,
        forcing: ForcingName | None = None,
        forcing_strength: float | tuple[float, ...] | str | None = None,
        forcing_interval: int | None = None,
        segment_lengths: tuple[int, ...] | None = None,
        l1: float = 0.0,
        l2: float | None = None,
        weight_noise: float = 0.0,
        input_noise: float | None = None,
        washout: int | None = None,
        restarts: int | None = None,
        holdout: float | None = None,
        members: int | None = None,
        standardize: bool = True,
        dtype: Dtype = "float64",
        device: Device = "auto",
        parallel: bool | None = None,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.cell = cell
        self.layers = layers
        self.latent = latent
        self.nonlinearity = nonlinearity
        self.leak = leak
        self.delays = delays
        self.difference = difference
        self.detrend = detrend
        self.log = log
        self.direct = direct
        self.initial = initial
        self.spectral_radius = spectral_radius
        self.input_scale = input_scale
        self.bias_scale = bias_scale
        self.optimizer = optimizer
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.window = window
        self.batch = batch
        self.stateful = stateful
        self.forcing = forcing
        self.forcing_strength = forcing_strength
        self.forcing_interval = forcing_interval
        self.segment_lengths = segment_lengths
        self.l1 = l1
        self.l2 = l2
        self.weight_noise = weight_noise
        self.input_noise = input_noise
        self.washout = washout
        self.restarts = restarts
        self.holdout = holdout
        self.members = members
        self.standardize = standardize
        self.dtype = dtype
        self.device = device
        self.parallel = parallel
        self.seed = seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` has no effect, since no parameter is an estimator."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters by name.

        Raises:
            SettingError: there is no such parameter.
        """
        for name, value in parameters.items():
            if name not in self._defaults():
                raise SettingError(f"there is no parameter {name!r}; there are: {', '.join(self._defaults())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = self._defaults()
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn (1.6 and later) asks: no target beside the series, missing values allowed."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(None, TargetTags(required=False), input_tags=InputTags(allow_nan=True))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """The parameters with their defaults."""
        signature = inspect.signature(cls.__init__).parameters
        return {name: parameter.default for name, parameter in signature.items() if name != "self"}
