"""Numbers as people write them are read as what they mean, or refused."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from freerun import Series
from freerun.data.numerals import Numerals, find_unit, is_missing, parse_booleans
from freerun.errors import SeriesError, SeriesFileError


def read(cells: list[Any], decimal: Any = None) -> list[float | None]:
    """The numbers in a column that stands alone."""
    numerals = Numerals.of([cells], decimal)
    assert numerals.doubtful is None
    return [numerals.number(cell) for cell in cells]


def column(cells: list[str], separator: str) -> str:
    """A file with dates beside a column."""
    rows = "".join(f'2024-01-{day:02d}{separator}"{cell}"\n' for day, cell in enumerate(cells, 1))
    return f"date{separator}x\n{rows}"


@pytest.fixture
def values(tmp_path):
    def values_of(content: str, **options: Any) -> list[float]:
        path = tmp_path / "s.csv"
        path.write_text(content, encoding="utf-8")
        return Series.read(path, **options).values[:, 0].tolist()

    return values_of


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,001.50", "985.25", "-1,234.00"], [1001.5, 985.25, -1234.0]),
        (["1.001,50", "985,25", "-1.234,00"], [1001.5, 985.25, -1234.0]),
        (["1 001,50", "985,25", "-1 234,00"], [1001.5, 985.25, -1234.0]),
        (["1\u00a0001,50", "985,25", "1\u202f234\u202f567,00"], [1001.5, 985.25, 1234567.0]),
        (["1'001.50", "985.25", "1\u2019234\u2019567.00"], [1001.5, 985.25, 1234567.0]),
        (["12,34,567", "98,765", "1,00,00,000"], [1234567.0, 98765.0, 10000000.0]),
        (["1.234.567", "1.001", "985"], [1234567.0, 1001.0, 985.0]),
        (["1.5", "2", "-3e2"], [1.5, 2.0, -300.0]),
        (["1,5E+03", "1E3", ",5", "-,25"], [1500.0, 1000.0, 0.5, -0.25]),
        ([".5", "5.", "+2.5"], [0.5, 5.0, 2.5]),
        (["\u22121.5", "\u20132.5", "- 3.5"], [-1.5, -2.5, -3.5]),
        (["(1,234.50)", "985.20", "($ 3.00)"], [-1234.5, 985.2, -3.0]),
        (["1.234,50-", "985,20", "3,00-"], [-1234.5, 985.2, -3.0]),
        (["007", "08", "9"], [7.0, 8.0, 9.0]),
        (["0.985", "1.001", "1.234"], [0.985, 1.001, 1.234]),
    ],
)
def test_the_usual_ways_to_write_numbers(cells, expected):
    assert read(cells) == expected


@pytest.mark.parametrize(
    ("cell", "expected", "unit"),
    [
        ("$1,234.50", 1234.5, "$"),
        ("-$5.25", -5.25, "$"),
        ("$-5.25", -5.25, "$"),
        ("US$ 5.25", 5.25, "US$"),
        ("€ 5.25", 5.25, "€"),
        ("5.25 €", 5.25, "€"),
        ("5.25€", 5.25, "€"),
        ("CHF 1'234.50", 1234.5, "CHF"),
        ("Rs. 1,23,456.50", 123456.5, "Rs."),
        ("₹1,23,456.50", 123456.5, "₹"),
        ("1 234.50 kr", 1234.5, "kr"),
        ("£0.99", 0.99, "£"),
        ("12.5%", 12.5, "%"),
        ("12.5 %", 12.5, "%"),
        ("(12.5%)", -12.5, "%"),
        ("$(985.00)", -985.0, "$"),
        ("($ 985.00)", -985.0, "$"),
    ],
)
def test_a_currency_or_percent_sign_before_or_behind_is_not_part_of_the_number(cell, expected, unit):
    assert Numerals(".").number(cell) == expected
    assert find_unit(cell) == unit


NO_NUMBERS = (
    "5$50|5%6|1USD5|1.2K|3M|<0.5|1.5*|1/2|0x10|1_000|12:30|1.2.3|--5|1e|e5|$|%|\u00b2|1,,5|1.5.|12,34|0,123|5 kW|1 2"
)


@pytest.mark.parametrize("cell", NO_NUMBERS.replace("\n", "|").split("|"))
def test_text_that_is_not_a_number_is_not_read_as_one(cell):
    assert Numerals(".").number(cell) is None


SIGNS = "NA|n/a|#N/A|NaN|null|NULL|None|-|--|.|..|:|?|*|\\N|(null)|#NV|#DIV/0!|#WERT!|#VALEUR!|n.d.|k.A.|| "


@pytest.mark.parametrize("cell", [*SIGNS.split("|"), None, math.nan, np.datetime64("NaT"), Decimal("NaN")])
def test_signs_of_missing_values(cell):
    assert is_missing(cell)
    number = Numerals(".").number(cell) if not isinstance(cell, np.datetime64) else math.nan
    assert number is not None
    assert math.isnan(number)


@pytest.mark.parametrize("cell", ["0", "-1", "x", 0, 0.0, False, "na1", ".5"])
def test_other_cells_are_not_missing(cell):
    assert not is_missing(cell)


def test_true_and_false_are_one_and_zero():
    found = parse_booleans(["True", "false", "", "TRUE", "NA", True])
    assert found is not None
    np.testing.assert_array_equal(found, [1, 0, np.nan, 1, np.nan, 1])
    assert parse_booleans(["1", "0"]) is None
    assert parse_booleans(["True", "5"]) is None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,001", "985", "970", "1,234"], [1001, 985, 970, 1234]),
        (["3", "12", "90", "400", "990", "1,200", "4,800", "9,500"], [3, 12, 90, 400, 990, 1200, 4800, 9500]),
        (["1.001", "985", "970", "1.234"], [1001, 985, 970, 1234]),
    ],
)
def test_a_thousand_beside_hundreds_is_a_thousand_or_refused(values, cells, expected, separator):
    refused = ""
    try:
        assert values(column(cells, separator)) == expected
    except SeriesError as error:
        refused = str(error)
    assert "name the decimal sign" in refused or not refused


@pytest.mark.parametrize(
    ("cells", "separator", "expected"),
    [
        (["1,001", "985", "970", "1,234"], ",", [1001, 985, 970, 1234]),
        (["1,001", "985", "970", "1,234"], "\t", [1001, 985, 970, 1234]),
        (["1.001", "985", "970", "1.234"], ";", [1001, 985, 970, 1234]),
        (["1,001", "1,985", "1,234"], ",", [1001, 1985, 1234]),
        (["1,001", "1,985", "1,234"], ";", [1.001, 1.985, 1.234]),
        (["1.001", "1.985", "1.234"], ",", [1.001, 1.985, 1.234]),
        (["1.001", "1.985", "1.234"], "\t", [1.001, 1.985, 1.234]),
        (["0,985", "1,001", "1,234"], ";", [0.985, 1.001, 1.234]),
        (["1.001", "2", "1.234"], ",", [1.001, 2, 1.234]),
    ],
)
def test_three_digits_behind_a_sign_are_read_as_the_separator_lets_one_expect(values, cells, separator, expected):
    assert values(column(cells, separator)) == expected


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["1,001", "2", "1,234"], ","),
        (["1,001", "1,985", "1,234"], "\t"),
        (["12.345", "13.870", "14.002"], ";"),
        (["7.123", "999", "7.101"], ","),
        (["1,001", "30", "1,002", "31"], ";"),
    ],
)
def test_numbers_that_may_be_a_thousand_times_larger_are_refused_until_the_decimal_sign_is_named(
    values, cells, separator
):
    with pytest.raises(
        SeriesFileError, match=rf"s\.csv: '{cells[0]}' is ambiguous.* name the decimal sign .*--decimal"
    ):
        values(column(cells, separator))
    small = [float(cell.replace(",", ".")) for cell in cells]
    large = [float(cell.replace(",", "").replace(".", "")) for cell in cells]
    sign, other = (",", ".") if "," in cells[0] else (".", ",")
    assert values(column(cells, separator), decimal=sign) == small
    assert values(column(cells, separator), decimal=other) == large


def test_one_column_that_is_clear_decides_for_the_others(values):
    assert values("a;b\n1,234;0,5\n1,235;0,6\n") == [1.234, 1.235]
    assert values("a;b\n1.234;0.5\n1.235;0.6\n") == [1.234, 1.235]
    assert values("a\tb\n1,234\t0,5\n1,235\t0,6\n") == [1.234, 1.235]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["5%", "6"], r"line 3, column 'x': '6' has another unit than the numbers with '%'"),
        (["USD 5", "EUR 6"], r"line 3, column 'x': 'EUR 6' has another unit than the numbers with 'USD'"),
        (["1,5", "2.5"], r"line 2, column 'x': '1,5' is not a number; other cells have '\.' as decimal sign"),
        (["1.2K", "985"], r"line 2, column 'x': '1\.2K' is not a number; write numbers without letters"),
        (["1", "2", "n.b."], r"line 4, column 'x': 'n\.b\.' is not a number; leave a cell empty where its value is"),
        (["A", "B"], r"line 2, column 'x': 'A' is not a number; .*\(--column\).*\(--id\)"),
    ],
)
def test_the_message_says_what_helps(values, cells, message):
    with pytest.raises(SeriesFileError, match=message):
        values(column(cells, ";"))


def test_whole_numbers_of_hundreds_of_digits_are_refused():
    with pytest.raises(SeriesError, match=r"'x': '1000.* is missing or infinite"):
        Series.of(pd.DataFrame({"x": [10**400, 1]}, dtype=object))


LOCALES = {
    "English": (",", "."),
    "German": (".", ","),
    "French": ("\u202f", ","),
    "Swiss": ("\u2019", "."),
    "plain": ("", "."),
}


def written(value: Decimal, digits: int, locale: str) -> str:
    group, decimal = LOCALES[locale]
    return f"{value:,.{digits}f}".replace(",", "G").replace(".", decimal).replace("G", group)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.sampled_from(list(LOCALES)),
    st.integers(0, 6),
    st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20),
    st.sampled_from(["", "€ ", "% "]),
)
def test_numbers_by_the_rules_of_a_country_come_back_exactly_or_are_doubted(locale, digits, numbers, unit):
    values = [Decimal(number).scaleb(-digits) for number in numbers]
    cells = [unit.strip() * (unit == "€ ") + written(v, digits, locale) + unit.strip() * (unit == "% ") for v in values]
    numerals = Numerals.of([cells], LOCALES[locale][1])  # pyright: ignore[reportArgumentType] - a sign
    if numerals.doubtful is None:
        assert [numerals.number(cell) for cell in cells] == [float(value) for value in values]
    given_sign = Numerals(LOCALES[locale][1])  # pyright: ignore[reportArgumentType] - the same
    assert [given_sign.number(cell) for cell in cells] == [float(value) for value in values]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.sampled_from(["English", "German"]), st.lists(st.integers(0, 10**7), min_size=8, max_size=40))
def test_counts_without_decimals_are_never_read_as_thousandths(locale, numbers):
    """Whatever else is known: the separator of the file is not."""
    assume(any(number >= 1000 for number in numbers))
    assume(len({number for number in numbers if 0 < number < 1000}) > 1)
    cells = [written(Decimal(number), 0, locale) for number in numbers]
    numerals = Numerals.of([cells], None)
    if numerals.doubtful is None:
        assert [numerals.number(cell) for cell in cells] == [float(number) for number in numbers]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_comes_back(value):
    assert Numerals.of([[repr(value)]]).number(repr(value)) == value


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.text(max_size=12))
def test_no_text_makes_the_reader_fail(text):
    numerals = Numerals.of([[text, "1,5"]])
    assert numerals.number(text) is None or isinstance(numerals.number(text), float)
    find_unit(text)
