"""`RNN`: the estimator that users import, with scikit-learn's manners."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from freerun import evaluation, fitting, forecasting, intervals, metrics
from freerun.arguments import one_of, percentages, whole_number
from freerun.backtest import FOLDS, Backtest, backtest
from freerun.checkpoint import EVERY
from freerun.data.panel import panel_of
from freerun.data.scaling import refuse_constant
from freerun.data.series import Series
from freerun.data.stored import StoredSeries
from freerun.errors import NotFittedError, SettingError
from freerun.evaluation import Evaluation, LongTerm
from freerun.history import History, Watcher
from freerun.model import Model
from freerun.modelfile import load_model, save_model
from freerun.parameters import Parameters
from freerun.selection.policies import Policy
from freerun.settings import Ensemble, Settings

if TYPE_CHECKING:
    import pandas as pd


class RNN(Parameters):
    """A recurrent neural network that learns a time series and then runs free.

    Every `series` below is a `Series`, an array or list of shape (T,) or (T, D), a DataFrame or Series of pandas,
    polars, Arrow or xarray, or the path of a file. Values that are NaN are missing: they do not count in training, and
    the network runs on its own output over them. Channels with names are matched by them, in whatever order they come.
    External inputs (`inputs`) are known beside the series and ahead of it, and not predicted; to predict step t the
    network reads those of step t and of the steps before it that it reads values of. See `Series.with_inputs` for the
    forms they may have.

    `__init__` describes the parameters, as `freerun fit --help` does.

    Attributes:
        model_: what `fit` found: networks, scaling, the states at the end of training.
        history_: what training of the best network went through.
    """

    _done_with: Path | None = None
    """The checkpoint of the last fit, if that fit has ended."""

    def fit(
        self,
        series: Any,
        validation: Any = None,
        *,
        inputs: Any = None,
        warm_start: bool = False,
        progress: Watcher | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = EVERY,
        policy: Policy | None = None,
    ) -> Self:
        """Choose what was left open, and train on `series`; the error on `validation` is watched, no more.

        Args:
            series: the training series; one of 3 to 19 steps gets a simple forecast (see `freerun.simple`), if nothing
                is said of the network. Or several, which are learned together: a list, a dict (see `Series.panel`), or
                a DataFrame whose index has two levels, the series and the time. Or a `StoredSeries`, as which a large
                npy or Parquet file is taken: what is left open is then chosen, and the error measured, on its last
                100000 steps.
            validation: another series with the same channels, read from a state of zero. Nothing is chosen by it.
            inputs: external inputs of the training series.
            warm_start: go on from the weights and the scaling of the last fit, with the parameters as they are now.
            progress: called now and then.
            checkpoint: a file in which the fit notes how far it has come. If it is there, of the same fit, the fit goes
                on from it, to the same bits as if it had never stopped. `save` removes it.
            checkpoint_every: seconds between two notes at least.
            policy: what is tried for the parameters left open, in place of what `select` says; see
                `freerun.selection.policies.Policy`.

        Raises:
            SettingError: a parameter is out of range, without effect, or does not fit the series.
            MachineError: this machine has no GPU, or too little memory; the checkpoint stays as it was.
            SeriesError: a constant channel, too few steps, gaps too long, or series that do not go together.
            NotFittedError: there is nothing to go on from.
            CheckpointError: the checkpoint is damaged, or of another fit.
            OutputError: no checkpoint can be written there.
            TrainingDiverged: training ran away; the last good weights are kept and usable.
            KeyboardInterrupt: on Ctrl-C; the last good weights are kept and usable, if training had begun.
        """
        settings = Settings.checked(**self.get_params())
        held = None if validation is None else Series.of(validation)
        before = self._fitted() if warm_start else None
        stored, noted = _stored(series, inputs), None
        panel = panel_of(series, inputs) if stored is None else (stored.ending(),)
        if checkpoint is not None:
            noted = fitting.checkpoint_at(Path(checkpoint), checkpoint_every, settings, panel, held, before, stored)
        fitted = fitting.fit(settings, panel, held, before, progress, checkpoint=noted, stored=stored, policy=policy)
        self.model_ = fitted.model
        finished = not isinstance(fitted.failure, KeyboardInterrupt)
        self._done_with = Path(checkpoint) if checkpoint is not None and finished else None
        if fitted.failure is not None:
            raise fitted.failure
        return self

    def update(self, new: Any, *, inputs: Any = None) -> Self:
        """Read the steps that follow the training series, or what was read since, without training.

        `generate` and `forecast` go on from there. Missing values are NaN; the network runs on its own output there.

        Args:
            new: the steps that follow, or all of a series that has grown by them.
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
            The `steps` values that follow the last step of the series, with their times. From 100000 steps on the run
            is compiled, and equal to a shorter one to rounding, from which the runs of a chaotic system part.
        """
        steps = whole_number("steps", steps)
        one_of("ensemble", ensemble, tuple(forecasting.COMBINED))
        return forecasting.generate(
            self._fitted(), steps, None if after is None else Series.of(after), inputs, ensemble
        )

    def forecast(
        self, horizon: int, levels: float | Sequence[float] = (), after: Any = None, *, inputs: Any = None
    ) -> pd.DataFrame:
        """The next `horizon` steps as a DataFrame, with prediction intervals.

        The point forecast is the free run of the network, or the trimmed mean over those of several members.
        Intervals come from the errors of such runs on parts of the training series that were left out of the fit, step
        by step of the horizon: quantiles of these errors (split conformal prediction), or of Student's t distribution
        with their spread where too few are independent, as on short series. Where settings were chosen by the same
        parts, intervals are 10 % wider. That they cover the truth as often as they say is measured, not guaranteed.

        Args:
            horizon: steps to forecast.
            levels: of the intervals, in percent: 80, or several: (80, 95).
            after: see `generate`.
            inputs: see `generate`.

        Returns:
            A row for each step, with the index of the series continued; a column for each channel, and for each channel
            and level the columns `x_low_80` and `x_high_80`.

        Raises:
            SettingError: a level outside 0 to 100, or no errors to calibrate intervals by.
        """
        return intervals.forecast(
            self._fitted(),
            whole_number("horizon", horizon),
            percentages("levels", levels),
            None if after is None else Series.of(after),
            inputs,
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
        levels: float | Sequence[float] = (80, 95),
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
        levels = percentages("levels", levels)
        observed = Series.of(series, inputs=inputs)
        return backtest(settings, observed, horizon, folds, stride, sliding, refit, levels, baselines, progress)

    def sample(
        self, horizon: int, paths: int = 100, after: Any = None, *, inputs: Any = None, seed: int = 0
    ) -> np.ndarray:
        """Sample paths of the future: free runs of the best network, its one-step residuals added by chance.

        Args:
            horizon: steps of each path.
            paths: how many.
            after: see `generate`.
            inputs: see `generate`.
            seed: of the draw.

        Returns:
            Shape (paths, horizon, D).
        """
        return intervals.sample(
            self._fitted(),
            whole_number("horizon", horizon),
            whole_number("paths", paths),
            None if after is None else Series.of(after),
            inputs,
            whole_number("seed", seed, 0, 2**63),
        )

    def score(self, series: Any, *, inputs: Any = None) -> float:
        """Coefficient of determination R^2 of the one-step predictions, the washout left out; 1 is perfect."""
        model = self._fitted()
        observed = Series.of(series, inputs=inputs)
        observed = model.matched(observed)
        first = model.best.washout
        forecasting.require_washout(model.best, observed)
        refuse_constant(observed.between(1 + first))
        predictions = forecasting.predict(model, observed).values[first:]
        truth = observed.values[1 + first :]
        error = metrics.mean_squared_error(truth, predictions)
        mean = np.broadcast_to(np.nanmean(truth, axis=0), truth.shape)
        return 1.0 - error / metrics.mean_squared_error(truth, mean)

    def evaluate(self, series: Any, start: int, *, inputs: Any = None) -> Evaluation:
        """Score one-step predictions and free runs on the steps of `series` from `start` on."""
        return evaluation.evaluate(self._fitted(), Series.of(series, inputs=inputs), whole_number("start", start))[0]

    def evaluate_long_term(self, series: Any, start: int) -> LongTerm:
        """Compare a long free run with the steps of `series` from `start` on, as samples of the same system."""
        model = self._fitted()
        observed = model.matched(Series.of(series))
        scores, _ = evaluation.evaluate(model, observed, whole_number("start", start))
        return evaluation.evaluate_long_term(model, observed, start, scores.vpt)[0]

    def error_growth(self, series: Any, start: int, horizon: int) -> np.ndarray:
        """How errors grow in free runs: those of up to 50 runs, let loose at step `start` and every 20 steps after it.

        Returns:
            Shape (N, horizon), in standard deviations of the series; `freerun.plots.error_growth` draws it.

        Raises:
            SeriesError: not even one run of that length fits.
        """
        start, horizon = whole_number("start", start), whole_number("horizon", horizon)
        return evaluation.error_growth(self._fitted(), Series.of(series), start, horizon)

    def lyapunov_exponents(self, count: int = 1, steps: int = 10_000) -> tuple[float, ...]:
        """The `count` largest Lyapunov exponents of the free run, per step, descending; averaged over `steps` steps."""
        count, steps = whole_number("count", count), whole_number("steps", steps)
        return evaluation.lyapunov_exponents(self._fitted(), None, steps, count)

    def save(self, path: str | Path) -> None:
        """Write the trained network to a model file; the checkpoint of its fit is then needed no more.

        Raises:
            OutputError: the file cannot be written.
        """
        save_model(self._fitted(), path)
        if self._done_with is not None:
            self._done_with.unlink(missing_ok=True)
            self._done_with = None

    def export(self, path: str | Path, steps: int) -> None:
        """Write the free run of the best network, `steps` steps long, as a StableHLO program; see `freerun.export`."""
        from freerun.export import export

        export(self._fitted(), path, whole_number("steps", steps))

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

    @property
    def history_(self) -> History:
        """What training of the best network went through."""
        return self._fitted().best.history

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

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError("this RNN is not trained yet; call fit(series) first")
        return self.model_


def _stored(series: Any, inputs: Any) -> StoredSeries | None:
    """A training series that is not read whole.

    Raises:
        SettingError: it has external inputs, which have to be read whole.
    """
    stored = StoredSeries.if_large(series) if isinstance(series, str | Path) else series
    if not isinstance(stored, StoredSeries):
        return None
    if inputs is not None:
        raise SettingError(
            f"{stored.path} is read a part at a time, and external inputs have to be read whole; leave inputs out, or "
            "give a part of the series: StoredSeries(path).between(first, last)"
        )
    return stored


def load(path: str | Path) -> RNN:
    """Read a trained network from a model file.

    Raises:
        ModelFileError: no such file, truncated, of a newer version, or not a model file.
    """
    model = load_model(path)
    rnn = RNN(**model.settings.model_dump())
    rnn.model_ = model
    return rnn
