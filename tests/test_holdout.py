"""What is held out of a fit, at the boundaries of its rules."""

import numpy as np
import pytest

from freerun import RNN
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.selection.holdout import held_out, parts_left_out, recent, require_held_out
from freerun.selection.judge import Judge
from freerun.settings import Settings


def series(steps):
    return Series.of(np.arange(float(steps)))


def sine(steps):
    return np.sin(np.arange(steps) / 5) + 0.1 * np.random.default_rng(0).normal(size=steps)


@pytest.mark.parametrize(
    ("steps", "held"), [(3, 0), (4, 1), (399, 99), (400, 100), (19_999, 4_999), (20_000, 5_000), (1_000_000, 5_000)]
)
def test_a_quarter_is_held_out_to_choose_by_up_to_5000_steps(steps, held):
    assert held_out(Settings.checked(), steps, choosing=True) == held


def test_nothing_is_held_out_where_nothing_is_chosen_unless_it_is_asked_for():
    assert held_out(Settings.checked(), 400, choosing=False) == 0
    assert held_out(Settings.checked(holdout=0.5), 400, choosing=False) == 200
    assert held_out(Settings.checked(holdout=0.0), 400, choosing=True) == 0


@pytest.mark.parametrize(
    ("holdout", "steps", "held"),
    [
        pytest.param(None, 13, 3, id="ten steps are left"),
        pytest.param(0.1, 30, 3, id="three steps are held out"),
        pytest.param(0.5, 19, 9, id="halves"),
    ],
)
def test_three_steps_are_held_out_and_ten_are_left_at_least(holdout, steps, held):
    settings = Settings.checked(holdout=holdout)
    assert require_held_out(settings, [steps]) == held
    with pytest.raises(SeriesError, match=f"has {steps - 1} steps, too few to choose settings"):
        require_held_out(settings, [steps - 1])


def test_choosing_without_a_part_held_out_is_refused():
    with pytest.raises(SettingError, match="holdout=0 leaves free runs nothing to choose by"):
        require_held_out(Settings.checked(holdout=0.0), [400])


@pytest.mark.parametrize(("steps", "washout", "folds"), [(300, 0, 1), (301, 0, 2), (310, 10, 1), (311, 10, 2)])
def test_two_parts_are_held_out_in_turn_if_more_than_one_more_is_left(steps, washout, folds):
    assert parts_left_out(steps, 100, washout) == [(100, 0), (200, 100)][:folds]


def test_the_shortest_series_of_a_panel_decides_how_many_parts_are_held_out():
    given = Settings.checked(optimizer="ridge", hidden=20, holdout=100 / 301)
    assert len(Judge(given, [series(900), series(301)]).parts) == 2
    assert len(Judge(given.with_(holdout=1 / 3), [series(900), series(300)]).parts) == 1


def test_networks_are_judged_on_fits_to_the_last_20000_steps():
    """With 5000 held out: the last 25000 steps, and all of a shorter series."""
    long, exact, short = recent([series(25_001), series(25_000), series(40)], 5_000)
    assert (len(long), len(exact), len(short)) == (25_000, 25_000, 40)
    assert (long.values[0, 0], long.values[-1, 0]) == (1.0, 25_000.0)
    assert (exact.values[0, 0], short.values[0, 0]) == (0.0, 0.0)


def test_a_share_holds_out_the_steps_that_it_says():
    assert held_out(Settings.checked(holdout=0.29), 100, choosing=True) == 29


@pytest.mark.filterwarnings("ignore:series 1 of those learned together")
def test_a_panel_with_a_short_series_is_learned_by_windows_that_suit_it():
    """The season of 31 steps, which the long series tells, is longer than the short one."""
    model = RNN().fit([sine(144), sine(30)]).model_
    assert model.trained_on == 2
    assert model.best.settings.memory < 30 // 4
