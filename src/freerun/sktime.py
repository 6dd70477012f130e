"""`RNNForecaster`: freerun as a forecaster of sktime, with which it composes: pipelines, tuning, panels, evaluation."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from freerun import intervals
from freerun.data.series import Series
from freerun.errors import MissingExtraError, SeriesError
from freerun.estimator import RNN
from freerun.intervals import half_widths

try:
    from sktime.forecasting.base import BaseForecaster
except ImportError as error:
    raise MissingExtraError("sktime is not installed; install freerun[sktime]") from error


class RNNForecaster(BaseForecaster):
    """A recurrent network that learns a series and forecasts it by running free.

    In sample, step t is predicted from the steps before it (open loop); for the first step there are none, and the mean
    of the training series stands in. Intervals are those of `RNN.forecast`; in sample, those of one step ahead.
    Updating reads the new steps, and with `update_params=True` fits anew to all steps seen. Exogenous data are external
    inputs, needed for every step up to the last one that is forecast. Several series are learned one by one, as
    sktime hands them over.

    Args:
        rnn: the network and its training; None means `RNN()`. It is copied, never changed.

    Attributes:
        rnn_: the fitted network.

    Examples:
        >>> from freerun import RNN
        >>> from freerun.sktime import RNNForecaster
        >>> from sktime.datasets import load_airline
        >>> forecaster = RNNForecaster(RNN(50, optimizer="ridge", cell="memoryless", delays=12, difference=12, l2=1e-2))
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
        self._y = self._X = None  # filled by sktime where its configuration asks for it

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any) -> Self:  # noqa: N803 - sktime's name
        del fh
        self._columns = y.columns
        return self._fit_to(_series(y, X))

    def _fit_to(self, seen: Series) -> Self:
        self._seen = seen
        self.rnn_ = RNN(**({} if self.rnn is None else self.rnn.get_params())).fit(seen)
        return self

    def _update(self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True) -> Self:  # noqa: N803 - the same
        new = _series(y, X)
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
            run = self.rnn_.forecast(int(steps.max()), inputs=self._coming(X))
            values[ahead] = run.to_numpy()[steps[ahead] - 1]
        if not ahead.all():
            values[~ahead] = self._in_sample()[len(self._seen) - 1 + steps[~ahead]]
        return pd.DataFrame(values, columns=self._columns, index=fh.to_absolute_index(self._end()))

    def _predict_interval(  # pyright: ignore[reportIncompatibleMethodOverride] - as sktime's own forecasters do
        self,
        fh: Any,
        X: pd.DataFrame | None,  # noqa: N803 - the same
        coverage: list[float],
    ) -> pd.DataFrame:
        steps, index = self._steps(fh), fh.to_absolute_index(self._end())
        ahead = steps > 0
        names = list(map(str, self._columns))
        table = None
        if ahead.any():
            levels = [100.0 * share for share in coverage if share > 0]
            run = self._coming(X)
            table = intervals.forecast(self.rnn_.model_, int(steps.max()), levels, None, run)
        columns = {}
        for i, name in enumerate(names):
            for share in coverage:
                low, high = np.empty((2, len(steps)))
                if table is not None:
                    ends = [f"{name}_{end}_{100 * share:g}" if share > 0 else name for end in ("low", "high")]
                    low[ahead], high[ahead] = table.iloc[steps[ahead] - 1][ends].to_numpy().T
                if not ahead.all():
                    low[~ahead], high[~ahead] = self._in_sample_interval(share, i, steps[~ahead])
                columns[(self._columns[i], share, "lower")] = low
                columns[(self._columns[i], share, "upper")] = high
        return pd.DataFrame(columns, index=index)

    def _in_sample(self) -> np.ndarray:
        """Predictions of all steps seen, shape (T, D)."""
        first = np.nanmean(self._seen.values, axis=0)
        return np.concatenate([first[None], self.rnn_.predict(self._seen).values])

    def _in_sample_interval(self, share: float, channel: int, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends in sample; without a share, the median that stands for both."""
        values = self._in_sample()[len(self._seen) - 1 + steps, channel]
        width = half_widths(self.rnn_.model_.errors[:, :1], share)[0, channel] if share > 0 else 0.0
        if self.rnn_.log:
            return values * np.exp(-width), values * np.exp(width)
        return values - width, values + width

    def _steps(self, fh: Any) -> np.ndarray:
        steps = np.asarray(fh.to_relative(self._end()).to_numpy(), int)
        if len(steps) and steps.min() <= -len(self._seen):
            first = self._seen.index[0]
            raise SeriesError(f"fh={steps.min()} lies before the first step seen, {first}; give later ones")
        return steps

    def _end(self) -> Any:
        """The cutoff, with the frequency that the times show where the index has none."""
        cutoff, calendar = self.cutoff, self._seen.calendar
        known = calendar.frequency is not None and not calendar.day
        if not known or not isinstance(cutoff, pd.DatetimeIndex) or cutoff.freq is not None:
            return cutoff
        return pd.DatetimeIndex(cutoff, freq=str(calendar.frequency))

    def _coming(self, X: pd.DataFrame | None) -> pd.DataFrame | None:  # noqa: N803 - sktime's name
        """The exogenous data of the next steps."""
        return None if X is None or not self._seen.input_names else _named(X)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> Any:
        """Small networks, for sktime's own tests."""
        del parameter_set
        small: dict[str, Any] = {"hidden": 5, "optimizer": "ridge", "input_scale": 0.3, "l2": 1e-3}
        return [
            {"rnn": RNN(**small, cell="memoryless", delays=2, difference=1)},
            {"rnn": RNN(**small, cell="leaky", delays=1, difference=0, leak=0.5, spectral_radius=0.9, washout=2)},
        ]


def _series(y: pd.DataFrame, inputs: pd.DataFrame | None) -> Series:
    """The series of sktime's data, whose times are always known, even where they count from 0."""
    frame = _named(y)
    series = Series.of(frame)
    if not series.timed:
        series = Series(series.values, series.channels, frame.index.to_numpy(float), 1.0)
    return series if inputs is None else series.with_inputs(_named(inputs))


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis([str(name) for name in frame.columns], axis=1)
