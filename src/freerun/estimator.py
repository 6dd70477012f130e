"""`RNN`: the estimator that users import, with scikit-learn's manners."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from freerun import forecasting, metrics
from freerun.errors import NotFittedError, SeriesError, SettingError
from freerun.forecasting import Evaluation
from freerun.model import RECENT, Model
from freerun.modelfile import load_model, save_model
from freerun.scaling import Scaling, refuse_constant
from freerun.series import Series
from freerun.settings import Dtype, Initial, Nonlinearity, OptimizerName, Settings
from freerun.training import History, Progress, require_steps, train


class RNN:
    """A recurrent neural network that learns a time series and then runs free.

    Every `series` below is a `Series`, a NumPy array or list of shape (T,) or (T, D), a pandas Series or DataFrame, or
    the path of a file. Parameters are checked by `fit`.

    Args:
        hidden: number of hidden units.
        nonlinearity: of the hidden units: `tanh`, `sigmoid`, `relu`, `softplus` or `identity`.
        direct: direct connections from input to output.
        initial: how initial weights are drawn: `tutorial`, `glorot`, `orthogonal` or `reservoir`.
        spectral_radius: of a reservoir's recurrent weights; None means 0.9.
        input_scale: largest input weight of a reservoir; None means 0.5.
        optimizer: `bfgs`; `ridge`, which solves the readout alone; or the gradient methods `sgd`, `momentum`, `adam`,
            `nadam`, `radam`, `rmsprop`.
        learning_rate: step size of the gradient methods; None means 0.01.
        epochs: most passes over the training series (updates, or iterations of BFGS); None means 1000.
        l1, l2: factors of the penalties on the absolute and the squared weights, biases included.
        washout: first steps of a series whose errors do not count, while the state forgets its start at zero.
        standardize: bring each channel to mean 0 and standard deviation 1 inside. Results keep their own units.
        dtype: `float64` or `float32`.
        seed: seed of the initial weights; the same seed gives the same result.

    Attributes:
        model_: what `fit` found: weights, scaling, the state at the end of training.
        history_: what training went through.
    """

    def __init__(
        self,
        hidden: int = 15,
        *,
        nonlinearity: Nonlinearity = "tanh",
        direct: bool = False,
        initial: Initial = "glorot",
        spectral_radius: float | None = None,
        input_scale: float | None = None,
        optimizer: OptimizerName = "bfgs",
        learning_rate: float | None = None,
        epochs: int | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        washout: int = 0,
        standardize: bool = True,
        dtype: Dtype = "float64",
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.nonlinearity = nonlinearity
        self.direct = direct
        self.initial = initial
        self.spectral_radius = spectral_radius
        self.input_scale = input_scale
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.l1 = l1
        self.l2 = l2
        self.washout = washout
        self.standardize = standardize
        self.dtype = dtype
        self.seed = seed

    def fit(
        self,
        series: Any,
        validation: Any = None,
        *,
        warm_start: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Self:
        """Train on `series`; the error on `validation` is watched, and not trained on.

        Args:
            series: the training series.
            validation: another series with the same channels, read from a state of zero.
            warm_start: go on from the weights and the scaling of the last fit, with the parameters as they are now.
            progress: called about a hundred times during training.

        Raises:
            SettingError: a parameter is out of range or without effect.
            SeriesError: missing values, a constant channel, or too few steps.
            NotFittedError: there is nothing to go on from.
            TrainingDiverged: training ran away; the last good weights are kept and usable.
            KeyboardInterrupt: on Ctrl-C; the last good weights are kept and usable.
        """
        settings = Settings.checked(**self.get_params())
        training = Series.of(series)
        require_steps("training", training, settings.washout)
        refuse_constant(training)
        held_out = None
        if validation is not None:
            held_out = Series.of(validation)
            require_steps("validation", held_out, settings.washout)
            if held_out.shape[1] != training.shape[1]:
                raise SeriesError(
                    f"the validation series has {held_out.shape[1]} channels, the training series {training.shape[1]}"
                )
        if warm_start:
            self._fitted().require_same_shape(settings, training)
            network, scaling = self._fitted().network, self._fitted().scaling
        else:
            network, scaling = None, Scaling.standard(training) if settings.standardize else Scaling.identity(training)
        trained = train(settings, training, held_out, scaling, network, progress)
        ending = forecasting.moment_after(trained.network, scaling, settings, training)
        recent = training.between(max(0, len(training) - RECENT))
        self.model_ = Model(settings, trained.network, scaling, recent, ending, trained.history)
        if trained.failure is not None:
            raise trained.failure
        return self

    def predict(self, series: Any) -> Series:
        """Open loop: one-step predictions of every step of `series` but the first.

        Returns:
            T - 1 steps: row i is the prediction of step i + 1, made from steps 0 to i.
        """
        return forecasting.predict(self._fitted(), Series.of(series))

    def generate(self, steps: int, after: Any = None) -> Series:
        """Closed loop: let the network run free for `steps` steps.

        Args:
            steps: number of values to generate.
            after: the series to continue; None continues the training series.

        Returns:
            The `steps` values that follow the last step of the series, with their times.
        """
        return forecasting.generate(self._fitted(), steps, None if after is None else Series.of(after))

    def score(self, series: Any) -> float:
        """Coefficient of determination R^2 of the one-step predictions, the washout left out; 1 is perfect."""
        model = self._fitted()
        observed = Series.of(series)
        first = model.settings.washout
        predictions = self.predict(observed).values[first:]
        truth = observed.values[1 + first :]
        error = metrics.mean_squared_error(truth, predictions)
        return 1.0 - error / metrics.mean_squared_error(truth, truth.mean(axis=0))

    def evaluate(self, series: Any, start: int) -> Evaluation:
        """Score one-step predictions and free runs on the steps of `series` from `start` on."""
        return forecasting.evaluate(self._fitted(), Series.of(series), start)[0]

    def save(self, path: str | Path) -> None:
        """Write the trained network to a model file."""
        save_model(self._fitted(), path)

    @property
    def history_(self) -> History:
        """What training went through."""
        return self._fitted().history

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` has no effect, since no parameter is an estimator."""
        return {name: getattr(self, name) for name in _parameters()}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters by name.

        Raises:
            SettingError: there is no such parameter.
        """
        for name, value in parameters.items():
            if name not in _parameters():
                raise SettingError(f"there is no parameter {name!r}; there are: {', '.join(_parameters())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = _parameters()
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name]}
        return f"RNN({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError("this RNN is not trained yet; call fit(series) first")
        return self.model_


def load(path: str | Path) -> RNN:
    """Read a trained network from a model file.

    Raises:
        ModelFileError: no such file, truncated, of a newer version, or not a model file.
    """
    model = load_model(path)
    rnn = RNN(**model.settings.model_dump())
    rnn.model_ = model
    return rnn


def _parameters() -> dict[str, Any]:
    """The parameters of `RNN` with their defaults."""
    signature = inspect.signature(RNN.__init__).parameters
    return {name: parameter.default for name, parameter in signature.items() if name != "self"}
