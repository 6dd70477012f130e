"""`Forecast`: its table has a column for each channel and bound, and can be read back."""

import numpy as np
import pandas as pd
import pytest

from freerun.errors import SettingError
from freerun.forecasting.forecast import Forecast


def made(channels: tuple[str, ...], *levels: float) -> Forecast:
    """Channel i has the point forecast i, and bounds at i - level and i + level."""
    point = np.tile(np.arange(len(channels), dtype=float), (3, 1))
    return Forecast(channels, pd.RangeIndex(5, 8), point, {level: (point - level, point + level) for level in levels})


def test_the_table_has_the_channels_and_then_the_bounds_level_by_level():
    table = made(("x", "y"), 80, 95.5).to_frame()
    assert list(table) == [
        *("x", "y", "x_low_80", "x_high_80", "y_low_80", "y_high_80"),
        *("x_low_95.5", "x_high_95.5", "y_low_95.5", "y_high_95.5"),
    ]
    assert table.loc[5].tolist() == [0, 1, -80, 80, -79, 81, -95.5, 95.5, -94.5, 96.5]
    assert list(table.index) == [5, 6, 7]


@pytest.mark.parametrize("channels", [("x",), ("x_low_80",), ("x", "x_low_90"), ("a_low_", "a")])
@pytest.mark.parametrize("levels", [(), (80,), (80.5, 95)])
def test_a_table_is_read_back_whatever_channels_are_called(channels, levels):
    forecast = made(channels, *levels)
    found = Forecast.of_frame(forecast.to_frame(), channels)
    assert found.channels == channels
    np.testing.assert_array_equal(found.point, forecast.point)
    assert list(found.bounds) == list(levels)
    for level, ends in forecast.bounds.items():
        np.testing.assert_array_equal(found.bounds[level], ends)


def test_a_channel_with_the_name_of_a_bound_is_refused():
    with pytest.raises(SettingError, match="'x_low_80'"):
        made(("x", "x_low_80"), 80).to_frame()
