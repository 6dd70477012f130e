"""Parses numbers in text: decimal commas, thousands separators, currencies, percent,
and missing values."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from numbers import Real
from typing import Literal

import numpy as np

Decimals = Literal[".", ","]
"""A decimal sign."""

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
"""Texts of a missing value, in lower case."""

TRUTH = {"true": 1.0, "false": 0.0}
"""Numbers of the texts of Boolean values, in lower case."""

SPACED = re.compile(r"\d{1,3}([ \u00a0\u202f\u2009'\u2019])\d{3}(?:\1\d{3})*(?:[.,]\d*)?")
"""A number with spaces or apostrophes as thousands separators."""

BEGINNINGS = tuple("0123456789.,+-(")
"""First characters of a number without a currency."""

MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
"""Translation of other minus signs to a hyphen."""

CODES = ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR", "JPY", "KRW", "MXN", "NOK")
CODES += ("NZD", "PLN", "RUB", "SEK", "SGD", "TRY", "USD", "ZAR", "US$", "R$", "A$", "C$", "kr.", "kr", "Fr.", "Kč")
CODES += ("zł", "Rs.", "Rs", "Rp")
"""Currencies in letters."""

UNIT = re.compile("|".join(map(re.escape, CODES)))
"""A currency in letters."""

SIGNS = "%$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0e3f\u17db\u20a0-\u20c0\ufdfc\uff04\uffe0\uffe1\uffe5\uffe6"
"""Percent and currency signs, as characters of a regular expression."""

UNIT_BEFORE = re.compile(rf"([-+]?)\s*(?:{UNIT.pattern}|[{SIGNS}])\s*")
"""A currency or percent sign before a number, and the sign of the number."""

UNIT_AFTER = re.compile(rf"\s*(?:{UNIT.pattern}|[{SIGNS}])$")
"""A currency or percent sign after a number."""

NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")
"""A number without currency, percent sign and spaces."""

GROUPED = {",": re.compile(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}"), ".": re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")}
"""Whole numbers by thousands separator; with commas, also in the Indian system (lakhs)."""

OTHER: dict[Decimals, Decimals] = {".": ",", ",": "."}
"""The thousands separator by decimal sign."""

INFINITE = {f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "infinity")}
"""Infinite numbers by text, in lower case."""

DECISIVE = 0.5
"""Minimum difference of the total change of two readings of 1,001, in decades,
that decides between them."""

SEVERAL = 2
"""Minimum number of different whole numbers without a separator
that makes thousands separators likely."""


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a table are written.

    Attributes:
        decimal: decimal sign; the other one of comma and point separates thousands.
        doubtful: a cell whose number is ambiguous because the decimal sign is uncertain;
            None if there is none.
    """

    decimal: Decimals = "."
    doubtful: str | None = None

    @classmethod
    def of(cls, columns: Sequence[Sequence[object]], default: Decimals | None = None) -> Numerals:
        """Detect the decimal sign of a table from all columns.

        A cell such as `1,5`, `1.234,5` or `1,234,567` has only one reading, which determines the
        sign for the table. If all cells are like `1,001`, the reading with the smaller changes from
        row to row is used: after `985`, it is a thousand and one. If that reading is unexpected, or
        no reading has smaller changes, the cell is doubtful.

        Args:
            columns: cells of each column.
            default: decimal sign to expect; None expects a point, unless there are commas.
        """
        cells = [cell for column in columns for cell in column if isinstance(cell, str)]
        commas = {body for cell in cells if "," in cell and (body := _strip_if_number(cell)) is not None}
        if not commas and any(_decides(cell, ".") for cell in cells):
            return cls(".")
        points = {body for cell in cells if "." in cell and (body := _strip_if_number(cell)) is not None}
        comma = any(_decides(cell, ",") for cell in commas | points)
        point = any(_decides(cell, ".") for cell in commas | points)
        if comma or point:
            return cls("," if comma and not point else ".")
        if commas and points:
            return cls(default or ".", None if default else min(commas))
        return _decide_by_size(columns, ",", default) if commas else _decide_by_size(columns, ".", default)

    def number(self, cell: object) -> float | None:
        """Parse a cell as a number: NaN if it is missing, None if it is not a number."""
        if not isinstance(cell, str):
            return _to_float(cell)
        if self.decimal == "." and "," not in cell and "_" not in cell:
            try:
                return float(cell)  # fast path: most cells are valid Python numbers
            except ValueError:
                pass
        text = cell.strip().lower()
        if text in MISSING:
            return math.nan
        if text in INFINITE:
            return INFINITE[text]
        body = _strip_number(cell)
        return None if body is None else _parse_with(body, self.decimal)


def parse_booleans(cells: Sequence[object]) -> np.ndarray | None:
    """Convert a column of `true` and `false` to ones and zeros.

    Args:
        cells: T cells.

    Returns:
        Shape (T,), NaN where a value is missing; None if the column holds anything else.
    """
    if not any(isinstance(cell, str) and cell.strip().lower() in TRUTH for cell in cells):
        return None
    found = [_parse_boolean(cell) for cell in cells]
    return None if None in found else np.array(found, np.float64)


