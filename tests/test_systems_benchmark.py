"""The benchmark of systems: peers and measures against closed forms, and what is kept and shown."""

import json
import sys

import numpy as np
import pytest

import peers
import systems
import systems_page
import works
from freerun.systems import lorenz_dop853
from systems_page import OURS, Results, Row


def test_the_parrot_goes_on_with_a_periodic_series():
    wave = np.sin(2 * np.pi * np.arange(100) / 20)[:, None]
    run = peers.Parrot().fit(wave[:65]).generate(35, wave[:65])
    np.testing.assert_allclose(run, wave[65:], atol=1e-12)


def test_the_parrot_copies_what_followed_the_closest_window_and_then_itself():
    known = np.array([0, 1, 2, 3, 4, 50, 60, 70, 0, 1, 2, 3, 4.1])[:, None]
    run = peers.Parrot().fit(known).generate(10, known)
    assert run[:, 0].tolist() == [50, 60, 70, 0, 1, 2, 3, 4.1, 50, 60]


def test_a_run_from_inside_does_not_copy_what_followed_there():
    noise = np.random.default_rng(0).normal(size=(200, 2))
    run = peers.Parrot().fit(noise).generate(5, noise[:100])
    assert not np.array_equal(run, noise[100:105])


def henon(steps):
    values = np.zeros((steps, 2))
    for t in range(1, steps):
        x, y = values[t - 1]
        values[t] = 1 - 1.4 * x**2 + y, 0.3 * x
    return values


def test_nvar_finds_a_quadratic_map():
    """The Henon map is quadratic in the last value,
    so that two delays and products of two have it exactly."""
    values = henon(410)
    run = peers.NextGeneration().fit(values[:400]).generate(10, values[:400])
    np.testing.assert_allclose(run, values[400:], atol=1e-2)


def test_the_echo_state_network_goes_on_with_a_wave():
    wave = np.sin(np.arange(450) / 5)[:, None]
    run = peers.EchoStateNetwork(60).fit(wave[:400]).generate(50, wave[:400])
    np.testing.assert_allclose(run, wave[400:], atol=1e-2)


def test_valid_periods_end_where_the_mean_error_exceeds_30():
    """From step 70 on the error is 100, so that the mean over n steps is 100 (n - 70) / n:
    above 30 from n = 101."""
    truth, run = np.ones((300, 1)), np.ones((300, 1))
    run[70:] = 3.0
    assert works.valid_periods(truth, run) == pytest.approx(100 / 30)
    assert works.valid_periods(truth, truth) == 10.0
    assert works.valid_periods(np.zeros((300, 1)), np.zeros((300, 1))) == 10.0
    assert works.valid_periods(truth, np.full((300, 1), np.inf)) == 0.0
    assert works.valid_periods(np.ones((300, 2)), np.hstack([truth, run])) == pytest.approx((10 + 100 / 30) / 2)


def test_the_error_of_ctf_is_a_share_of_the_spectral_norm():
    truth = np.random.default_rng(0).normal(size=(20, 3))
    assert works.ctf_error(truth, truth) == 100.0
    assert works.ctf_error(truth, 0.9 * truth) == pytest.approx(90.0)
    assert works.ctf_error(truth, np.zeros_like(truth)) == pytest.approx(0.0)
    assert works.ctf_error(truth, -3 * truth) == -100.0
    assert works.ctf_error(truth, np.full_like(truth, np.inf)) == -100.0


def test_the_histograms_of_ctf_count_the_last_500_steps():
    values = np.random.default_rng(0).normal(size=(1000, 2))
    other = values.copy()
    other[:500] = 7.0
    assert works.ctf_histograms(values, other) == 100.0
    assert works.ctf_histograms(values, values[::-1]) < 100.0
    assert works.ctf_histograms(values, values + 100) == -100.0
    half = values.copy()
    half[500:750] += 100  # one range for both, so that all that stay are in one bin
    assert works.ctf_histograms(values, half) == pytest.approx(0.0)
    assert works.ctf_histograms(values, np.full_like(values, np.nan)) == -100.0


