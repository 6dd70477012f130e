"""`RNNForecaster`: freerun as an sktime forecaster, for its pipelines,
tuning and evaluation (extra `sktime`)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from freerun.data.series import Series
from freerun.errors import SeriesError
from freerun.estimator import RNN
from freerun.extras import require
from freerun.forecasting import intervals
from freerun.forecasting.intervals import around, half_widths_of

require("sktime", "RNNForecaster")
from sktime.forecasting.base import BaseForecaster  # noqa: E402 - after the check that it is there


class RNNForecaster(BaseForecaster):
    """A recurrent network that forecasts a series by free runs.

    In sample, step t is predicted from the steps before it (open loop). The first step has none
    before it, and is predicted by the mean of the training series. Intervals are those of
    `RNN.forecast`; in sample, those one step ahead. `update` reads the new steps; with
    `update_params=True` it fits again to all steps so far. Exogenous data become external inputs,
    and must cover every step up to the last one that is forecast. Of a panel, sktime fits one
    forecaster per series.

    Args:
        rnn: the unfitted network; None means `RNN()`. It is copied, never changed.

    Attributes:
        rnn_: the fitted network.

    Examples:
        >>> from freerun import RNN
        >>> from freerun.sktime import RNNForecaster
        >>> from sktime.datasets import load_airline
        >>> rnn = RNN(50, optimizer="ridge", cell="memoryless", delays=12, difference=12, l2=1e-2)
        >>> forecaster = RNNForecaster(rnn)
        >>> y_pred = forecaster.fit(load_airline()).predict(fh=[1, 2, 3])
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "The freerun developers",
        "maintainers": "The freerun developers",
        "python_dependencies": "freerun",
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:insample": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": True,
        "capability:missing_values": True,
        "capability:non_contiguous_X": False,
        "capability:update": True,
        "capability:categorical_in_X": False,
        "y_inner_mtype": "pd.DataFrame",
        "X_inner_mtype": "pd.DataFrame",
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": True,
    }
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}

    def __init__(self, rnn: RNN | None = None) -> None:
        self.rnn = rnn
        super().__init__()
        self._y = self._X = None  # sktime fills them if its configuration says so

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any) -> Self:  # noqa: N803 - sktime's name
        del fh
        self._columns = y.columns
        return self._fit_to(_to_series(y, X))

    def _fit_to(self, seen: Series) -> Self:
        self._seen = seen
        self.rnn_ = RNN(**({} if self.rnn is None else self.rnn.get_params())).fit(seen)
        return self

    def _update(self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True) -> Self:  # noqa: N803 - the same
        new = _to_series(y, X)
        if new.times[-1] <= self._seen.times[-1]:
            return self
        if update_params:
            return self._fit_to(self._seen.joined(new))
        self.rnn_.update(new)
        self._seen = self._seen.joined(new)
        return self

    def _predict(self, fh: Any, X: pd.DataFrame | None) -> pd.DataFrame:  # noqa: N803 - sktime's name
        steps = self._steps(fh)
        values = np.empty((len(steps), len(self._columns)))
        ahead = steps > 0
        if ahead.any():
            run = self.rnn_.forecast(int(steps.max()), inputs=self._future_inputs(X))
            values[ahead] = run.to_numpy()[steps[ahead] - 1]
        if not ahead.all():
            values[~ahead] = self._predict_in_sample()[len(self._seen) - 1 + steps[~ahead]]
        return pd.DataFrame(values, columns=self._columns, index=fh.to_absolute_index(self._end()))

    def _predict_interval(  # pyright: ignore[reportIncompatibleMethodOverride] - as sktime's own forecasters do
        self,
        fh: Any,
        X: pd.DataFrame | None,  # noqa: N803 - the same
        coverage: list[float],
    ) -> pd.DataFrame:
        steps, index = self._steps(fh), fh.to_absolute_index(self._end())
        ahead = steps > 0
        forecast = None
        if ahead.any():
            levels = [100.0 * share for share in coverage if share > 0]
            run = self._future_inputs(X)
            forecast = intervals.forecast(self.rnn_.model_, int(steps.max()), levels, None, run)
        in_sample = [self._bounds_in_sample(share, steps[~ahead]) for share in coverage]
        columns = {}
        for i, name in enumerate(self._columns):
            for share, inside in zip(coverage, in_sample, strict=True):
                low, high = np.empty((2, len(steps)))
                if forecast is not None:
                    both = forecast.bounds[100.0 * share] if share > 0 else (forecast.point, forecast.point)
                    low[ahead], high[ahead] = (bound[steps[ahead] - 1, i] for bound in both)
                if not ahead.all():
                    low[~ahead], high[~ahead] = (bound[:, i] for bound in inside)
                columns[(name, share, "lower")] = low
                columns[(name, share, "upper")] = high
        return pd.DataFrame(columns, index=index)

    def _predict_in_sample(self) -> np.ndarray:
        """Predict all steps so far, shape (T, D)."""
        first = np.nanmean(self._seen.values, axis=0)
        return np.concatenate([first[None], self.rnn_.predict(self._seen).values])

    def _bounds_in_sample(self, share: float, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute lower and upper bounds in sample, shape (steps, D); for a coverage of 0,
        both are the prediction."""
        if not len(steps):
            return np.empty((0, len(self._columns))), np.empty((0, len(self._columns)))
        values = self._predict_in_sample()[len(self._seen) - 1 + steps]
        if not share:
            return values, values
        model = self.rnn_.model_
        return around(values, half_widths_of(model, 1, share)[0], model.best.scaling)

    def _steps(self, fh: Any) -> np.ndarray:
        """Convert a forecasting horizon to steps after the cutoff.

        Raises:
            SeriesError: one lies before the first step.
        """
        steps = np.asarray(fh.to_relative(self._end()).to_numpy(), int)
        if len(steps) and steps.min() <= -len(self._seen):
            first = self._seen.index[0]
            raise SeriesError(f"fh={steps.min()} lies before the first step seen, {first}; give later steps")
        return steps

    def _end(self) -> Any:
        """Return the cutoff, with the frequency found in the times if the index has none."""
        cutoff, calendar = self.cutoff, self._seen.calendar
        known = calendar.frequency is not None and not calendar.day
        if not known or not isinstance(cutoff, pd.DatetimeIndex) or cutoff.freq is not None:
            return cutoff
        return pd.DatetimeIndex(cutoff, freq=str(calendar.frequency))

    def _future_inputs(self, X: pd.DataFrame | None) -> pd.DataFrame | None:  # noqa: N803 - sktime's name
        """Return the exogenous data of the next steps; None if the network has no inputs."""
        return None if X is None or not self._seen.input_names else _name_columns(X)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> Any:
        """Return the parameters of small networks for sktime's own tests."""
        del parameter_set
        small: dict[str, Any] = {"hidden": 5, "optimizer": "ridge", "input_scale": 0.3, "l2": 1e-3}
        return [
            {"rnn": RNN(**small, cell="memoryless", delays=2, difference=1)},
            {"rnn": RNN(**small, cell="leaky", delays=1, difference=0, leak=0.5, spectral_radius=0.9, washout=2)},
        ]


def _to_series(y: pd.DataFrame, inputs: pd.DataFrame | None) -> Series:
    """Convert sktime's data to a series with times, also if its index counts from 0."""
    frame = _name_columns(y)
    series = Series.of(frame)
    if not series.timed:
        series = Series(series.values, series.channels, frame.index.to_numpy(float), 1.0)
    return series if inputs is None else series.with_inputs(_name_columns(inputs))


def _name_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert the names of columns to text."""
    return frame.set_axis([str(name) for name in frame.columns], axis=1)
