"""Numbers as people write them in tables: decimal commas, thousands, currencies, percent, signs of missing values."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np

Decimals = Literal[".", ","]

MISSING = {
    "",
    "na",
    "n/a",
    "n.a.",
    "n.a",
    "#n/a",
    "#na",
    "<na>",
    "nan",
    "-nan",
    "1.#qnan",
    "-1.#ind",
    "nat",
    "null",
    "(null)",
}
MISSING |= {"\\n", "none", "missing", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "?", ":", "*"}
MISSING |= {"#value!", "#div/0!", "#ref!", "#null!", "#num!", "#name?"}
"""Signs of a missing value, in lower case."""

TRUTH = {"true": 1.0, "false": 0.0}

GROUPS = " \u00a0\u202f\u2009'\u2019"
"""Signs between thousands that are never decimal signs: spaces and apostrophes."""

MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
"""Other signs that are written for minus."""

CODES = ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR", "JPY", "KRW", "MXN", "NOK")
CODES += ("NZD", "PLN", "RUB", "SEK", "SGD", "TRY", "USD", "ZAR", "US$", "R$", "A$", "C$", "kr", "Fr.", "Kč", "zł")
"""Currencies that are written in letters."""

UNIT = re.compile("|".join(map(re.escape, CODES)))

NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")

GROUPED = {",": re.compile(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}"), ".": re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")}
"""Whole numbers with that sign between thousands (or, with commas, lakhs)."""

OTHER: dict[Decimals, Decimals] = {".": ",", ",": "."}

INFINITE = {f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "infinity")}

LIKELIER = 0.5
"""Decades by which the range of a column has to be narrower in one reading of 1,001 for that reading to be taken."""


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a table are written.

    Attributes:
        decimal: the decimal sign; the other one of comma and point separates thousands.
        doubtful: a cell that means another number if the decimal sign is the other one, where nothing decides it.
    """

    decimal: Decimals = "."
    doubtful: str | None = None

    @classmethod
    def of(cls, columns: Sequence[Sequence[Any]], default: Decimals | None = None) -> Numerals:
        """The numerals of a table, by all of its columns together.

        A cell such as `1,5`, `1.234,5` or `1,234,567` can be read in one way alone and decides for all. Where there are
        only cells such as `1,001`, the reading counts that makes the sizes of a column more alike: beside `985` it is a
        thousand and one, beside `1` it is one.

        Args:
            columns: cells by column.
            default: the decimal sign where no cell decides; None means the sign that is found.
        """
        cells = [cell for column in columns for cell in column if isinstance(cell, str)]
        commas = {body for cell in cells if "," in cell and (body := _readable(cell)) is not None}
        if not commas and any(_decides(cell, ".") for cell in cells):
            return cls(".")
        points = {body for cell in cells if "." in cell and (body := _readable(cell)) is not None}
        comma = any(_decides(cell, ",") for cell in commas | points)
        point = any(_decides(cell, ".") for cell in commas | points)
        if comma or point:
            return cls("," if comma and not point else ".")
        if commas and points:
            return cls(default or ".", None if default else min(commas))
        return _by_size(columns, ",", default) if commas else _by_size(columns, ".", default)

    def number(self, cell: Any) -> float | None:
        """The number in a cell: NaN for a missing one, None for what is no number."""
        if not isinstance(cell, str):
            return _value(cell)
        if self.decimal == "." and "," not in cell and "_" not in cell:
            try:
                return float(cell)  # most cells are written as Python writes numbers
            except ValueError:
                pass
        text = cell.strip().lower()
        if text in MISSING:
            return math.nan
        if text in INFINITE:
            return INFINITE[text]
        body = _body(cell)
        return None if body is None else _read(body, self.decimal)


def truth(cells: Sequence[Any]) -> np.ndarray | None:
    """Ones and zeros of a column of true and false, NaN where a value is missing; None for any other column."""
    if not any(isinstance(cell, str) and cell.strip().lower() in TRUTH for cell in cells):
        return None
    found = [_true(cell) for cell in cells]
    return None if None in found else np.array(found, np.float64)