def row(method, problem, *values, measure="VPT", seconds=1.0):
    return Row(method, problem, {measure: list(values)}, seconds)


def test_results_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "results.json"
    kept = Results([], {})
    number = kept.number_of({"date": "2026-11-30", "machine": "one core"})
    kept.add("laser", Row(OURS, "seed 0", {"VPT": [1.0, np.inf]}, 2.0, 1.0, {"cell": "leaky"}, number))
    kept.write(path)
    again = Results.read(path)
    assert again.rows("laser") == kept.rows("laser")
    assert again.provenances == kept.provenances
    assert again.number_of({"date": "2026-11-30", "machine": "one core"}) == number
    assert json.loads(path.read_text())["works"]["laser"][0]["scores"]["VPT"] == [1.0, None]


def test_what_is_done_anew_is_forgotten_with_the_references():
    kept = Results([], {})
    for one in (row(OURS, "a", 1.0), row("ESN", "a", 1.0), row("published", "a", 1.0, seconds=0.0)):
        kept.add("laser", one)
    kept.remove("laser", ["ESN"])
    assert [one.method for one in kept.rows("laser")] == [OURS]


def test_the_table_counts_who_is_ahead_and_names_what_is_lost():
    work = works.WORKS["flows512"]
    peer = "context parrot"
    rows = [row(OURS, "a", 2.0), row(OURS, "b", 2.0), row(OURS, "c", 2.0)]
    rows += [row(peer, "a", 1.0), row(peer, "b", 2.0), row(peer, "c", 5.0)]
    lines = systems_page.make_table(work, rows)
    assert next(line for line in lines if peer in line) == f"| {peer} | 2 (1 to 5) | 3 | 1.5 of 3 | 1 |"
    assert systems_page.describe_losses(work, rows) == [f"Behind {peer} on c."]


def test_a_score_of_several_runs_is_their_mean_and_deviation():
    lines = systems_page.make_table(works.WORKS["ctf"], [row(OURS, "seed 0", 60.0, 70.0, measure="E2")])
    assert f"| {OURS} | 65 ± 5 | 1 |" in lines[-2]


def test_only_problems_that_freerun_has_done_are_compared():
    kept = Results([], {})
    for one in (row(OURS, "a", 1.0), row("ESN", "a", 1.0), row("ESN", "b", 1.0)):
        kept.add("laser", one)
    assert [one.problem for one in kept.rows("laser")] == ["a", "a"]


def test_a_sample_is_part_of_a_larger_one():
    few, more = systems.draw_sample(list(range(20)), 5), systems.draw_sample(list(range(20)), 9)
    assert few == more[:5]
    assert sorted(systems.draw_sample(list(range(20)), 0)) == list(range(20))


@pytest.fixture
def folder(tmp_path):
    """Rows of the Lorenz system by the names of the CTF."""
    (tmp_path / "ctf-lorenz").mkdir()
    rows = lorenz_dop853(3000, dt=0.05, washout=100).values
    for name in ("X1train", "X2train", "X3train", "X1test", "X2test", "X3test", "X4test", "X5test"):
        np.save(tmp_path / "ctf-lorenz" / name, rows)
    return tmp_path


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_stopped(folder, monkeypatch, capsys):
    asked = ["--work", "ctf-100", "--who", OURS, "context parrot", "--data", str(folder), "--peers", sys.executable]
    asked += ["--json", str(folder / "scores.json")]
    monkeypatch.setattr(sys, "argv", ["systems.py", *asked, "--sample", "1"])
    systems.main()
    first = Results.read(folder / "scores.json").rows("ctf-100")
    assert [one.method for one in first] == [OURS, "context parrot", works.ANOTHER_PIECE]
    assert first[0].mean("next 20") > first[1].mean("next 20")
    monkeypatch.setattr(sys, "argv", ["systems.py", *asked, "--sample", "2"])
    capsys.readouterr()
    systems.main()
    assert "1/2" not in capsys.readouterr().out
    assert Results.read(folder / "scores.json").rows("ctf-100")[:3] == first
    assert "| freerun |" in (folder / "scores.md").read_text()
