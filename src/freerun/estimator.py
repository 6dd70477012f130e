"""`RNN`: the estimator that users import, with the interface of scikit-learn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np

from freerun import fitting, metrics
from freerun.arguments import one_of, percentages, share, steps_or_times, whole_number
from freerun.backtest import FOLDS, Backtest, backtest
from freerun.crossfit import find_anomalies
from freerun.data.scaling import refuse_constant
from freerun.data.series import Series, SeriesLike
from freerun.errors import NotFittedError, SettingError
from freerun.extras import require
from freerun.forecasting import evaluation, intervals, learning, runs, scanning
from freerun.forecasting.anomalies import RATE, Anomalies, alarm_rate
from freerun.forecasting.evaluation import Evaluation, LongTerm
from freerun.forecasting.model import Model
from freerun.forecasting.modelfile import load_model, save_model
from freerun.known import KnownModel
from freerun.parameters import Parameters
from freerun.selection.policies import Policy
from freerun.settings import Ensemble, OnnxProgram, Settings, Value
from freerun.training.checkpoint import EVERY
from freerun.training.history import History, ProgressCallback

if TYPE_CHECKING:
    import pandas as pd


class RNN(Parameters):
    """A recurrent neural network that learns a time series and generates its continuation.

    A `series` argument is a `Series`, an array or list of shape (T,) or (T, D), a DataFrame or
    Series of pandas, polars, Arrow or xarray, or the path of a file. T is the number of steps, D
    the number of channels. Named channels are matched by name, in any order.

    NaN is a missing value. It does not count in training,
    and the network reads its own prediction in its place.

    External inputs (`inputs`) are series that are known in advance and not predicted. To predict
    step t, the network reads the inputs of step t, and those of the earlier steps in its window.
    See `Series.with_inputs` for the forms that they may have.

    `__init__` and `freerun fit --help` describe the parameters.

    Attributes:
        model_: the trained networks, with their scaling and their
            states at the end of the training series.
        history_: training history of the best network.
    """

    _done_with: Path | None = None
    """The checkpoint of the last fit, which `save` removes;
    None if that fit was interrupted or had none."""

    def fit(
        self,
        series: SeriesLike,
        validation: SeriesLike = None,
        *,
        inputs: SeriesLike = None,
        warm_start: bool = False,
        progress: ProgressCallback | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = EVERY,
        policy: Policy | None = None,
    ) -> Self:
        """Train on a series. Parameters that are None are chosen first.

        Args:
            series: the training series. If no parameter of the network is set, one series of 3
                steps or more is forecast by exponential smoothers (see
                `freerun.network.smoothing`), unless other networks forecast held-out parts of it
                better beyond chance. Several series are learned together: a list, a dict (see
                `Series.panel`), or a DataFrame whose index has the levels series and time. A
                `StoredSeries`, or the path of a large npy or Parquet file, is read in parts.
                Parameters are then chosen, and errors measured, on its last 100000 steps.
            validation: a series with the same channels, on which the one-step error is monitored.
                It has no influence on the result. The network begins it in the zero state.
            inputs: external inputs of the training series.
            warm_start: continue from the weights and the scaling of the last fit,
                with the current parameters.
            progress: called as the fit proceeds.
            checkpoint: a file that stores the state of the fit. If it exists and belongs to the
                same fit, the fit continues from it, and gives the same bits as without
                interruption. `save` removes the file.
            checkpoint_every: minimum time between two checkpoints, in seconds.
            policy: what is tried for the parameters that are None, instead of what `select` names;
                see `freerun.selection.policies.Policy`.

        Returns:
            The estimator itself.

        Raises:
            SettingError: a parameter is out of range, has no effect, or does not fit the series.
            MachineError: this machine has no GPU, or too little memory.
                The checkpoint stays as it was.
            MissingExtraError: all weights are to be trained, and JAX is not installed.
            SeriesError: a channel is constant, there are too few steps, gaps are too long,
                or series do not match.
            NotFittedError: `warm_start`, and there was no fit before.
            CheckpointError: the checkpoint is damaged, or belongs to another fit.
            OutputError: the checkpoint cannot be written.
            TrainingDiverged: training diverged. The last finite weights are kept.
            KeyboardInterrupt: Ctrl-C was pressed. If training had begun,
                the last finite weights are kept.
        """
        fitted = fitting.fit(
            Settings.checked(**self.get_params()),
            series,
            inputs=inputs,
            validation=validation,
            before=self._fitted() if warm_start else None,
            progress=progress,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            checkpoint_every=checkpoint_every,
            policy=policy,
        )
        self.model_ = fitted.model
        finished = not isinstance(fitted.failure, KeyboardInterrupt)
        self._done_with = Path(checkpoint) if checkpoint is not None and finished else None
        if fitted.failure is not None:
            raise fitted.failure
        return self

    def update(
        self, new: SeriesLike, *, inputs: SeriesLike = None, learn: bool = False, forgetting: float = 1.0
    ) -> Self:
        """Read further steps of the training series. Forecasts then continue after these steps.

        Without `learn`, the weights stay as they are. With it, the readouts are those of a fit to
        all steps so far, by recursive least squares (see `freerun.forecasting.learning`). Scaling,
        penalty and all other weights stay. Intervals follow the one-step errors on the new steps.

        Args:
            new: the steps that follow those read before.
                They may be preceded by steps that were read already.
            inputs: external inputs of these steps, and of future steps if they are known.
            learn: whether the readouts learn from these steps.
                The network must be fitted with `online=True`.
            forgetting: factor by which the weight of a step falls with each step that follows,
                above 0 up to 1. About 1 / (1 - forgetting) steps are remembered.

        Returns:
            The estimator itself.

        Raises:
            NotFittedError: the network is not trained.
            SeriesError: channels differ, or times do not follow.
            SettingError: the network was trained on several series, or cannot learn from further
                steps, or `forgetting` is out of range or has no effect.
        """
        forgetting = share("forgetting", forgetting)
        if not learn and forgetting != 1.0:
            raise SettingError("forgetting has no effect without learn=True; leave it out, or learn")
        model, further = self._fitted(), Series.of(new, inputs=inputs)
        self.model_ = learning.learn(model, further, forgetting) if learn else runs.update(model, further)
        return self

    def transfer(self, series: SeriesLike, *, inputs: SeriesLike = None, grid: tuple[int, int] | None = None) -> RNN:
        """Put the network of a field on a field of another size, without training;
        see `neighbours`.

        Args:
            series: steps of the other field, longer than the washout, which the network reads.
            inputs: external inputs of these steps, and of future steps if they are known.
            grid: rows and columns of the other field; None for a ring.

        Returns:
            An estimator for the other field, whose free runs continue that series.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: it is not that of a field, or a
                neighbourhood is wider than the other field.
            SeriesError: the series is too short, or has other external inputs.
        """
        other = RNN(**{**self.get_params(), "grid": grid})
        other.model_ = runs.transferred(self._fitted(), Series.of(series, inputs=inputs), grid)
        return other

    def predict(self, series: SeriesLike, *, inputs: SeriesLike = None) -> Series:
        """Predict each step of a series from the steps before it (open loop).

        The network begins in the zero state. The first predictions, up to the washout,
        are less accurate.

        Args:
            series: the series, T steps.
            inputs: external inputs of the series.

        Returns:
            T - 1 steps with their times. Row i is the prediction of step i + 1 from steps 0 to i.

        Raises:
            NotFittedError: the network is not trained.
            SeriesError: channels differ from those of training,
                or the series is not longer than the washout.
        """
        return runs.predict(self._fitted(), Series.of(series, inputs=inputs))

    def smooth(self, series: SeriesLike, deviation: bool = False, *, inputs: SeriesLike = None) -> Series:
        """Estimate the states behind noisy measurements from all of them, by the best network.

        The network must have been fitted with `measurement_noise`. Missing measurements are
        bridged. With the network F, measurements y, the variance r of their noise and the variance
        q of errors of the network, which the fit estimates, the states x minimize

            sum over t of (y_t - x_t)^2 / r + sum over t of (x_{t+1} - F(x_t, x_{t-1}, ...))^2 / q,

        the cost of weak-constraint 4D-Var (Tremolet, 2006).
        For a linear network this is the smoother of Rauch, Tung and Striebel (1965).

        Args:
            series: the measurements, T steps.
            deviation: also return the standard deviation of each state, in channels named
                `x_deviation`. It is that of a linearized network with the variances of the fit.
            inputs: external inputs of the series.

        Returns:
            T steps with the times of the measurements.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: the network was fitted without noise in measurements.
            SeriesError: channels differ from those of training, or the series is too short.
        """
        return runs.smooth(self._fitted(), Series.of(series, inputs=inputs), deviation)

    def generate(
        self,
        steps: int | None = None,
        after: SeriesLike = None,
        ensemble: Ensemble = "best",
        *,
        inputs: SeriesLike = None,
        times: object = None,
    ) -> Series:
        """Generate the continuation of a series: the network reads its own output (closed loop).

        Args:
            steps: number of steps to generate. After irregular
                times they are as long as the median step.
            after: the series to continue, with its external inputs;
                None continues the training series.
            ensemble: `best` is the run of the best network. `mean`, `median` and `trimmed` (the
                mean of the middle half) combine the runs of all members step by step. The
                combination is the better forecast, but it is not a trajectory of one network.
            inputs: external inputs of the generated steps, one row per step;
                None if the series holds them.
            times: after irregular times, the times to generate values for, in place of `steps`.

        Returns:
            The values that follow the series, with their times. Runs of 100000 steps
            and more are compiled. They equal shorter runs up to rounding, so that runs
            of a chaotic system differ after some time.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: an ensemble of one network, or no
                series to continue after training on several.
            SeriesError: the run diverged, `after` does not fit,
                or external inputs end before the run.
        """
        steps = steps_or_times("steps", steps, times)
        one_of("ensemble", ensemble, tuple(runs.COMBINED))
        before = None if after is None else Series.of(after)
        return runs.generate(self._fitted(), steps, before, inputs, ensemble, times)

    def forecast(
        self,
        horizon: int | None = None,
        levels: float | Sequence[float] = (),
        after: SeriesLike = None,
        *,
        inputs: SeriesLike = None,
        times: object = None,
    ) -> pd.DataFrame:
        """Forecast the next steps, with prediction intervals.

        The point forecast is the free run of the network; of several members,
        it is the trimmed mean of their runs.

        Intervals are calibrated by the errors of such runs on parts of the training series that
        were left out of the fit. The bounds at each horizon are quantiles of these errors
        (split conformal prediction). If too few errors are independent, as on short series,
        they are quantiles of a scaled Student's t distribution. Intervals are 10 % wider if
        settings were chosen on the same parts. Intervals of exponential smoothers follow a
        power law of the horizon, which is fitted to errors inside the training series. Coverage
        is not guaranteed; `backtest` measures it.

        Args:
            horizon: number of steps to forecast. After irregular
                times they are as long as the median step.
            levels: levels of the intervals, in percent, for example 80 or (80, 95).
            after: the series to continue, with its external inputs;
                None continues the training series.
            inputs: external inputs of the steps to forecast, one row per step;
                None if the series holds them.
            times: after irregular times, the times to forecast, in place of `horizon`.

        Returns:
            One row per step, indexed by the times that follow the series. There is a column for
            each channel `x`, and for each level, the columns `x_low_80` and `x_high_80`.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: a level is not between 0 and 100,
                or there are no errors to calibrate intervals by.
            SeriesError: the run diverged, `after` does not fit,
                or external inputs end before the forecast.
        """
        return intervals.forecast(
            self._fitted(),
            steps_or_times("horizon", horizon, times),
            percentages("levels", levels),
            None if after is None else Series.of(after),
            inputs,
            times,
        ).to_frame()

    def backtest(
        self,
        series: SeriesLike,
        horizon: int,
        *,
        folds: int = FOLDS,
        stride: int | None = None,
        sliding: int | None = None,
        refit: bool = True,
        levels: float | Sequence[float] = (80, 95),
        baselines: bool = True,
        inputs: SeriesLike = None,
        progress: ProgressCallback | None = None,
    ) -> Backtest:
        """Evaluate forecasts from several origins in a series (rolling-origin evaluation).

        Each forecast uses data before its origin alone. The last forecast ends with the series. The
        estimator is not fitted and does not change; its parameters are used.

        Args:
            series: the series.
            horizon: number of steps of each forecast.
            folds: number of forecasts.
            stride: number of steps from one origin to the next; None is the horizon.
            sliding: number of last steps before an origin to train on; None trains on all of them.
            refit: choose settings and train anew at each origin. If false,
                the network of the first origin reads further steps without training.
            levels: levels of the intervals whose coverage is measured, in percent.
            baselines: also evaluate last value, seasonal naive, drift and linear autoregression.
            inputs: external inputs of the series.
            progress: called after each fold.

        Returns:
            The forecasts, the true values and the scores.

        Raises:
            SeriesError: the series is too short for these forecasts.
            SettingError: a parameter is out of range.
        """
        settings = Settings.checked(**self.get_params())
        levels = percentages("levels", levels)
        observed = Series.of(series, inputs=inputs)
        return backtest(settings, observed, horizon, folds, stride, sliding, refit, levels, baselines, progress)

    def anomalies(
        self,
        series: SeriesLike,
        *,
        false_alarms: float | str = RATE,
        start: int = 0,
        crossfit: bool = False,
        inputs: SeriesLike = None,
        progress: ProgressCallback | None = None,
    ) -> Anomalies:
        """Find readings of a series that the network did not expect,
        and the intervals of time in which they lie.

        The p-value of a reading says how rarely errors as large occurred on parts of the training
        series that were left out of the fit. It combines the errors of forecasts 1, 5 and 15 steps
        ahead and of all channels. Readings with small p-values are flagged, and the network does
        not read them. See `freerun.forecasting.scanning`.

        A series whose first step follows the steps that the network has read is
        compared from that step on. Otherwise the network begins in the zero state, and
        steps of the washout are not compared. In steps that it has learned from,
        anomalies may be missed; a `SeriesWarning` says so.

        Args:
            series: the series.
            false_alarms: the share of normal steps that are flagged, between 0 and 1; or a number
                of false alarms in a span of time, such as `1/D`, `2/7D` (any pandas duration) or,
                for times that are numbers, `1/1000`.
            start: first step that is compared. The network reads the steps before it as they are.
            crossfit: fit to each half of the series, and compare the other half with
                it. This needs no trained network; the estimator is not fitted and does
                not change, and its parameters are used.
            inputs: external inputs of the series.
            progress: called as fits and comparisons proceed.

        Returns:
            The p-values of all steps, and the intervals.

        Raises:
            NotFittedError: the network is not trained, and `crossfit` is false.
            SettingError: an argument is out of range, or there are no errors to calibrate p-values
                by.
            SeriesError: channels differ, the series is not longer than the washout,
                or a half of it cannot be learned.
        """
        observed, start = Series.of(series, inputs=inputs), whole_number("start", start, 0)
        rate = alarm_rate(false_alarms, observed)
        if crossfit:
            if start:
                raise SettingError("start has no effect with crossfit=True, which compares all steps; leave one out")
            return find_anomalies(Settings.checked(**self.get_params()), observed, rate, progress)
        return scanning.anomalies(self._fitted(), observed, rate, start, progress)

    def sample(
        self, horizon: int, paths: int = 100, after: SeriesLike = None, *, inputs: SeriesLike = None, seed: int = 0
    ) -> np.ndarray:
        """Draw sample paths: free runs of the best network,
        to whose output random one-step residuals are added.

        The residuals are drawn with replacement from those of the
        last training steps (a residual bootstrap).

        Args:
            horizon: number of steps of each path.
            paths: number of paths.
            after: the series to continue, with its external inputs;
                None continues the training series.
            inputs: external inputs of the steps to come, one row per step;
                None if the series holds them.
            seed: seed of the draw.

        Returns:
            Shape (paths, horizon, D), in the units of the series.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: an argument is out of range.
            SeriesError: `after` does not fit, or external inputs end before the paths.
        """
        return intervals.sample(
            self._fitted(),
            whole_number("horizon", horizon),
            whole_number("paths", paths),
            None if after is None else Series.of(after),
            inputs,
            whole_number("seed", seed, 0, 2**63),
        )

    def score(self, series: SeriesLike, *, inputs: SeriesLike = None) -> float:
        """Compute R^2 of the one-step predictions: 1 - (mean squared error) / (variance of the true
        values).

        Squared errors and variances are averaged over channels first. The washout does not count.

        Args:
            series: the series to predict.
            inputs: external inputs of the series.

        Returns:
            The coefficient of determination, at most 1. Predicting the mean gives 0.

        Raises:
            NotFittedError: the network is not trained.
            SeriesError: channels differ, a channel is constant,
                or the series is not longer than the washout.
        """
        model = self._fitted()
        observed = Series.of(series, inputs=inputs)
        observed = model.matched(observed)
        first = model.best.washout
        runs.require_washout(model.best, observed)
        refuse_constant(observed.between(1 + first))
        predictions = runs.predict(model, observed).values[first:]
        truth = observed.values[1 + first :]
        error = metrics.mean_squared_error(truth, predictions)
        mean = np.broadcast_to(np.nanmean(truth, axis=0), truth.shape)
        return 1.0 - error / metrics.mean_squared_error(truth, mean)

    def evaluate(self, series: SeriesLike, start: int, *, inputs: SeriesLike = None) -> Evaluation:
        """Score one-step predictions and free runs on a part of a series.

        Args:
            series: the series. The network reads its steps before `start`.
            start: first step that is scored, at least max(2, washout + 1).
            inputs: external inputs of the series.

        Returns:
            The scores; see `freerun.forecasting.evaluation.Evaluation`.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: `start` is not a positive whole number.
            SeriesError: channels differ, or `start` does not fit the series or the washout.
        """
        return evaluation.evaluate(self._fitted(), Series.of(series, inputs=inputs), whole_number("start", start))[0]

    def evaluate_long_term(self, series: SeriesLike, start: int) -> LongTerm:
        """Compare the statistics of a long free run with those of a series.

        Args:
            series: the series, without missing values. The network reads its steps before `start`.
            start: first step of the part that is compared with the run.

        Returns:
            The scores; see `freerun.forecasting.evaluation.LongTerm`.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: `start` is not a positive whole number,
                or the network has external inputs.
            SeriesError: values are missing, channels differ,
                or `start` does not fit the series or the washout.
        """
        model = self._fitted()
        observed = model.matched(Series.of(series))
        scores, _ = evaluation.evaluate(model, observed, whole_number("start", start))
        return evaluation.evaluate_long_term(model, observed, start, scores.vpt)[0]

    def error_growth(self, series: SeriesLike, start: int, horizon: int) -> np.ndarray:
        """Compute the errors of up to 50 free runs, one of which starts at
        `start` and at every 20th step after it.

        Args:
            series: the series.
            start: first step of the first run.
            horizon: number of steps of each run.

        Returns:
            Root mean square over channels, in standard deviations of the series, shape (N, horizon)
            for N runs. `freerun.plots.error_growth` plots it.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: an argument is not a positive whole number.
            SeriesError: no run of that length fits in the series.
        """
        start, horizon = whole_number("start", start), whole_number("horizon", horizon)
        return evaluation.error_growth(self._fitted(), Series.of(series), start, horizon)

    def lyapunov_exponents(self, count: int = 1, steps: int = 10_000) -> tuple[float, ...]:
        """Compute the largest Lyapunov exponents of the free run of the best network;
        see `freerun.dynamics`.

        Args:
            count: number of exponents.
            steps: number of steps over which they are averaged.

        Returns:
            Exponents per step, descending.

        Raises:
            NotFittedError: the network is not trained.
            SettingError: an argument is out of range, or the network has external inputs.
        """
        count, steps = whole_number("count", count), whole_number("steps", steps)
        return evaluation.lyapunov_exponents(self._fitted(), None, steps, count)

    def save(self, path: str | Path) -> None:
        """Write the trained networks to a model file, and remove the checkpoint of their fit.

        Args:
            path: path of the file, which is replaced if it exists.

        Raises:
            NotFittedError: the network is not trained.
            OutputError: the file cannot be written.
        """
        save_model(self._fitted(), path)
        if self._done_with is not None:
            self._done_with.unlink(missing_ok=True)
            self._done_with = None

    def export(self, path: str | Path, steps: int) -> None:
        """Write the free run of the best network as a StableHLO program;
        see `freerun.forecasting.export`.

        Args:
            path: path of the file, which is replaced if it exists.
            steps: number of steps that the program generates.

        Raises:
            NotFittedError: the network is not trained.
            MissingExtraError: JAX is not installed.
            SettingError: the network was trained with `detrend=True`,
                or `steps` is not a positive whole number.
            OutputError: the file cannot be written.
        """
        require("train", "a StableHLO program")
        from freerun.forecasting.export import export

        export(self._fitted(), path, whole_number("steps", steps))

    def export_onnx(
        self,
        path: str | Path,
        program: OnnxProgram = "run",
        ensemble: Ensemble = "best",
        *,
        after: SeriesLike = None,
    ) -> None:
        """Write the networks as an ONNX file, which runs without freerun; see docs/onnx.md.

        All inputs and outputs are in the units of the series, in double precision. The file also
        holds the state at the end of the series, names, times and the version of freerun.

        Args:
            path: path of the file, which is replaced if it exists.
            program: `run` reads any number of values and then runs free for any
                number of steps. `step` predicts one step from a state and a value,
                without loops, for importers that know none.
            ensemble: `best` is the best network. `mean`, `median` and `trimmed` (the mean of the
                middle half) combine the predictions of all members step by step.
            after: the series that is continued, with its external inputs;
                None continues the training series.

        Raises:
            NotFittedError: the network is not trained.
            MissingExtraError: the package onnx is not installed.
            SettingError: a part of the network cannot be exported; an ensemble of one network; or
                no series to continue after training on several.
            SeriesError: `after` does not fit.
            OutputError: the file cannot be written.
        """
        one_of("program", program, get_args(OnnxProgram))
        one_of("ensemble", ensemble, tuple(runs.COMBINED))
        model, base = self._fitted(), None if after is None else Series.of(after)
        require("onnx", "an ONNX file")
        from freerun.forecasting.onnx_export import export_onnx

        export_onnx(model, path, program, ensemble, base)

    def get_params(self, deep: bool = True) -> dict[str, Value]:
        """Return the parameters by name. `deep` has no effect,
        since no parameter is an estimator."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **parameters: Value) -> Self:
        """Change parameters by name. They take effect with the next `fit`.

        Returns:
            The estimator itself.

        Raises:
            SettingError: there is no such parameter.
        """
        for name, value in parameters.items():
            if name not in self._defaults():
                raise SettingError(f"there is no parameter {name!r}; there are: {', '.join(self._defaults())}")
            setattr(self, name, value)
        return self

    @property
    def history_(self) -> History:
        """Training history of the best network.

        Raises:
            NotFittedError: the network is not trained.
        """
        return self._fitted().best.history

    def __repr__(self) -> str:
        defaults = self._defaults()
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def __sklearn_tags__(self) -> Any:
        """The tags of scikit-learn (1.6 and later): no target is required,
        and missing values are allowed."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(None, TargetTags(required=False), input_tags=InputTags(allow_nan=True))

    @classmethod
    def _defaults(cls) -> dict[str, Value]:
        """The default of each parameter, by name."""
        signature = inspect.signature(cls.__init__).parameters
        return {name: parameter.default for name, parameter in signature.items() if name != "self"}

    def _fitted(self) -> Model:
        """Return the trained model.

        Raises:
            NotFittedError: the network is not trained.
        """
        if not hasattr(self, "model_"):
            raise NotFittedError("this RNN is not trained yet; call fit(series) first")
        return self.model_


def load(path: str | Path, *, model: Callable[..., object] | None = None) -> RNN:
    """Read an estimator from a model file that `RNN.save` wrote.

    Args:
        path: path of the file.
        model: the known model, if the estimator was fitted with one: `RNN(model=...)`.
            The file has its name alone.

    Returns:
        The trained estimator, with the parameters that it was fitted with.

    Raises:
        ModelFileError: the file does not exist, is damaged, is of a newer version,
            or is not a model file.
        SettingError: the estimator was fitted with a known model and none is given, or the reverse.
    """
    found = load_model(path, None if model is None else KnownModel.of(model))
    needed = found.settings.model
    if needed is not None and needed.function is None:
        raise SettingError(
            f"{path}: the network corrects a known model, {needed.name!r}, which the file does not hold; give the "
            f"function: freerun.load({str(path)!r}, model=function), or --model package.module:function"
        )
    rnn = RNN(**found.settings.model_dump()).set_params(model=model)
    rnn.model_ = found
    return rnn
