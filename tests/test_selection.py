"""What is left open is chosen by free runs on the end of the training series,
and by nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import freerun
from freerun import metrics
from freerun.compute.programs import computing
from freerun.data.profile import Profile
from freerun.data.scaling import Scaling
from freerun.errors import MachineError, SeriesError, SeriesWarning, TrainingDiverged
from freerun.network import ridge
from freerun.plan import settled, train_plan
from freerun.selection.attractor import RUNS, AttractorJudge, Likeness
from freerun.selection.candidates import can_estimate
from freerun.selection.choosing import members_of
from freerun.selection.judge import Candidate, Judge
from freerun.selection.policies import FORECAST, Round, may_have_states
from freerun.selection.race import kinds_first
from freerun.settings import Settings
from freerun.training.loop import train
from freerun.training.validation import Validation

OPEN: dict[str, Any] = {
    "optimizer": "ridge",
    "cell": "memoryless",
    "hidden": 40,
    "delays": 6,
    "restarts": 2,
    "input_noise": 0.0,
}


@pytest.fixture(scope="module")
def series():
    return freerun.systems.multiple_sines(300, seed=0)


@pytest.fixture(scope="module")
def chosen(series):
    return freerun.RNN(**OPEN).fit(series)


def test_given_settings_are_kept_and_open_ones_are_filled_in(chosen):
    best = chosen.model_.best.settings
    assert (best.cell, best.hidden, best.delays) == ("memoryless", 40, 6)
    assert best.l2 is not None
    assert best.input_scale is not None
    assert chosen.get_params()["l2"] is None


def test_the_choice_does_not_see_the_validation_series(series, chosen):
    other = freerun.RNN(**OPEN).fit(series, validation=series.values[::-1] * 3 + 1)
    assert other.model_.best.settings == chosen.model_.best.settings
    np.testing.assert_array_equal(other.generate(5).values, chosen.generate(5).values)


def test_the_judge_takes_the_penalty_that_runs_free_best_over_the_held_out_steps(series):
    """Recomputed with public means: fit each penalty to the first 180 steps,
    run free over the 120 that are held out.

    So large a part is left out once; with a smaller one there would be another before it.
    """
    given = OPEN | {"input_scale": 0.5, "restarts": 1, "holdout": 0.4, "difference": 0}
    noisy = freerun.Series(series.values + np.random.default_rng(0).normal(0, 0.05, series.shape))
    settings, penalties = Settings.checked(**given), [1e-6, 1e-4, 1e-2, 1.0, 100.0]
    judged = Judge(settings, [noisy])(settled(settings, 300), penalties)
    standard = Scaling.fitted([noisy], settings).apply(noisy)
    starts = np.linspace(179, 259, 9).astype(int)

    def error(l2: float) -> float:
        rnn = freerun.RNN(**given, l2=l2, standardize=False, washout=5).fit(standard[:180])
        runs = np.stack([rnn.generate(40, after=standard[: start + 1]).values for start in starts])
        truth = np.stack([standard[start + 1 : start + 41] for start in starts])
        return float(np.minimum(np.abs(runs - truth), 1.0).mean())

    errors = [error(penalty) for penalty in penalties]
    assert judged.error == pytest.approx(min(errors), rel=1e-6)
    assert judged.settings.l2 == penalties[int(np.argmin(errors))]


def test_members_are_kept_the_best_first(series):
    rnn = freerun.RNN(**{**OPEN, "restarts": 3}, members=3, input_scale=0.5).fit(series)
    assert len(rnn.model_.members) == 3
    runs = np.stack(
        [
            freerun.RNN().set_params(**m.settings.model_dump()).fit(series).generate(10).values
            for m in rnn.model_.members
        ]
    )
    np.testing.assert_allclose(rnn.generate(10).values, runs[0], atol=1e-9)
    np.testing.assert_allclose(rnn.generate(10, ensemble="mean").values, runs.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(rnn.generate(10, ensemble="median").values, np.median(runs, axis=0), atol=1e-9)


@pytest.mark.quick(how=[{"optimizer": "adam"}])
@pytest.mark.parametrize("how", [{"optimizer": "adam"}, {"optimizer": "levenberg-marquardt", "segment_lengths": (5,)}])
def test_restarts_are_judged_by_free_runs_and_the_best_weights_are_kept(series, how):
    settings = settled(Settings.checked(hidden=4, cell="simple", delays=2, epochs=10, restarts=3, **how), 300)
    scaling = Scaling.fitted([series], settings)
    trained = train(
        [train_plan(settings.with_(seed=seed), 1) for seed in range(3)], [series], None, scaling, held_out=75
    )
    lowest = [min(t.history.free_run_error) for t in trained]
    assert lowest == sorted(lowest)
    assert len({t.settings.seed for t in trained}) == 3
    with computing("float64"):
        judge = Validation.of([scaling.apply(series)], 1, 75, "float64")
        for t in trained:
            assert float(judge.error(t.network)) == pytest.approx(min(t.history.free_run_error), rel=1e-6)


def test_a_member_that_diverges_is_dropped_and_named_and_the_others_go_on(series, monkeypatch):
    """One of two starts is spoiled."""
    from freerun.training import loop

    fresh = loop._initial_network

    def spoiled(plan, panel):
        network = fresh(plan, panel)
        if plan.seed == 1:
            return network.with_readout(network.readout, network.bias * np.nan, network.direct)
        return network

    monkeypatch.setattr(loop, "_initial_network", spoiled)
    rnn = freerun.RNN(4, optimizer="adam", epochs=10, restarts=2, members=2).fit(series)
    assert [m.settings.seed for m in rnn.model_.members] == [0]
    with pytest.raises(TrainingDiverged, match=r"initial weights \(seed 1\)"):
        freerun.RNN(4, optimizer="adam", epochs=10, seed=1).fit(series)


def test_a_series_too_short_to_choose_on():
    with pytest.raises(SeriesError, match="8 steps, too few to choose"):
        freerun.RNN(50).fit(np.sin(np.arange(8)))


def test_a_series_too_short_to_choose_on_is_named_among_others():
    y = np.sin(np.arange(144) / 5)
    with pytest.raises(
        SeriesError, match=r"series 1 of those learned together has 8 steps, too few to choose.*leave it"
    ):
        freerun.RNN(20).fit([y, y[:8], y])


def test_short_series_that_decide_for_longer_ones_are_named():
    """A quarter of the shortest series is held out of all."""
    y = np.sin(np.arange(144) / 5) + np.random.default_rng(0).normal(0, 0.1, 144)
    message = r"series 1 of those learned together: the shortest has 20 steps, .* over 5 steps .* most have 36 or more"
    with pytest.warns(SeriesWarning, match=message):
        freerun.RNN(20).fit([y, y[:20], y])


@pytest.mark.slow
def test_the_default_holds_on_the_tutorials_series():
    """1000 steps of Mackey-Glass, nothing given but fewer units."""
    series = freerun.systems.mackey_glass(1300, seed=1)
    rnn = freerun.RNN(300, members=2).fit(series.between(0, 1000))
    scores = rnn.evaluate(series, 1000)
    assert scores.vpt == 300
    assert scores.nrmse84 is not None
    assert scores.nrmse84 < 5e-3
    (exponent,) = rnn.lyapunov_exponents()
    assert 0.003 < exponent < 0.012  # 0.0061 a step was measured from the equation


@pytest.mark.slow
def test_without_held_out_steps_all_restarts_are_kept_or_none_can_be_chosen():
    values = np.sin(np.arange(300) / 5)
    parameters: dict[str, Any] = {"hidden": 4, "optimizer": "adam", "epochs": 5, "restarts": 3, "holdout": 0.0}
    rnn = freerun.RNN(**parameters, members=3).fit(values)
    assert [member.settings.seed for member in rnn.model_.members] == [0, 1, 2]
    with pytest.raises(freerun.errors.SettingError, match="holdout=0 leaves free runs nothing to choose by"):
        freerun.RNN(**parameters).fit(values)


def test_select_says_what_candidates_are_chosen_by():
    values = np.sin(np.arange(600) / 5) + np.random.default_rng(0).normal(0, 0.05, 600)
    given: dict[str, Any] = {"hidden": 20, "cell": "memoryless", "delays": 10, "input_scale": 0.5, "input_noise": 0.01}
    for select, taken in (("auto", "forecast"), ("forecast", "forecast"), ("attractor", "attractor")):
        rnn = freerun.RNN(**given).set_params(optimizer="ridge", select=select).fit(values)
        assert rnn.model_.best.settings.select == taken


def test_long_runs_can_be_compared_with_one_complete_series_alone():
    values = np.sin(np.arange(600) / 5)
    values[100] = np.nan
    with pytest.raises(
        freerun.errors.SettingError, match="select='attractor' compares long free runs with one complete"
    ):
        freerun.RNN(select="attractor").fit(values)


def test_long_runs_that_resemble_the_series_have_the_smaller_error():
    """Of two penalties, the one that flattens all runs is not chosen."""
    series = freerun.systems.mackey_glass(3000, seed=0)
    given = Settings.checked(
        hidden=60, cell="memoryless", delays=18, input_scale=0.5, input_noise=1e-3, optimizer="ridge"
    )
    judge = AttractorJudge(given, [series])
    candidate = settled(given, len(series))
    good, flat = (judge(candidate, [penalty], RUNS) for penalty in (1e-8, 10.0))
    assert good.error < 0.01 * flat.error
    assert judge(candidate, [10.0, 1e-8], RUNS).settings.l2 == 1e-8


@pytest.mark.parametrize("kind", [Judge, AttractorJudge])
def test_a_candidate_without_any_row_to_solve_its_readout_by_has_no_run(kind):
    series = freerun.systems.mackey_glass(400, seed=0)
    given = Settings.checked(hidden=20, cell="memoryless", delays=5, optimizer="ridge", washout=399)
    judged = kind(given, [series])(settled(given, 400), [1e-8, 1e-4], 8)
    assert (judged.error, judged.errors, judged.settings.l2) == (np.inf, (), 1e-4)


@pytest.mark.parametrize(
    ("given", "noise", "taken"),
    [
        pytest.param({"l2": 1e-10}, 0.0, "forecast", id="alike"),
        pytest.param({"l2": 10.0}, 0.0, "attractor", id="runs-too-flat"),
        pytest.param({"l2": 1e-6, "measurement_noise": 0.0}, 0.1, "attractor", id="noisy"),
    ],
)
def test_a_long_sample_is_chosen_for_by_forecasts_where_long_runs_resemble_it(given, noise, taken):
    values = freerun.systems.mackey_glass(8000, seed=0).values
    values = values + noise * values.std() * np.random.default_rng(0).normal(size=values.shape)
    settings: dict[str, Any] = {"hidden": 80, "cell": "memoryless", "delays": 18, "input_scale": 0.5, "restarts": 2}
    rnn = freerun.RNN(optimizer="ridge", members=1, **settings, **given).fit(values)
    assert rnn.model_.best.settings.select == taken


@pytest.fixture(scope="module")
def noisy_lorenz() -> tuple[freerun.Series, freerun.Series]:
    """The true states, and measurements with noise of a tenth of their standard deviation."""
    true = freerun.systems.lorenz_dop853(800, dt=0.05, washout=100)
    noise = 0.1 * true.deviation * np.random.default_rng(0).normal(size=true.shape)
    return true, replace(true, values=true.values + noise)


def test_long_runs_of_states_are_compared_with_the_series_as_it_was_measured(noisy_lorenz):
    """By the same judge, a network of states is better than the same
    network of the measurements as they are."""
    _, noisy = noisy_lorenz
    given = Settings.checked(optimizer="ridge", hidden=30, cell="memoryless", delays=1, input_scale=0.3)
    judge = AttractorJudge(given, [noisy])
    plain, states = (settled(given.with_(**how), 800) for how in ({"input_noise": 0.0}, {"measurement_noise": 0.1}))
    assert judge(states, [1e-7], 16).error < 0.5 * judge(plain, [1e-7], 16).error


@pytest.mark.slow
def test_a_noisy_sample_is_learned_as_measurements_of_states_where_their_long_runs_are_better(noisy_lorenz):
    true, noisy = noisy_lorenz
    given: dict[str, Any] = {"hidden": 30, "cell": "memoryless", "delays": 1, "input_scale": 0.3, "restarts": 1}
    rnn = freerun.RNN(optimizer="ridge", select="attractor", **given).fit(noisy)
    left = np.sqrt(((rnn.smooth(noisy).values - true.values) ** 2).mean(axis=0)) / true.deviation
    assert (left < 0.05).all()


def test_no_noise_in_measurements_leaves_all_else_to_the_default():
    series = np.random.default_rng(0).normal(size=40).cumsum()
    expected = freerun.RNN().fit(series).forecast(5, levels=80)
    found = freerun.RNN(measurement_noise=0).fit(series).forecast(5, levels=80)
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    with pytest.raises(freerun.errors.SettingError, match="needs a cell without memory"):
        freerun.RNN(measurement_noise=0.1).fit(series)


def test_clean_samples_and_settings_of_other_networks_leave_states_out(noisy_lorenz):
    clean = Profile.of([noisy_lorenz[0]], Settings.checked())
    assert not may_have_states(clean)
    assert may_have_states(Profile.of([noisy_lorenz[1]], Settings.checked()))
    assert can_estimate(Settings.checked())
    zero = {"cell": "memoryless", "measurement_noise": 0.0}
    for other in (
        zero,
        {"cell": "leaky"},
        {"input_noise": 0.01},
        {"difference": 1},
        {"online": True},
        {"optimizer": "adam"},
    ):
        assert not can_estimate(Settings.checked(**({"optimizer": "ridge"} | other)))


def test_runs_are_as_unlike_a_series_as_the_published_measures_say():
    """The series itself is like itself; one run that leaves its range is like nothing."""
    values, other = np.split(freerun.systems.lorenz(8000).values, 2)
    likeness = Likeness(values, np.zeros(3), 1000)
    pieces = values.reshape(4, 1000, 3)
    assert likeness(pieces) < 0.05 < likeness(other.reshape(4, 1000, 3))
    assert likeness(other.reshape(4, 1000, 3)) < np.sqrt(metrics.state_space_divergence(values, other))
    assert np.isinf(likeness(np.concatenate([pieces[:3], 10 * pieces[3:]])))


def test_a_policy_of_ones_own_says_what_is_tried(series):
    """It proposes two windows, one of which has no use, and is asked for nothing else."""

    class Two:
        name = "two"

        def rounds(self, profile):
            return [Round(1.0, (1e-6, 1e-3), 8, keep=1)]

        def candidates(self, profile):
            assert (profile.steps, profile.channels) == (300, 1)
            return [{"cell": "memoryless", "delays": n, "input_scale": 0.3, "difference": 0} for n in (1, 9)]

        def neighbours(self, best, profile):
            return []

        def judge(self, settings, training):
            return Judge(settings, training)

    rnn = freerun.RNN(40, optimizer="ridge", members=1).fit(series, policy=Two())
    best = rnn.model_.best.settings
    assert (best.cell, best.lags, best.hidden) == ("memoryless", tuple(range(9)), 40)
    assert best.l2 in (1e-6, 1e-3)


def test_a_policy_that_proposes_nothing_is_refused(series):
    class Nothing(type(FORECAST)):
        def candidates(self, profile):
            return iter(())

    with pytest.raises(freerun.errors.SettingError, match="proposes nothing for a series of 300 steps"):
        freerun.RNN(optimizer="ridge").fit(series, policy=Nothing())


def test_a_candidate_without_a_run_comes_last():
    settings = Settings.checked()
    assert Candidate.of(settings, ()).error == np.inf


def choice(excess: float, spread: float = 0.05, runs: int = 100) -> Candidate:
    """Errors of free runs that exceed those of the best by so much on average,
    with that standard deviation."""
    best = 0.3 + 0.2 * np.sin(np.arange(runs))
    return Candidate.of(Settings.checked(), (best + excess + spread * np.resize([1.0, -1.0], runs)).tolist())


@pytest.mark.parametrize(
    ("others", "kept"),
    [
        ([], 1),
        ([choice(0.0)], 2),
        # the standard error of the mean difference is 0.05 / sqrt(100),
        # two of which count as chance
        ([choice(0.0099), choice(0.0101)], 2),
        ([choice(0.2), choice(0.0)], 1),
        ([choice(0.0), choice(0.2), choice(0.0)], 2),
        ([choice(0.2, spread=3.0)], 2),
        ([choice(0.0)] * 9, 5),
        ([choice(0.0), choice(0.0, runs=50)], 2),
        ([Candidate.of(Settings.checked(), ())], 1),
    ],
)
def test_networks_not_worse_than_the_best_beyond_chance_are_kept(others, kept):
    choices = [choice(0.0, spread=0.0), *others]
    assert members_of(Settings.checked(), choices) == kept
    assert members_of(Settings.checked(members=3), choices) == 3


def test_of_candidates_with_one_error_each_those_equal_to_the_best_are_kept():
    """As the judge of long runs gives."""
    choices = [Candidate.of(Settings.checked(), [error]) for error in (0.1, 0.1, 0.11, 0.1)]
    assert members_of(Settings.checked(), choices) == 2


def test_an_ensemble_takes_the_best_of_each_kind_before_others_of_its_kind():
    """A kind is a cell with its delays, differences and logarithm; penalties make no other kind."""
    polynomial = Settings.checked(cell="polynomial", delays=2, optimizer="ridge")
    tanh, later = (Settings.checked(cell="memoryless", delays=n, optimizer="ridge") for n in (3, 5))
    ranking = [
        *(Candidate(0.1, tanh.with_(l2=1e-3)), Candidate(0.2, tanh.with_(l2=1e-4))),
        *(Candidate(0.3, polynomial), Candidate(0.4, later), Candidate(0.5, polynomial.with_(l2=1e-5))),
    ]
    assert [one.error for one in kinds_first(ranking)] == [0.1, 0.3, 0.4, 0.2, 0.5]


def test_a_part_of_a_long_series_is_judged_like_its_end():
    """With 1000 steps the stretch before the last one is judged on 750 of them,
    by as many runs of the same length."""
    values = freerun.systems.mackey_glass(1000, seed=0).values
    with computing("float64"):
        end, before = (Validation.of([part], 1, 250, "float64") for part in (values, values[:750]))
    assert (end.horizon, len(end.starts)) == (before.horizon, len(before.starts)) == (83, 9)
    np.testing.assert_array_equal(np.asarray(end.starts) - 250, before.starts)


def test_ctrl_c_during_a_race_leaves_the_best_candidate_and_the_fit_goes_on_from_there(series, tmp_path):
    """The model of an interrupted fit forecasts; with the checkpoint,
    the fit ends as if it had never stopped."""
    reports, series = list[Any](), series.between(0, 150)

    def stop_after_ten(progress: Any) -> None:
        reports.append(progress)
        if len(reports) == 10:
            raise KeyboardInterrupt

    rnn = freerun.RNN()
    with pytest.raises(KeyboardInterrupt):
        rnn.fit(series, progress=stop_after_ten, checkpoint=tmp_path / "c", checkpoint_every=0)
    assert rnn.history_.stopped == "interrupted; the best candidate by then"
    assert np.isfinite(rnn.forecast(5).to_numpy()).all()
    rnn.fit(series, checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(rnn.generate(20).values, freerun.RNN().fit(series).generate(20).values)


def test_ctrl_c_before_anything_was_judged_leaves_no_model(series, monkeypatch):
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Judge, "__call__", stop)
    rnn = freerun.RNN()
    with pytest.raises(KeyboardInterrupt):
        rnn.fit(series)
    assert not hasattr(rnn, "model_")


def test_candidates_too_large_for_the_memory_are_left_out_and_that_is_said(series, monkeypatch):
    """300 steps ask for 200 units in the last round, which take about 6 MB, and for 124 before:
    4 MB."""
    monkeypatch.setattr(ridge, "physical_memory", lambda: 4_500_000)
    with pytest.warns(UserWarning, match="candidates are left out: 200 hidden units take"):
        rnn = freerun.RNN(cell="memoryless").fit(series)
    assert rnn.model_.best.network.cells[0].hidden == 124
    monkeypatch.setattr(ridge, "physical_memory", lambda: 1000)
    with pytest.raises(MachineError, match=r"hidden units take .* GiB, and this machine has 0\.0 GiB; give fewer"):
        freerun.RNN().fit(series)
    with pytest.raises(MachineError, match="900 hidden units take"):
        freerun.RNN(900, cell="memoryless", delays=3, input_scale=0.5, l2=1e-6).fit(series)


@pytest.mark.filterwarnings("ignore::freerun.errors.SeriesWarning")  # some of them say that long runs do not endure
def test_forecasts_of_short_series_that_end_in_a_jump_stay_bounded():
    """Networks of few steps are prone to run away from a jump;
    forecasts stay within five times the range."""
    quarters = np.arange(36)
    for seed in range(8):
        values = 2 + np.abs(np.random.default_rng(seed).normal(0, 0.3, 36)) + 0.5 * np.sin(quarters * np.pi / 2)
        values[-3:] += np.array([0.3, 0.8, 2.0])
        forecast = freerun.RNN().fit(values).forecast(12).to_numpy()
        assert np.abs(forecast - values.mean()).max() < 5 * np.ptp(values)
