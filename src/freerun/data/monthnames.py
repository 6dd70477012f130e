"""Names of months and their abbreviations, in Western European languages."""

from __future__ import annotations

MONTH_NAMES = (
    "jan january januar jänner janv janvier ene enero gen gennaio januari janeiro",
    "feb february februar feber févr fév fev fevr février febrero febbraio februari fevereiro",
    "mar march märz mär mrz mars marzo mrt maart março marts",
    "apr april avr avril abr abril aprile",
    "may mai mayo mag maggio mei maio maj",
    "jun june juni juin junio giu giugno junho",
    "jul july juli juil juillet julio lug luglio julho",
    "aug august août aout aoû ago agosto augustus augusti",
    "sep sept september septembre septiembre set settembre setembro",
    "oct october okt oktober octobre octubre ott ottobre out outubro",
    "nov november novembre noviembre novembro",
    "dec december dez dezember déc décembre dic diciembre dicembre dezembro",
)
"""Names of each month in lower case; no name stands for different months in two languages."""

MONTH_NUMBERS = {name: number for number, names in enumerate(MONTH_NAMES, 1) for name in names.split()}
"""Number of the month, 1 to 12, by name in lower case."""


def parse_month(name: str) -> int | None:
    """Return the number of a month, 1 to 12, by its name; None for any other word."""
    return MONTH_NUMBERS.get(name.lower())