def _parse_boolean(cell: object) -> float | None:
    """Convert a Boolean cell to 1 or 0: NaN if it is missing, None if it is not Boolean."""
    text = cell.strip().lower() if isinstance(cell, str) else str(cell).lower()
    return math.nan if text in MISSING else TRUTH.get(text)


def find_unit(cell: object) -> str:
    """Return the currency or percent sign in a cell; an empty string if there is none."""
    if not isinstance(cell, str) or (cell[-1:].isdigit() and cell.lstrip("+-.")[:1].isdigit()):
        return ""
    signs = "".join(sign for sign in cell if sign == "%" or unicodedata.category(sign) == "Sc")
    named = UNIT.search(cell)
    return named[0] if named else signs


def is_missing(cell: object) -> bool:
    """Whether a cell is a missing value."""
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    value = None if cell is None else _to_float(cell)
    return cell is None or (value is not None and math.isnan(value)) or str(cell) == "NaT"


def _to_float(cell: object) -> float | None:
    """Convert an object other than a string to a number: NaN if it is missing,
    None if it is not a number."""
    if cell is None or str(cell) in ("<NA>", "NaT"):
        return math.nan
    if isinstance(cell, Real | Decimal | np.bool_):
        try:
            return float(cell)
        except OverflowError:  # an integer of hundreds of digits
            return math.inf
    return None


def _strip_number(cell: object) -> str | None:
    """Remove currency, percent sign and spaces from a number in text;
    None if the text is not a number."""
    if not isinstance(cell, str) or not any(map(str.isdigit, cell)):
        return None
    text = cell.strip().translate(MINUS)
    if NUMBER.fullmatch(text):
        return text
    text = _strip_currency(text)
    if text[:1] not in BEGINNINGS:
        return None
    negative = text.startswith("(") and text.endswith(")")
    text = _strip_currency(text[1:-1]) if negative else text
    sign, text = (text[0], text[1:].strip()) if text[:1] in ("-", "+") else ("", text.strip())
    if text.endswith("-") and not sign and ("." in text or "," in text):
        sign, text = "-", text[:-1].strip()
    if spaced := SPACED.fullmatch(text):
        text = text.replace(spaced[1], "")
    return f"{'-' if negative else sign}{text}" if NUMBER.fullmatch(text) else None


def _strip_currency(text: str) -> str:
    """Remove a currency or percent sign before and after a number."""
    text = UNIT_AFTER.sub("", text)
    before = UNIT_BEFORE.match(text)
    return f"{before[1]}{text[before.end() :]}" if before else text


def _strip_if_number(cell: object) -> str | None:
    """Strip a number that is valid with one of the decimal signs; None for anything else."""
    body = _strip_number(cell)
    return body if body is not None and any(_parse_with(body, sign) is not None for sign in OTHER) else None


def _parse_with(body: str, decimal: Decimals) -> float | None:
    """Parse a stripped number with the given decimal sign;
    None if it is not valid with that sign."""
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
    """Whether a number is valid with the given decimal sign only."""
    if "." not in cell and "," not in cell:
        return False
    body = _strip_number(cell)
    return body is not None and _parse_with(body, decimal) is not None and _parse_with(body, OTHER[decimal]) is None


def _decide_by_size(columns: Sequence[Sequence[object]], sign: Decimals, default: Decimals | None) -> Numerals:
    """Decide the decimal sign of cells such as 1,001 by the changes
    from row to row and by the expected sign.

    It is rare that all fractions of a column have exactly three digits. If some cells of the column
    have no sign, and at least `SEVERAL` different values, the sign therefore separates thousands.

    Args:
        columns: cells of each column.
        sign: the comma or point that occurs in the cells.
        default: decimal sign to expect; None for no expectation.
    """
    expected = default or ("." if sign == "." else None)
    change, whole, example = 0.0, set[str](), ""
    for column in columns:
        cells = [body for cell in column if (body := _strip_if_number(cell)) is not None]
        signed = [cell for cell in cells if sign in cell]
        if not signed:
            continue
        example = example or signed[0]
        if len(signed) < len(cells):
            whole |= {cell for cell in cells if sign not in cell and _parse_with(cell, sign)}
            change += _sum_log_changes(cells, sign) - _sum_log_changes(cells, OTHER[sign])
    found = None if abs(change) < DECISIVE else OTHER[sign] if change > 0 else sign
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


def _sum_log_changes(cells: Sequence[str], decimal: Decimals) -> float:
    """Sum the absolute changes of log10 from row to row, with the given decimal sign."""
    sizes = [math.log10(abs(size)) for cell in cells if (size := _parse_with(cell, decimal))]
    return sum(abs(later - earlier) for earlier, later in pairwise(sizes))
