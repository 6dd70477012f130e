"""`Forecast`: point forecasts with the bounds of their intervals, and the table that users get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freerun.errors import SettingError

if TYPE_CHECKING:
    import pandas as pd

ENDS = ("low", "high")
"""The ends of an interval, as columns name them."""


def bound_names(channels: Sequence[str], level: float) -> list[str]:
    """The columns of the bounds of a level: `x_low_80`, `x_high_80` for each channel x."""
    return [f"{name}_{end}_{level:g}" for name in channels for end in ENDS]


@dataclass(frozen=True)
class Forecast:
    """A forecast of H steps of D channels.

    Attributes:
        channels: D names.
        index: the times of the steps.
        point: the point forecast, shape (H, D).
        bounds: for each level in percent, the lower and the upper bounds, each of shape (H, D).
    """

    channels: tuple[str, ...]
    index: pd.Index
    point: np.ndarray
    bounds: Mapping[float, tuple[np.ndarray, np.ndarray]]

    def channel(self, *names: str) -> Forecast:
        """The forecast of the named channels, in the given order."""
        places = [self.channels.index(name) for name in names]
        bounds = {level: (low[:, places], high[:, places]) for level, (low, high) in self.bounds.items()}
        return Forecast(names, self.index, self.point[:, places], bounds)

    def to_frame(self) -> pd.DataFrame:
        """Make the table that `RNN.forecast` returns.

        Returns:
            One row per step. The columns are the channels,
            then for each level the lower and the upper bound of every channel.

        Raises:
            SettingError: a channel has the name of a bound.
        """
        import pandas as pd

        names, arrays = list(self.channels), [self.point]
        for level, (low, high) in self.bounds.items():
            names += bound_names(self.channels, level)
            arrays.append(np.stack([low, high], axis=-1).reshape(len(low), -1))
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SettingError(f"a channel has the name {twice!r} of an interval bound; rename it")
        return pd.DataFrame(np.concatenate(arrays, axis=1), columns=names, index=self.index)

    @classmethod
    def of_frame(cls, table: pd.DataFrame, channels: Sequence[str] | None = None) -> Forecast:
        """Read a table of `to_frame` back.

        The order of its columns is checked as a whole, since a channel may itself be named
        `x_low_80`. A table without bounds has channels alone.

        Args:
            table: the table.
            channels: names that are channels if all columns are among them;
                None if they are not known.
        """
        columns, values = list(table.columns), table.to_numpy()
        for count in range(len(columns) if channels and set(columns) <= set(channels) else 1, len(columns)):
            names = columns[:count]
            firsts = range(count, len(columns), 2 * count)
            levels = [_level_of(str(columns[first]), f"{names[0]}_{ENDS[0]}_") for first in firsts]
            if columns[count:] == [name for level in levels for name in bound_names(names, level)]:
                bounds = {
                    level: (values[:, at : at + 2 * count : 2], values[:, at + 1 : at + 2 * count : 2])
                    for level, at in zip(levels, firsts, strict=True)
                }
                return cls(tuple(names), table.index, values[:, :count], bounds)
        return cls(tuple(columns), table.index, values, {})


def _level_of(column: str, prefix: str) -> float:
    """The level in the name of a column; NaN if it names none."""
    try:
        return float(column.removeprefix(prefix))
    except ValueError:
        return np.nan
