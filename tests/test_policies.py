"""What policies propose, at the boundaries of their rules."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import freerun
from freerun.data.profile import Profile
from freerun.errors import SettingError
from freerun.selection.policies import (
    ATTRACTOR,
    FORECAST,
    MOST_MONOMIALS_OF_FIELD,
    STATES,
    FieldPolicy,
    differences_of,
    inputs_near,
    is_clean_sample,
    policy_for,
    window,
)
from freerun.settings import Settings

PLAIN = Profile(
    steps=8_000,
    shortest=8_000,
    series=1,
    channels=1,
    inputs=0,
    complete=True,
    dated=False,
    noises=(0.01,),
    seasons=(),
    positive=True,
)
"""The shortest sample, with the least noise, of which long runs decide."""


def profile(steps, **changes):
    return replace(PLAIN, steps=steps, shortest=steps, **changes)


def windows_of(given):
    """The windows of the memoryless candidates."""
    return {proposal["delays"] for proposal in FORECAST.candidates(given) if proposal["cell"] == "memoryless"}


def test_long_runs_decide_for_a_noisy_sample_of_8000_steps():
    assert policy_for(Settings.checked(), PLAIN) is ATTRACTOR
    assert not is_clean_sample(PLAIN)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 7_999},
        {"noises": (0.00999,)},
        {"dated": True},
        {"inputs": 1},
        {"series": 2},
        {"complete": False},
    ],
    ids=str,
)
def test_forecasts_decide_where_one_condition_of_a_noisy_sample_fails(changes):
    assert policy_for(Settings.checked(), replace(PLAIN, **changes)) is FORECAST


def test_a_clean_sample_has_8000_steps_and_noise_below_a_hundredth():
    clean = replace(PLAIN, noises=(0.00999,))
    assert is_clean_sample(clean)
    assert not is_clean_sample(replace(clean, steps=7_999))


def test_the_setting_decides_before_the_series_does():
    assert policy_for(Settings.checked(select="forecast"), PLAIN) is FORECAST
    assert policy_for(Settings.checked(select="attractor"), profile(50, noises=(0.0,))) is ATTRACTOR


@pytest.mark.parametrize("changes", [{"inputs": 1}, {"series": 2}, {"complete": False}], ids=str)
def test_long_runs_are_refused_where_there_is_nothing_to_compare_them_with(changes):
    with pytest.raises(SettingError, match="select='attractor' compares long free runs with one complete series"):
        policy_for(Settings.checked(select="attractor"), replace(PLAIN, **changes))


def test_a_window_holds_values_at_equal_distances():
    assert window(1, 4) == (0,)
    assert window(3, 1) == (0, 1, 2)
    assert window(3, 4) == (0, 4, 8)


@pytest.mark.parametrize(
    ("lags", "steps"),
    [
        pytest.param(window(3, 1), 12, id="2 is less than a quarter of 12"),
        pytest.param(window(50, 1), 200, id="49 is less than a quarter of 200"),
        pytest.param(window(8, 8), 228, id="56 is less than a quarter of 228"),
    ],
)
def test_a_window_reaches_back_over_less_than_a_quarter_of_the_series(lags, steps):
    assert lags in windows_of(profile(steps))
    assert lags not in windows_of(profile(steps - 1))


def test_a_series_too_short_for_any_window_is_read_value_by_value():
    assert windows_of(profile(11)) == {(0,)}


def test_a_window_holds_a_thousand_numbers_at_most():
    """50 values of 20 channels, or of 19 channels and an input."""
    assert window(50, 1) in windows_of(profile(5_000, channels=20))
    assert window(50, 1) in windows_of(profile(5_000, channels=19, inputs=1))
    assert window(50, 1) not in windows_of(profile(5_000, channels=21))
    assert window(50, 1) not in windows_of(profile(5_000, channels=20, inputs=1))


def test_a_season_and_a_step_is_tried_as_a_window():
    assert window(31, 1) in windows_of(profile(400, seasons=(30,)))
    assert window(31, 1) not in windows_of(profile(400))


def test_whole_states_are_tried_where_there_are_several_channels():
    assert {(0,), (0, 1)} <= windows_of(profile(400, channels=2))
    assert not {(0,), (0, 1)} & windows_of(profile(400))


def test_differences_of_a_season_need_a_series_of_four_seasons():
    assert differences_of(profile(48, seasons=(12,))) == [(), (1,), (12,), (1, 12)]
    assert differences_of(profile(47, seasons=(12,))) == [(), (1,)]
    assert differences_of(replace(profile(100, seasons=(12,)), shortest=47)) == [(), (1,)]


def test_differences_of_two_seasons_go_with_each_other():
    found = differences_of(profile(1_000, seasons=(24, 168)))
    assert found == [(), (1,), (24,), (168,), (1, 24), (1, 168), (24, 168)]


def test_noise_near_the_best_is_a_third_and_three_times_of_it_and_some_beside_none():
    best = Settings.checked(input_noise=0.03)
    assert [n["input_noise"] for n in inputs_near(best)] == pytest.approx([0.01, 0.09])
    assert [n["input_noise"] for n in inputs_near(Settings.checked(input_noise=0.0), (3e-3, 1e-2))] == [3e-3, 1e-2]
    assert not list(inputs_near(Settings.checked(input_noise=0.0)))


def test_neighbours_of_a_window_are_shorter_longer_and_wider_as_far_as_they_fit():
    best = Settings.checked(cell="memoryless", delays=window(8, 2), input_scale=0.4, input_noise=0.0)

    def delays(steps):
        return [n["delays"] for n in FORECAST.neighbours(best, profile(steps)) if "delays" in n]

    assert delays(400) == [window(6, 2), window(11, 2), window(8, 3), window(8, 1)]
    # the longer one reaches back over 20 steps, the wider one over 21
    assert delays(87) == [window(6, 2), window(11, 2), window(8, 1)]
    assert delays(83) == [window(6, 2), window(8, 1)]
    scales = [n["input_scale"] for n in FORECAST.neighbours(best, profile(400)) if "input_scale" in n]
    assert scales == [0.2, 0.8]


@pytest.mark.parametrize("steps", [12, 30, 1_000, 100_000])
def test_rounds_give_fewer_candidates_more_units_and_more_runs(steps):
    for policy in (FORECAST, ATTRACTOR, STATES):
        rounds = policy.rounds(profile(steps))
        for before, after in pairwise(rounds):
            assert before.units <= after.units
            assert before.runs <= after.runs
            assert before.keep >= after.keep
        assert rounds[-1].units == 1.0


def test_what_is_given_leaves_out_the_cells_on_which_it_has_no_effect():
    values = np.column_stack([np.sin(0.3 * np.arange(150)), np.cos(0.3 * np.arange(150))])
    chosen = freerun.RNN(20, optimizer="ridge").fit(values).model_.best.settings
    assert chosen.hidden == 20
    assert chosen.cell != "polynomial"


def test_polynomials_of_a_clean_field_stay_within_its_sites_and_a_number_of_monomials():
    clean = profile(2_000, channels=11, noises=(0.0,) * 11)
    policy = FieldPolicy(11)
    found = [one for one in policy.candidates(clean) if one["cell"] == "polynomial"]
    assert found
    best = Settings.checked(optimizer="ridge", **found[-1])
    changed = [best.with_(**one) for one in policy.neighbours(best, clean)]
    near = [(one.neighbours, one.degree or 0) for one in changed if isinstance(one.neighbours, int)]
    assert (5, 4) in near  # 11 sites, all there are
    assert all(math.comb(2 * width + 1 + degree, degree) <= MOST_MONOMIALS_OF_FIELD + 12 for width, degree in near)
    assert all(width <= 5 for width, _ in near)
    noisy = replace(clean, noises=(0.02,) * 11)
    assert not [one for one in policy.candidates(noisy) if one["cell"] == "polynomial"]