def _true(cell: Any) -> float | None:
    text = cell.strip().lower() if isinstance(cell, str) else str(cell).lower()
    return math.nan if text in MISSING else TRUTH.get(text)


def unit_of(cell: Any) -> str:
    """The currency or percent sign in a cell; empty without one."""
    if not isinstance(cell, str) or not cell or (cell[-1:].isdigit() and cell[:1].isdigit()):
        return ""
    signs = "".join(sign for sign in cell if sign == "%" or unicodedata.category(sign) == "Sc")
    named = UNIT.search(cell)
    return named[0] if named else signs


def is_missing(cell: Any) -> bool:
    """Whether a cell says that its value is missing."""
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    value = None if cell is None else _value(cell)
    return cell is None or (value is not None and math.isnan(value)) or str(cell) == "NaT"


def _value(cell: Any) -> float | None:
    """The number that an object is."""
    if cell is None or str(cell) in ("<NA>", "NaT"):
        return math.nan
    if isinstance(cell, Real | Decimal | np.bool_):
        return float(cell)
    return None


def _body(cell: Any) -> str | None:
    """The digits and signs of a number in a text, without currency, percent and spaces; None if it is no number."""
    if not isinstance(cell, str) or not any(map(str.isdigit, cell)):
        return None
    text = cell.strip().translate(MINUS)
    if NUMBER.fullmatch(text):
        return text
    negative = text.startswith("(") and text.endswith(")")
    text = UNIT.sub("", text[1:-1] if negative else text)
    text = "".join(sign for sign in text if sign != "%" and unicodedata.category(sign) != "Sc").strip()
    sign, text = (text[0], text[1:].strip()) if text[:1] in ("-", "+") else ("", text)
    for group in GROUPS:
        if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+(?:[.,]\d*)?", text):
            text = text.replace(group, "")
    return f"{'-' if negative else sign}{text}" if NUMBER.fullmatch(text) else None


def _readable(cell: str) -> str | None:
    """The digits and signs of a number that can be read with one of the decimal signs; None for anything else."""
    body = _body(cell)
    return body if body is not None and any(_read(body, sign) is not None for sign in OTHER) else None


def _read(body: str, decimal: Decimals) -> float | None:
    """The number with that decimal sign, where the other one of comma and point separates thousands."""
    other: Decimals = "," if decimal == "." else "."
    whole, point, fraction = body.partition(decimal)
    if other in fraction or decimal in fraction:
        return None
    if other in whole:
        if not GROUPED[other].fullmatch(whole.lstrip("+-")):
            return None
        whole = whole.replace(other, "")
    try:
        return float(f"{whole}.{fraction}" if point else whole)
    except ValueError:
        return None


def _decides(cell: str, decimal: Decimals) -> bool:
    """Whether a number can be read with that decimal sign, and not with the other one."""
    if "." not in cell and "," not in cell:
        return False
    body = _body(cell)
    return body is not None and _read(body, decimal) is not None and _read(body, OTHER[decimal]) is None


def _by_size(columns: Sequence[Sequence[Any]], sign: Decimals, default: Decimals | None) -> Numerals:
    """The reading of cells such as 1,001 that makes the sizes in a column more alike."""
    votes, doubtful = 0, None
    for column in columns:
        cells = [body for cell in column if (body := _readable(cell)) is not None]
        signed = [cell for cell in cells if sign in cell]
        if not signed:
            continue
        decimals, thousands = (_decades(cells, decimal) for decimal in (sign, OTHER[sign]))
        votes += int(decimals > thousands + LIKELIER) - int(thousands > decimals + LIKELIER)
        if len(signed) < len(cells):
            doubtful = signed[0]
    if votes:
        return Numerals(OTHER[sign] if votes > 0 else sign)
    return Numerals(sign, doubtful) if doubtful or default is None else Numerals(default)


def _decades(cells: Sequence[str], decimal: Decimals) -> float:
    """How many decades the sizes of numbers span with that decimal sign."""
    sizes = [abs(size) for cell in cells if (size := _read(cell, decimal))]
    return math.log10(max(sizes) / min(sizes)) if sizes else 0.0
