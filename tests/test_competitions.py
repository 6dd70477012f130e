"""The benchmark of the competitions: which series it takes, and how it compares."""

import gzip
import json

import numpy as np
import pytest

import competition_scores
import competitions


@pytest.fixture
def file(tmp_path):
    """Two sets of ten series. One of M3 has a longer future."""

    def series(number, steps):
        return {"id": str(number), "past": [float(number), 1.0, 3.0], "future": [2.0] * steps}

    sets = {
        "M1 yearly": {"period": 1, "horizon": 2, "series": [series(i, 2) for i in range(10)]},
        "M3 yearly": {"period": 1, "horizon": 2, "series": [series(i, 2 + (i == 9)) for i in range(10)]},
    }
    path = tmp_path / "series.json.gz"
    path.write_bytes(gzip.compress(json.dumps(sets).encode()))
    return path


def keys(file, half, sample=0):
    return {name: [case.key for case in cases] for name, cases in competitions.read(file, half, sample).items()}


def test_the_halves_share_no_series(file):
    first, second = keys(file, "development"), keys(file, "confirmation")
    assert first == {
        "M1 yearly": [f"M1 yearly {i}" for i in range(10)],
        "M3 yearly": [f"M3 yearly {i}" for i in (0, 2, 4, 6, 8)],
    }
    assert second == {"M3 yearly": [f"M3 yearly {i}" for i in (1, 3, 5, 7)], "M3 other": ["M3 yearly 9"]}
    assert sum(map(len, keys(file, "all").values())) == 20


def test_a_sample_is_the_same_each_time(file):
    drawn = keys(file, "all", 4)
    assert {name: len(some) for name, some in drawn.items()} == {"M1 yearly": 4, "M3 yearly": 4, "M3 other": 1}
    assert drawn == keys(file, "all", 4)


def forecast(case, value, width):
    found = {"point": [value] * len(case.future), "seconds": 1.0}
    for level in competitions.LEVELS:
        found |= {
            f"low {level}": [value - width] * len(case.future),
            f"high {level}": [value + width] * len(case.future),
        }
    return found


def test_what_was_refused_counts_as_the_fallback(file):
    cases = competitions.read(file, "all", 0)["M1 yearly"]
    naive = {case.key: forecast(case, 3.0, 2.0) for case in cases}
    ours = {case.key: forecast(case, 2.0, 0.0) for case in cases}
    ours[cases[0].key] = {"error": "too short", "seconds": 0.0}
    scores = competition_scores.scores_of(cases, ours, naive)
    assert scores.refused == 1
    assert scores.mase[0] == 1 / 1.5  # past 0, 1, 3
    assert not scores.mase[1:].any()
    assert scores.wql == pytest.approx(scores.wqls.mean())  # all have the same values to forecast
    assert scores.inside == {80: 100.0, 95: 100.0}
    assert scores.seconds == 0.9


def test_the_summary_is_beside_autoets():
    """Twice the error on one set and half of it on the other. Two series are won, one is a tie."""

    def scores(*mase):
        return competition_scores.Scores(np.array(mase), np.zeros(len(mase)), 1.0, np.ones(len(mase)), {}, 1.0, 0)

    sets = {
        "a": {"freerun": scores(1.0, 7.0), "AutoETS": scores(2.0, 2.0)},
        "b": {"freerun": scores(1.0, 2.0), "AutoETS": scores(4.0, 2.0)},
    }
    found = competition_scores.summary_of("freerun", sets)
    assert found["MASE ratio"] == pytest.approx(1.0)
    assert found["won"] == 2.5 / 4
    assert found["p"] == 1.0  # two won, one lost
    low, high = found["MASE ratio, 95 %"]
    assert low < 1 < high


def test_the_median_leaves_out_what_was_refused():
    given = [{"point": [1.0], "seconds": 1.0}, {"point": [3.0], "seconds": 2.0}, {"error": "too short", "seconds": 0.5}]
    assert competitions.median_of(given) == {"point": [2.0], "seconds": 3.5}
