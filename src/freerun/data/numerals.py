"""Numbers as people write them in tables: decimal commas, thousands, currencies, percent, signs of missing values."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
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
MISSING |= {"nd", "n/d", "n.d.", "k.a.", "k. a.", "n.v.", "s.d."}
MISSING |= {"\\n", "none", "missing", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "?", ":", "*"}
MISSING |= {"#value!", "#div/0!", "#ref!", "#null!", "#num!", "#name?", "#nv", "#wert!", "#bezug!", "#zahl!", "#n/d"}
MISSING |= {"#valeur!", "#nom?", "#nombre!", "#valor!", "#\u00a1valor!", "#\u00a1div/0!", "#valore!", "#rif!", "#nome?"}
"""Signs of a missing value, in lower case."""

TRUTH = {"true": 1.0, "false": 0.0}

SPACED = re.compile(r"\d{1,3}([ \u00a0\u202f\u2009'\u2019])\d{3}(?:\1\d{3})*(?:[.,]\d*)?")
"""A number with signs between thousands that are never decimal signs: spaces and apostrophes."""

BEGINNINGS = tuple("0123456789.,+-(")
"""What a number begins with, currencies apart."""

MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
"""Other signs that are written for minus."""

CODES = ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR", "JPY", "KRW", "MXN", "NOK")
CODES += ("NZD", "PLN", "RUB", "SEK", "SGD", "TRY", "USD", "ZAR", "US$", "R$", "A$", "C$", "kr.", "kr", "Fr.", "Kč")
CODES += ("zł", "Rs.", "Rs", "Rp")
"""Currencies that are written in letters."""

UNIT = re.compile("|".join(map(re.escape, CODES)))

SIGNS = "%$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0e3f\u17db\u20a0-\u20c0\ufdfc\uff04\uffe0\uffe1\uffe5\uffe6"
"""Percent and the signs of currencies, as a range of characters."""

UNIT_BEFORE = re.compile(rf"([-+]?)\s*(?:{UNIT.pattern}|[{SIGNS}])\s*")
UNIT_AFTER = re.compile(rf"\s*(?:{UNIT.pattern}|[{SIGNS}])$")

NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")

GROUPED = {",": re.compile(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}"), ".": re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")}
"""Whole numbers with that sign between thousands (or, with commas, lakhs)."""

OTHER: dict[Decimals, Decimals] = {".": ",", ",": "."}

INFINITE = {f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "infinity")}

LIKELIER = 0.5
"""Decades by which a column has to rise and fall less in one reading of 1,001 for that reading to be taken."""

SEVERAL = 2
"""Different whole numbers below a thousand by which thousands are told from decimals that all have three digits."""


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
        only cells such as `1,001`, it counts which reading makes a column change less from row to row: beside `985` it
        is a thousand and one. Where that says another thing than what is expected, or nothing, the cell is doubtful.

        Args:
            columns: cells by column.
            default: the decimal sign to be expected; None means a point, unless there are commas.
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
    if not isinstance(cell, str) or (cell[-1:].isdigit() and cell.lstrip("+-.")[:1].isdigit()):
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
        try:
            return float(cell)
        except OverflowError:  # an integer of hundreds of digits
            return math.inf
    return None


def _body(cell: Any) -> str | None:
    """The digits and signs of a number in a text, without currency, percent and spaces; None if it is no number."""
    if not isinstance(cell, str) or not any(map(str.isdigit, cell)):
        return None
    text = cell.strip().translate(MINUS)
    if NUMBER.fullmatch(text):
        return text
    text = _bare(text)
    if text[:1] not in BEGINNINGS:
        return None
    negative = text.startswith("(") and text.endswith(")")
    text = _bare(text[1:-1]) if negative else text
    sign, text = (text[0], text[1:].strip()) if text[:1] in ("-", "+") else ("", text.strip())
    if text.endswith("-") and not sign and ("." in text or "," in text):
        sign, text = "-", text[:-1].strip()
    if spaced := SPACED.fullmatch(text):
        text = text.replace(spaced[1], "")
    return f"{'-' if negative else sign}{text}" if NUMBER.fullmatch(text) else None


def _bare(text: str) -> str:
    """A number without a currency or percent sign before and behind it."""
    text = UNIT_AFTER.sub("", text)
    before = UNIT_BEFORE.match(text)
    return f"{before[1]}{text[before.end() :]}" if before else text


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
    """The reading of cells such as 1,001, by the sizes in a column and by what is expected.

    In one column, decimals hardly ever have three digits wherever they are there; whole numbers of several values below
    a thousand among them are sure to be beside thousands.
    """
    expected = default or ("." if sign == "." else None)
    change, whole, example = 0.0, set[str](), ""
    for column in columns:
        cells = [body for cell in column if (body := _readable(cell)) is not None]
        signed = [cell for cell in cells if sign in cell]
        if not signed:
            continue
        example = example or signed[0]
        if len(signed) < len(cells):
            whole |= {cell for cell in cells if sign not in cell and _read(cell, sign)}
            change += _change(cells, sign) - _change(cells, OTHER[sign])
    found = None if abs(change) < LIKELIER else OTHER[sign] if change > 0 else sign
    several = len(whole) >= SEVERAL
    if found is None:
        sure = (
            default == "." or (default == sign and not whole) or (expected == "." and default is None and not several)
        )
    elif found == sign:
        sure = found == default or (found == expected and not several)
    else:
        sure = found == default or (default is None and several)
    return Numerals(found or expected or sign, None if sure or not example else example)


def _change(cells: Sequence[str], decimal: Decimals) -> float:
    """How many decades numbers rise and fall from row to row, with that decimal sign."""
    sizes = [math.log10(abs(size)) for cell in cells if (size := _read(cell, decimal))]
    return sum(abs(later - earlier) for earlier, later in pairwise(sizes))
