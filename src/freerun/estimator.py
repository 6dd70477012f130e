"""`RNN`: the estimator that users import, with scikit-learn's manners."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from freerun import evaluation, fitting, forecasting, intervals, metrics
from freerun.backtest import FOLDS, Backtest, backtest
from freerun.errors import NotFittedError, SettingError
from freerun.evaluation import Evaluation, LongTerm
from freerun.export import export
from freerun.history import History, Watcher
from freerun.model import Model
from freerun.modelfile import load_model, save_model
from freerun.panel import panel_of
from freerun.series import Series
from freerun.settings import (
    CellName,
    Device,
    Dtype,
    Ensemble,
    ForcingName,
    Initial,
    Nonlinearity,
    OptimizerName,
    ScheduleName,
    Settings,
)

if TYPE_CHECKING:
    import pandas as pd


class RNN:
    """A recurrent neural network that learns a time series and then runs free.

    Every `series` below is a `Series`, a NumPy array or list of shape (T,) or (T, D), a pandas Series or DataFrame, or
    the path of a file. Values that are NaN are missing: they do not count in training, and the network runs on its own
    output over them. External inputs (`inputs`) are known beside the series and ahead of it, and not predicted; to
    predict step t the network reads those of step t and of the steps before it that it reads values of. See
    `Series.with_inputs` for the forms they may have.

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
        epochs: most updates or iterations, shared by the stages of a forcing; None means 100 for
            `levenberg-marquardt` and 1000 otherwise.
        learning_rate: step size of the gradient methods; None means 0.01.
        schedule: how the learning rate falls to a thousandth: `constant` (not at all), `exponential` or `cosine`.
        window, batch: train gradient methods on `batch` random windows of `window` steps in each update; None means
            the whole series, and 16 windows.
        forcing: what the network reads while it trains: the data (`full`); its own output for stretches of growing
            length (`segments`); strength * data + (1 - strength) * output (`generalized`); the data at every
            `forcing_interval`-th step (`sparse`); the data by chance (`scheduled`). None means `segments` for
            `levenberg-marquardt`, else `full`.
        forcing_strength: of `generalized`, or the probability of `scheduled` forcing: one number from 0 to 1, a tuple
            to go through, or `adaptive`, from the Jacobians; None means 1, 0.5, 0.25, 0.1, 0.05.
        forcing_interval: steps from one forced step to the next; None means 10.
        segment_lengths: lengths of the free-run segments; None means 5, 20, 50, 100.
        l1, l2: factors of the penalties on the absolute and the squared weights, biases included; an `l2` of None is
            chosen for `ridge`, and means 0 otherwise.
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
        device: where to train: `auto` is a GPU if JAX finds one, `cpu`, or `gpu`, which is refused where there is none.
        seed: seed of the initial weights and all other chance; the same seed gives the same result.

    Attributes:
        model_: what `fit` found: networks, scaling, the states at the end of training.
        history_: what training of the best network went through.
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
        self.seed = seed

    def fit(
        self,
        series: Any,
        validation: Any = None,
        *,
        inputs: Any = None,
        warm_start: bool = False,
        progress: Watcher | None = None,
    ) -> Self:
        """Choose what was left open, and train on `series`; the error on `validation` is watched, no more.

        Args:
            series: the training series; or several, which are learned together: a list, a dict, or a DataFrame whose
                index has two levels, the series and the time.
            validation: another series with the same channels, read from a state of zero. Nothing is chosen by it.
            inputs: external inputs of the training series.
            warm_start: go on from the weights and the scaling of the last fit, with the parameters as they are now.
            progress: called now and then.

        Raises:
            SettingError: a parameter is out of range, without effect, or does not fit the series or the memory.
            SeriesError: a constant channel, too few steps, gaps too long, or series that do not go together.
            NotFittedError: there is nothing to go on from.
            TrainingDiverged: training ran away; the last good weights are kept and usable.
            KeyboardInterrupt: on Ctrl-C; the last good weights are kept and usable, if training had begun.
        """
        settings = Settings.checked(**self.get_params())
        held = None if validation is None else Series.of(validation)
        before = self._fitted() if warm_start else None
        fitted = fitting.fit(settings, panel_of(series, inputs), held, before, progress)
        self.model_ = fitted.model
        if fitted.failure is not None:
            raise fitted.failure
        return self

    def update(self, new: Any, *, inputs: Any = None) -> Self:
        """Read the steps that follow the training series, or what was read since, without training.

        `generate` and `forecast` go on from there. Missing values are NaN; the network runs on its own output there.

        Args:
            new: the steps that follow.
            inputs: their external inputs, and those of steps to come.

        Raises:
            SeriesError: other channels, or times that do not follow.
        """
        self.model_ = forecasting.update(self._fitted(), Series.of(new, inputs=inputs))
        return self

    def predict(self, series: Any, *, inputs: Any = None) -> Series:
        """Open loop: one-step predictions of every step of `series` but the first.

        Returns:
            T - 1 steps: row i is the prediction of step i + 1, made from steps 0 to i.
        """
        return forecasting.predict(self._fitted(), Series.of(series, inputs=inputs))

    def generate(self, steps: int, after: Any = None, ensemble: Ensemble = "best", *, inputs: Any = None) -> Series:
        """Closed loop: let the network run free for `steps` steps.

        Args:
            steps: number of values to generate.
            after: the series to continue, with its external inputs in it; None continues the training series.
            ensemble: `best` gives the run of the best network; `mean`, `median` and `trimmed` (the mean of the middle
                half) let all members run free by themselves and combine their runs step by step, which is the better
                forecast, but no run of a system.
            inputs: the external inputs of the steps to come, a row for each; None where they came with the series.

        Returns:
            The `steps` values that follow the last step of the series, with their times.
        """
        return forecasting.generate(
            self._fitted(), steps, None if after is None else Series.of(after), inputs, ensemble
        )

    def forecast(
        self, horizon: int, levels: Sequence[float] = (), after: Any = None, *, inputs: Any = None
    ) -> pd.DataFrame:
        """The next `horizon` steps as a DataFrame, with prediction intervals.

        The point forecast is the free run of the network, or the trimmed mean over those of several members.
        Intervals come from the errors of such runs on parts of the training series that were left out of the fit,
        horizon by horizon; see `freerun.intervals`.

        Args:
            horizon: steps to forecast.
            levels: of the intervals, in percent: (80, 95).
            after, inputs: see `generate`.

        Returns:
            A row for each step, with the index of the series continued; a column for each channel, and for each channel
            and level the columns `x_low_80` and `x_high_80`.

        Raises:
            SettingError: a level outside 0 to 100, or no errors to calibrate intervals by.
        """
        return intervals.forecast(
            self._fitted(), horizon, tuple(levels), None if after is None else Series.of(after), inputs
        )

    def backtest(
        self,
        series: Any,
        horizon: int,
        *,
        folds: int = FOLDS,
        stride: int | None = None,
        sliding: int | None = None,
        refit: bool = True,
        levels: Sequence[float] = (80, 95),
        baselines: bool = True,
        inputs: Any = None,
        progress: Watcher | None = None,
    ) -> Backtest:
        """How good forecasts of a series would have been: rolling-origin evaluation with these parameters.

        The last forecast ends with the series; each network has seen nothing later than the origin of its forecast.
        This estimator itself is not fitted and does not change.

        Args:
            series: the series.
            horizon: steps of each forecast.
            folds: forecasts.
            stride: steps from one origin to the next; None means the horizon.
            sliding: train on the last so many steps before an origin; None means on all of them.
            refit: fit a network at each origin, from the choice of its settings on; otherwise the network of the first
                origin reads on, without training.
            levels: of intervals, in percent, whose coverage is measured.
            baselines: last value, seasonal naive, drift and linear autoregression beside it.
            inputs: external inputs of the series.
            progress: called after each fold.

        Raises:
            SeriesError: the series is too short for so many forecasts.
        """
        settings = Settings.checked(**self.get_params())
        observed = Series.of(series, inputs=inputs)
        return backtest(settings, observed, horizon, folds, stride, sliding, refit, levels, baselines, progress)

    def sample(
        self, horizon: int, paths: int = 100, after: Any = None, *, inputs: Any = None, seed: int = 0
    ) -> np.ndarray:
        """Sample paths of the future: free runs of the best network, its one-step residuals added by chance.

        Args:
            horizon: steps of each path.
            paths: how many.
            after, inputs: see `generate`.
            seed: of the draw.

        Returns:
            Shape (paths, horizon, D).
        """
        return intervals.sample(
            self._fitted(), horizon, paths, None if after is None else Series.of(after), inputs, seed
        )

    def score(self, series: Any, *, inputs: Any = None) -> float:
        """Coefficient of determination R^2 of the one-step predictions, the washout left out; 1 is perfect."""
        model = self._fitted()
        observed = Series.of(series, inputs=inputs)
        first = model.best.washout
        predictions = forecasting.predict(model, observed).values[first:]
        truth = observed.values[1 + first :]
        error = metrics.mean_squared_error(truth, predictions)
        return 1.0 - error / metrics.mean_squared_error(truth, np.nanmean(truth, axis=0))

    def evaluate(self, series: Any, start: int, *, inputs: Any = None) -> Evaluation:
        """Score one-step predictions and free runs on the steps of `series` from `start` on."""
        return evaluation.evaluate(self._fitted(), Series.of(series, inputs=inputs), start)[0]

    def evaluate_long_term(self, series: Any, start: int) -> LongTerm:
        """Compare a long free run with the steps of `series` from `start` on, as samples of the same system."""
        model, observed = self._fitted(), Series.of(series)
        scores, _ = evaluation.evaluate(model, observed, start)
        return evaluation.evaluate_long_term(model, observed, start, scores.vpt)[0]

    def lyapunov_exponents(self, count: int = 1, steps: int = 10_000) -> tuple[float, ...]:
        """The `count` largest Lyapunov exponents of the free run, per step, descending; averaged over `steps` steps."""
        return evaluation.lyapunov_exponents(self._fitted(), None, steps, count)

    def save(self, path: str | Path) -> None:
        """Write the trained network to a model file."""
        save_model(self._fitted(), path)

    def export(self, path: str | Path, steps: int) -> None:
        """Write the free run of the best network, `steps` steps long, as a StableHLO program; see `freerun.export`."""
        export(self._fitted(), path, steps)

    @property
    def history_(self) -> History:
        """What training of the best network went through."""
        return self._fitted().best.history

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
