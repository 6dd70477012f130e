"""The scores of `competitions.py`: of a method on a set,
beside the method that all are measured by, and published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from freerun import metrics

MEASURE = "AutoETS"
"""The method that all are measured by."""

QUANTILES = tuple(k / 10 for k in range(1, 10))
"""Levels of WQL."""

BOUNDS = (*(f"low {level}" for level in (80, 60, 40, 20)), "point", *(f"high {level}" for level in (20, 40, 60, 80)))
"""Columns of a forecast that are these quantiles."""

FREQUENCIES = {1: "YS", 4: "QS", 12: "MS"}
"""Of the dates that the series get, by their period."""

RESAMPLES = 1000
"""Bootstrap samples of the series, for intervals of the ratio of errors."""

Forecast = dict[str, Any]
"""Lists under `point`, `low 80`, `high 80`, ..., or the reason of a refusal under `error`;
processor seconds."""


@dataclass(frozen=True)
class Case:
    """A series to forecast.

    Attributes:
        key: its set and its name.
        period: of its calendar, in steps.
        past: values to learn from.
        future: values to forecast.
    """

    key: str
    period: int
    past: np.ndarray
    future: np.ndarray

    def dated(self) -> pd.Series:
        """The past with dates of its frequency. The file has none,
        so they begin at a date that is made up."""
        dates = pd.date_range("1900-01-01", periods=len(self.past), freq=FREQUENCIES[self.period])
        return pd.Series(self.past, dates)


@dataclass(frozen=True)
class Scores:
    """How a method did on a set of N series.

    Attributes:
        mase: of each series, shape (N,).
        smape: of each series, 0 to 200, shape (N,).
        wql: of the set, over the levels 0.1 to 0.9.
        wqls: of each series alone, shape (N,).
        inside: percent of the truth within the intervals, by level.
        seconds: of the processor, a series.
        refused: number of series that the method refused.
    """

    mase: np.ndarray
    smape: np.ndarray
    wql: float
    wqls: np.ndarray
    inside: dict[int, float]
    seconds: float
    refused: int


def scores_of(cases: list[Case], forecasts: dict[str, Forecast], fallback: dict[str, Forecast]) -> Scores:
    """The scores of a method on a set; a forecast that was
    refused counts as that of the fallback."""
    asked = [forecasts[case.key] for case in cases]
    used = [fallback[case.key] if "error" in one else one for case, one in zip(cases, asked, strict=True)]
    truths = [case.future[:, None] for case in cases]
    points = [np.array(one["point"])[:, None] for one in used]
    quantiles = [np.array([one[name] for name in BOUNDS])[..., None] for one in used]
    pasts = [(case.past[:, None], case.period) for case in cases]
    return Scores(
        mase=np.array([metrics.mase(y, p, *past) for y, p, past in zip(truths, points, pasts, strict=True)]),
        smape=np.array([metrics.smape(y, p) for y, p in zip(truths, points, strict=True)]),
        wql=metrics.wql(truths, quantiles, QUANTILES),
        wqls=np.array([metrics.wql([y], [q], QUANTILES) for y, q in zip(truths, quantiles, strict=True)]),
        inside={level: _inside(cases, used, level) for level in (80, 95)},
        seconds=float(np.mean([one["seconds"] for one in asked])),
        refused=sum("error" in one for one in asked),
    )


def _inside(cases: list[Case], forecasts: list[Forecast], level: int) -> float:
    """Percent of the truth within the intervals."""
    within = [
        (case.future >= found[f"low {level}"]) & (case.future <= found[f"high {level}"])
        for case, found in zip(cases, forecasts, strict=True)
    ]
    return 100 * float(np.concatenate(within).mean())


def summary_of(who: str, scores: dict[str, dict[str, Scores]]) -> dict[str, Any]:
    """One method over all sets, beside the method that all are measured by.

    The ratio of MASE is the geometric mean over the sets, with a 95 % interval by a bootstrap of
    the series. The share of series won counts a tie as half. The sign test leaves ties out.
    """
    pairs = [(found[who].mase, found[MEASURE].mase) for found in scores.values()]
    ours, theirs = (np.concatenate(side) for side in zip(*pairs, strict=True))
    won, lost = int((ours < theirs).sum()), int((ours > theirs).sum())
    draw = np.random.default_rng(0)
    ratios = []
    for _ in range(RESAMPLES):
        chosen = [draw.integers(len(own), size=len(own)) for own, _ in pairs]
        ratios.append(_ratio([(a[i], b[i]) for (a, b), i in zip(pairs, chosen, strict=True)]))
    low, high = np.quantile(ratios, (0.025, 0.975)).tolist()
    wql = [np.log(found[who].wql / found[MEASURE].wql) for found in scores.values()]
    return {
        "who": who,
        "MASE ratio": _ratio(pairs),
        "MASE ratio, 95 %": [low, high],
        "WQL ratio": float(np.exp(np.mean(wql))),
        "won": (won + (len(ours) - won - lost) / 2) / len(ours),
        "p": float(binomtest(won, won + lost).pvalue) if won + lost else 1.0,
        "refused": sum(found[who].refused for found in scores.values()),
        "seconds": float(
            np.average([found[who].seconds for found in scores.values()], weights=[len(a) for a, _ in pairs])
        ),
    }


def _ratio(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Geometric mean over the sets of the ratio of mean errors."""
    return float(np.exp(np.mean([np.log(ours.mean() / theirs.mean()) for ours, theirs in pairs])))


def rows_of(scores: dict[str, Scores]) -> list[dict[str, Any]]:
    """The methods on one set, the lowest MASE first."""
    rows = [
        {
            "who": who,
            "MASE": float(found.mase.mean()),
            "sMAPE": float(found.smape.mean()),
            "WQL": found.wql,
            **{f"in {level} %": share for level, share in found.inside.items()},
            "seconds": found.seconds,
            "refused": found.refused,
        }
        for who, found in scores.items()
    ]
    return sorted(rows, key=lambda row: row["MASE"])


def published_rows(published: dict[str, Any], sets: Iterable[str]) -> list[dict[str, Any]]:
    """Published MASE, and geometric means over the sets of the ratios to the published AutoETS,
    all on whole sets."""
    some = {name: published[name] for name in sets if name in published}
    rows = []
    for who in sorted(set.intersection(*(set(found) for found in some.values())) if some else ()):
        ratios = {
            measure: float(np.exp(np.mean([np.log(f[who][measure] / f["auto_ets"][measure]) for f in some.values()])))
            for measure in ("MASE", "WQL")
        }
        trained = any(str(found[who]["trained_on_it"]) == "True" for found in some.values())
        by_set = {name: found[who]["MASE"] for name, found in some.items()}
        rows.append(
            {"who": who, "MASE ratio": ratios["MASE"], "WQL ratio": ratios["WQL"], "trained on it": trained} | by_set
        )
    return sorted(rows, key=lambda row: row["MASE ratio"])
