"""Series to try the page with, as text of CSV files."""

from __future__ import annotations

import numpy as np


def monthly_sales() -> str:
    """Twelve years of monthly sales with a trend, a season and two missing months."""
    random, t = np.random.default_rng(7), np.arange(144)
    sales = (200 + 2.2 * t) * (1 + 0.25 * np.sin(2 * np.pi * (t - 3) / 12)) * np.exp(0.03 * random.normal(size=144))
    rows = [f"{2012 + m // 12}-{m % 12 + 1:02d},{sale:.0f}" for m, sale in enumerate(sales) if m not in (61, 62)]
    return "\n".join(["month,sales", *rows, ""])


def two_shops() -> str:
    """Ten weeks of daily visitors of two shops in long format,
    with offers that are known for two weeks to come."""
    random, t = np.random.default_rng(3), np.arange(84)
    offer = (random.random(84) < 0.2).astype(int)
    days = np.datetime64("2025-01-06") + t
    rows = []
    for shop, size in (("north", 120), ("south", 70)):
        week = size * (1 + 0.3 * (t % 7 >= 5) + 0.5 * offer) + 3 * random.normal(size=84)
        seen = ["" if step >= 70 else f"{value:.0f}" for step, value in enumerate(week)]
        rows += [f"{shop},{day},{value},{given}" for day, value, given in zip(days, seen, offer, strict=True)]
    return "\n".join(["shop,day,visitors,offer", *rows, ""])


EXAMPLES = {
    "Monthly sales": ("monthly-sales.csv", monthly_sales, ()),
    "Two shops and their offers": ("two-shops.csv", two_shops, ("offer",)),
}
"""File name, text, and columns of external inputs, by the name of the example."""
