"""`Rows`: values with names and times in their original order; and `ReadOptions`:
how data are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, get_args

import numpy as np

from freerun.arguments import one_of
from freerun.data.numerals import Decimals
from freerun.data.timeline import Calendar
from freerun.errors import SettingError
from freerun.settings import Missing

TEXTS = ("time", "id", "resample", "zone")
"""Options whose value is a string or None."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read a table.

    Attributes:
        columns: columns that become channels; all columns of numbers if empty.
        time: column of the times; None means that it is detected: the index, a column of dates, or
            a first column with a name in `TIME_COLUMNS`.
        id: column that identifies several series, or `column=name` for one of them;
            None means `unique_id`, if that column exists.
        missing: treatment of missing values; see `freerun.settings.Missing`.
        resample: average over steps of this length, a pandas frequency for dates
            or a number for numeric times. `rows` makes each row one step and
            ignores the times. None requires regular times.
        zone: time zone of local times without an offset, such as `Europe/Berlin`.
        decimal: decimal sign; None means that it is detected.
        irregular: whether the times are kept as they are,
            and the lengths of steps are an external input.

    Raises:
        SettingError: an option has a wrong type or an unknown value, or contradicts another.
    """

    columns: tuple[str, ...] = ()
    time: str | None = None
    id: str | None = None
    missing: Missing = "mask"
    resample: str | None = None
    zone: str | None = None
    decimal: Decimals | None = None
    irregular: bool = False

    def __post_init__(self) -> None:
        one_of("missing", self.missing, get_args(Missing))
        if self.decimal is not None:
            one_of("decimal", self.decimal, get_args(Decimals))
        for name, given in (*(("columns", column) for column in self.columns), *((n, getattr(self, n)) for n in TEXTS)):
            if given is not None and not isinstance(given, str):
                raise SettingError(f"{name}={given!r}: give a string")
        if not isinstance(self.irregular, bool):
            raise SettingError(f"irregular={self.irregular!r}: give True or False")
        if self.irregular and self.resample is not None:
            raise SettingError(
                f"irregular and resample={self.resample!r}: resampling makes the steps equal; give one of them"
            )

    @classmethod
    def checked(cls, columns: str | Iterable[str], resample: Any, **options: Any) -> ReadOptions:
        """Make options from arguments of users.

        Args:
            columns: one name or a sequence of names.
            resample: a number, a string or None.
            **options: the other attributes.

        Raises:
            SettingError: an option has a wrong type or an unknown value.
        """
        names = (columns,) if isinstance(columns, str) else tuple(columns)
        if isinstance(resample, Real) and not isinstance(resample, bool):
            resample = str(resample)
        return cls(names, resample=resample, **options)


@dataclass(frozen=True)
class Rows:
    """Values with names and times, in their original order.

    Attributes:
        values: shape (T, D); NaN where a value is missing.
        channels: D names; empty if the data have none.
        times: shape (T,); 0, 1, 2, ... if the data have none.
        calendar: calendar of the times.
        timed: whether the times came with the data.
        labelled: whether rows can be matched by time. A pandas index 0, 1, 2, ... is labelled,
            but not timed.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    times: np.ndarray
    calendar: Calendar = field(default_factory=Calendar)
    timed: bool = False
    labelled: bool = False

    @classmethod
    def of_matrix(cls, values: np.ndarray, channels: Sequence[str] = (), times: np.ndarray | None = None) -> Rows:
        """Make rows from an array.

        Args:
            values: shape (T, D).
            channels: D names; empty for none.
            times: shape (T,); None makes each row one step.
        """
        if times is None:
            return cls(values, tuple(channels), np.arange(len(values), dtype=float))
        return cls(values, tuple(channels), times, timed=True, labelled=True)

    def between(self, start: int, stop: int) -> Rows:
        """Return rows `start` to `stop` (excluded)."""
        return replace(self, values=self.values[start:stop], times=self.times[start:stop])
