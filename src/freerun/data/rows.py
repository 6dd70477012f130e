"""`Rows`: numbers with names and times as they were found, before they are a series; and what a user says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, get_args

import numpy as np

from freerun.arguments import one_of
from freerun.data.numerals import Decimals
from freerun.data.timeline import Calendar
from freerun.errors import SettingError
from freerun.settings import Missing

TEXTS = ("time", "id", "resample", "zone")
"""Options that are texts or None."""


@dataclass(frozen=True)
class ReadOptions:
    """What a user says of a table.

    Attributes:
        columns: the columns that are channels; all columns of numbers when empty.
        time: the column of the times; None means that it is found: an index, a column of dates, or a first column with
            a name of `TIME_COLUMNS`.
        id: the column that tells several series apart, or `column=name` for one of them; None means `unique_id`, if it
            is there.
        missing: what is done with missing values; see `freerun.settings.Missing`.
        resample: average over steps of this length (a pandas frequency for dates, else a number), or `rows`: each row
            is a step, whatever its time. None means that times have to be regular.
        zone: the time zone of local times without an offset, such as `Europe/Berlin`.
        decimal: the decimal sign; None means that it is found.
    """

    columns: tuple[str, ...] = ()
    time: str | None = None
    id: str | None = None
    missing: Missing = "mask"
    resample: str | None = None
    zone: str | None = None
    decimal: Decimals | None = None

    def __post_init__(self) -> None:
        one_of("missing", self.missing, get_args(Missing))
        if self.decimal is not None:
            one_of("decimal", self.decimal, get_args(Decimals))
        for name, given in (*(("columns", column) for column in self.columns), *((n, getattr(self, n)) for n in TEXTS)):
            if given is not None and not isinstance(given, str):
                raise SettingError(f"{name}={given!r}: give a text")

    @classmethod
    def checked(cls, columns: Any, resample: Any, **options: Any) -> ReadOptions:
        """Options as a user gives them: one column or several, and a number or a text to resample to.

        Raises:
            SettingError: one is of another kind.
        """
        several = (columns,) if isinstance(columns, str) else tuple(columns)
        if isinstance(resample, Real) and not isinstance(resample, bool):
            resample = str(resample)
        return cls(several, resample=resample, **options)


@dataclass(frozen=True)
class Rows:
    """Numbers with their names and times, in the order in which they came.

    Attributes:
        values: shape (T, D).
        channels: D names; empty where none were given.
        times: shape (T,); a mere count where none were given.
        calendar: of the times.
        timed: whether the times are more than a count of the rows.
        labelled: whether rows can be found by their times; a pandas index from 0 on counts, but can be looked up.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    times: np.ndarray
    calendar: Calendar = field(default_factory=Calendar)
    timed: bool = False
    labelled: bool = False

    @classmethod
    def of_matrix(cls, values: np.ndarray, channels: Sequence[str] = (), times: np.ndarray | None = None) -> Rows:
        """Rows of an array, which are steps unless times are given."""
        if times is None:
            return cls(values, tuple(channels), np.arange(len(values), dtype=float))
        return cls(values, tuple(channels), times, timed=True, labelled=True)
