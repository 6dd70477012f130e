"""Networks that read a parameter of a system, at values of it that they never read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun.data.profile import parameters_of
from freerun.data.series import Series
from freerun.errors import SeriesWarning
from freerun.selection.judge import Judge
from freerun.selection.system_parameters import ParameterJudge, judge_of
from freerun.settings import Settings


def logistic(r: float, steps: int, start: float = 0.4) -> np.ndarray:
    """The logistic map after 200 steps."""
    values = [start]
    for _ in range(steps + 200):
        values.append(r * values[-1] * (1.0 - values[-1]))
    return np.array(values[-steps:])


def series_at(r: float, steps: int = 400) -> Series:
    return Series.of(logistic(r, steps), inputs=pd.DataFrame({"r": np.full(steps, r)}))


def test_a_map_is_run_at_a_parameter_between_those_that_were_learned():
    """Three chaotic values are learned; at 3.83 the map has a cycle of three values (May, 1976)."""
    rnn = freerun.RNN(200, optimizer="ridge").fit([series_at(r) for r in (3.6, 3.75, 3.9)])
    start = Series.of(logistic(3.75, 20), inputs=pd.DataFrame({"r": np.full(20, 3.83)}))
    run = rnn.generate(800, after=start, inputs=np.full(800, 3.83)).values[-100:, 0]
    np.testing.assert_allclose(run[3:], run[:-3], atol=0.01)
    np.testing.assert_allclose(np.sort(run[:3]), np.sort(logistic(3.83, 3)), atol=0.03)


def test_parameters_are_inputs_that_differ_between_series_alone():
    time = np.arange(50.0)
    panel = [
        Series.of(
            np.sin(time + r), inputs=pd.DataFrame({"load": np.cos(time), "r": np.full(50, r), "same": np.ones(50)})
        )
        for r in (1.0, 2.0)
    ]
    assert parameters_of(panel) == (1,)
    assert parameters_of([Series.of(np.sin(time))]) == ()


def test_a_value_is_left_out_where_there_are_three():
    panel = [series_at(r, 100) for r in (3.6, 3.75, 3.75, 3.9)]
    judge = judge_of(Settings.checked(), panel)
    assert isinstance(judge, ParameterJudge)
    assert len(judge.groups) == 3
    assert type(judge_of(Settings.checked(), panel[:3])) is Judge


def test_all_series_share_one_scale_of_the_parameter():
    model = (
        freerun.RNN(20, cell="memoryless", optimizer="ridge", delays=2, input_scale=0.3, l2=1e-6)
        .fit([series_at(r, 100) for r in (3.6, 3.75, 3.9)])
        .model_
    )
    assert model.best.scaling.input_mean == pytest.approx([3.75])
    assert model.best.scaling.input_scale == pytest.approx([np.std([3.6, 3.75, 3.9])])


def test_a_parameter_that_never_varies_is_named():
    with pytest.warns(SeriesWarning, match=r"external input 'r' is 3\.7 at all steps"):
        freerun.RNN(20, cell="memoryless", optimizer="ridge", delays=2, input_scale=0.3, l2=1e-6).fit(
            [series_at(3.7, 100), series_at(3.7, 120)]
        )
