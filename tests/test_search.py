"""Search: how trials are judged, that it goes on where it was, and what is refused."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest

import freerun
from freerun.data.scaling import Scaling
from freerun.errors import SearchError, SettingError
from freerun.plan import settled, train_plan
from freerun.search import database, search, study
from freerun.search.purpose import Purpose
from freerun.search.report import fit_command, write_report
from freerun.search.space import Space
from freerun.search.study import Study
from freerun.search.trials import Scorer
from freerun.settings import Settings
from freerun.training.loop import train
from freerun.training.optimizers import base

SMALL: dict[str, Any] = {"hidden": 40, "cell": "memoryless", "optimizer": "ridge", "difference": 0}
TRAINED: dict[str, Any] = {
    "hidden": 6,
    "cell": "simple",
    "delays": 2,
    "optimizer": "adam",
    "epochs": 90,
    "initial": "glorot",
}


@pytest.fixture(scope="module")
def series():
    return freerun.systems.mackey_glass(300, seed=0)


@pytest.fixture(scope="module")
def found(series, tmp_path_factory):
    storage = tmp_path_factory.mktemp("search") / "study.sqlite"
    return search(series, 12, settings=SMALL, storage=storage, generation=3)


@contextmanager
def as_optuna_reads_it(storage: Path) -> Iterator[optuna.Study]:
    base = optuna.storages.RDBStorage(f"sqlite:///{storage}")
    try:
        yield optuna.load_study(storage=base, study_name="search")
    finally:
        database.close(base)


def test_the_error_of_a_trial_is_that_of_free_runs_on_data_it_was_not_fitted_to(series):
    """Recomputed with public means. Of 300 steps only one part of 120 can be left out,
    the last one."""
    given = settled(Settings.checked(**SMALL, delays=4, input_scale=0.3, l2=1e-4, holdout=0.4), 300)
    (outcome,) = Scorer(given, [series], 2).score([given], [])
    judge = freerun.RNN(**given.model_dump()).set_params(standardize=False)
    standard = Scaling.fitted([series], given).apply(series)
    starts = np.linspace(179, 259, 9).astype(int)
    fitted = judge.fit(standard[:180])
    runs = np.stack([fitted.generate(40, after=standard[: start + 1]).values for start in starts])
    truth = np.stack([standard[start + 1 : start + 41] for start in starts])
    assert outcome.errors[-1] == pytest.approx(np.minimum(np.abs(runs - truth), 1.0).mean(), rel=1e-9)


def test_the_best_trial_has_what_was_given_and_the_lowest_error_of_those_that_finished(found):
    best = found.best.settings
    assert best.hidden == 40
    assert best.l2 is not None
    assert list(found.trials.columns[:5]) == ["trial", "error", "finished", "seconds", "failure"]
    assert found.best.error == found.trials.error[found.trials.finished].min()


def test_the_winner_is_fitted_to_the_whole_series(series, found):
    best = found.rnn.model_.best
    again = freerun.RNN(**best.settings.model_dump()).fit(series)
    np.testing.assert_allclose(found.rnn.generate(10, ensemble="best").values, again.generate(10).values, atol=1e-9)


@pytest.mark.quick(epochs=[9])
@pytest.mark.parametrize(("platform", "epochs"), [("cpu", 9), ("cpu", 90), ("gpu", 90)])
def test_trials_that_are_trained_together_come_out_as_if_alone(series, platform, epochs, monkeypatch):
    """Each with a learning rate, penalty and seed of its own; by one program for all, as on a GPU,
    too."""
    monkeypatch.setattr(base, "current_device", lambda: SimpleNamespace(platform=platform))
    several = [
        settled(Settings.checked(**TRAINED | {"epochs": epochs}, restarts=1, members=1, **own), 300)
        for own in (
            {"learning_rate": 0.01, "l2": 1e-3, "seed": 1},
            {"learning_rate": 0.05, "l2": 0.0, "seed": 2},
            {"learning_rate": 0.003, "l2": 1e-6, "seed": 3, "input_scale": None},
        )
    ]
    scaling = Scaling.fitted([series], several[0])
    plans = [train_plan(settings, 1) for settings in several]
    together = sorted(train(plans, [series], None, scaling, held_out=60), key=lambda one: one.number)
    for one, plan in zip(together, plans, strict=True):
        (alone,) = train([plan], [series], None, scaling, held_out=60)
        assert one.settings == plan.settings
        np.testing.assert_allclose(one.history.objective, alone.history.objective, rtol=1e-7)
        np.testing.assert_allclose(one.network.readout, alone.network.readout, rtol=1e-6, atol=1e-9)


def test_a_dropped_network_does_not_disturb_those_that_go_on(series):
    """Adam's memory of a network stays with it when others are dropped between two stages."""
    several = [settled(Settings.checked(**TRAINED, restarts=1, members=1, seed=seed), 300) for seed in (1, 2)]
    scaling = Scaling.fitted([series], several[0])
    plans = [train_plan(settings, 1) for settings in several]
    (alone,) = train(plans[1:], [series], None, scaling, held_out=60, rungs=3)
    kept = train(plans, [series], None, scaling, None, 60, lambda stage, errors: [False, True][-len(errors) :], 3)
    (last,) = [one for one in kept if one.settings.seed == 2]
    assert len(last.rungs) == 3
    assert [len(one.rungs) for one in kept if one.settings.seed == 1] == [1]
    np.testing.assert_allclose(last.history.objective, alone.history.objective, rtol=1e-9)


@pytest.mark.slow
def test_hopeless_trials_are_stopped_after_a_ninth_of_their_epochs(series):
    scorer = Scorer(Settings.checked(**TRAINED), [series], folds=2)
    several = [settled(Settings.checked(**TRAINED, restarts=1, members=1, seed=seed), 300) for seed in range(6)]
    free = scorer.score(several, [])
    assert [len(one.errors) for one in free].count(1) == 4  # two of six go on
    threshold = sorted(one.errors[0] for one in free)[3]
    stopped = scorer.score(several, [threshold, 1.0, 1.0])
    assert [len(one.errors) > 1 for one in stopped] == [one.errors[0] <= threshold for one in free]
    whole = [one for one in stopped if one.finished]
    assert whole
    assert all(len(one.errors) == 4 for one in whole)  # three rungs, and the mean over both folds
    assert [one.errors[0] for one in stopped] == pytest.approx([one.errors[0] for one in free])


@pytest.mark.slow
def test_a_network_that_diverges_is_a_failed_trial_and_not_an_end(series, tmp_path):
    result = search(
        series,
        6,
        settings={**TRAINED, "optimizer": "sgd"},
        space={"learning_rate": "0.1,0.01,1e5"},
        storage=tmp_path / "s.sqlite",
        folds=1,
    )
    failed = result.trials[result.trials.failure != ""]
    assert len(failed)
    assert (failed.learning_rate == 1e5).all()
    assert failed.failure.str.contains("diverged").all()
    assert result.best.settings.learning_rate in (0.1, 0.01)


def test_a_search_goes_on_where_it_was_and_ends_as_if_it_had_not_stopped(series, found, tmp_path):
    first = search(series, 6, settings=SMALL, storage=tmp_path / "s.sqlite", generation=3)
    second = search(series, 12, settings=SMALL, storage=tmp_path / "s.sqlite", generation=3)
    assert len(first.trials) == 6
    assert second.trials.drop(columns="seconds").equals(found.trials.drop(columns="seconds"))
    assert second.best == found.best


def test_steps_before_the_first_value_are_left_out_as_in_a_fit(tmp_path):
    values = freerun.systems.mackey_glass(200, seed=0).values
    late = np.concatenate([np.full((150, 1), np.nan), values])
    whole, known = (
        search(one, 2, settings=SMALL, storage=tmp_path / f"{len(one)}.sqlite", generation=2) for one in (late, values)
    )
    assert whole.trials.error.tolist() == known.trials.error.tolist()


@pytest.mark.slow
def test_no_more_trials_begin_once_time_is_over(series, tmp_path):
    """The first generation is judged in any case, so that there is a winner;
    the study goes on when there is time."""
    limited = search(series, 10, settings=SMALL, storage=tmp_path / "s.sqlite", generation=5, time_limit=0)
    assert len(limited.trials) == 5
    assert len(limited.rnn.generate(5)) == 5
    again = search(series, 10, settings=SMALL, storage=tmp_path / "s.sqlite", generation=5, time_limit=600)
    assert len(again.trials) == 10


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_an_invalid_time_limit_is_refused(series, limit, tmp_path):
    with pytest.raises(SettingError, match=f"time_limit={limit}: must be 0 seconds or more"):
        search(series, 10, settings=SMALL, storage=tmp_path / "s.sqlite", time_limit=limit)
    assert not (tmp_path / "s.sqlite").exists()


@pytest.mark.slow
def test_a_killed_search_goes_on_and_finds_the_same(launch, tmp_path):
    """SIGKILL in mid-trial; the same command again judges what was lost, each trial once."""
    freerun.systems.mackey_glass(300, seed=0).write(tmp_path / "s.csv")
    options = [
        "search",
        "s.csv",
        "--trials",
        "40",
        "--set",
        "hidden=40",
        "--set",
        "optimizer=ridge",
        "--generation",
        "8",
    ]
    whole = launch(*options, "-o", "whole.freerun", "--json")
    answer, _ = whole.communicate(timeout=240)
    victim = launch(*options, "-o", "killed.freerun")
    database = tmp_path / "killed.study.sqlite"
    while not database.exists() or _count(database, "COMPLETE") < 9:
        assert victim.poll() is None
        time.sleep(0.02)
    victim.kill()
    victim.communicate()
    assert not (tmp_path / "killed.freerun").exists()
    again = launch(*options, "-o", "killed.freerun", "--json", "--report", "page.html")
    resumed, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    assert json.loads(resumed)["error"] == json.loads(answer)["error"]
    assert json.loads(resumed)["settings"] == json.loads(answer)["settings"]
    assert _count(database, "COMPLETE") + _count(database, "PRUNED") == 40
    assert _count(database, "RUNNING") == _count(database, "WAITING") == 0
    assert freerun.load(tmp_path / "killed.freerun").generate(5).shape == (5, 1)
    assert "The winner" in (tmp_path / "page.html").read_text(encoding="utf-8")


def _count(database: Path, state: str) -> int:
    try:
        with closing(sqlite3.connect(database, timeout=10)) as connection:
            return connection.execute("select count(*) from trials where state = ?", (state,)).fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # the tables are not there yet


@pytest.mark.slow
def test_ctrl_c_gives_running_trials_back(launch, tmp_path):
    freerun.systems.mackey_glass(300, seed=0).write(tmp_path / "s.csv")
    options = [
        "search",
        "s.csv",
        "--trials",
        "400",
        "--set",
        "hidden=40",
        "--set",
        "optimizer=ridge",
        "-o",
        "m.freerun",
    ]
    process = launch(*options)
    database = tmp_path / "m.study.sqlite"
    while not database.exists() or _count(database, "COMPLETE") < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted; finished trials are kept in the study" in errors
    assert "Traceback" not in errors
    assert _count(database, "RUNNING") == 0


def test_trials_of_a_dead_machine_are_scored_again_after_a_while(series, tmp_path, monkeypatch):
    """A process of another host that gives no sign of life; its proposals come again,
    not others in their place."""
    for module in (database, study):
        monkeypatch.setattr(module, "HEARTBEAT", 1)
        monkeypatch.setattr(module, "GRACE", 1)
    space = Space.of(Settings.checked(**SMALL), [series], {})
    purpose = Purpose.of([series], space, 2)
    storage = str(tmp_path / "s.sqlite")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        with closing(Study.join(storage, "search", purpose, [])) as there:
            lost = there.ask(3, space, 0)
    with closing(Study.join(storage, "search", purpose, [])) as here:
        here.reclaim()
        assert here.count_elsewhere() == 3
        time.sleep(2.5)
        here.reclaim()
        assert here.count_elsewhere() == 0
        assert [one.proposal for one in here.ask(3, space, 1)] == [one.proposal for one in lost]


def test_a_trial_that_kills_its_process_again_and_again_is_given_up(series, tmp_path):
    space = Space.of(Settings.checked(**SMALL), [series], {})
    storage, purpose = tmp_path / "s.sqlite", Purpose.of([series], space, 2)
    with closing(Study.join(str(storage), "search", purpose, [])) as study:
        (asked,) = study.ask(1, space, 0)
    states = []
    with as_optuna_reads_it(storage) as raw:
        for _ in range(4):
            process = [socket.gethostname(), 2**22 + 1, 0.0]  # no such process
            raw._storage.set_trial_user_attr(1, "begun", raw.trials[0].user_attrs["begun"] | {"process": process})
            with closing(Study.join(str(storage), "search", purpose, [])) as other:
                other.reclaim()
                states.append(raw.trials[0].state.name)
                if states[-1] == "WAITING":
                    assert [one.proposal for one in other.ask(1, space, 0)] == [asked.proposal]
    assert states == ["WAITING", "WAITING", "WAITING", "FAIL"]


@pytest.mark.filterwarnings("ignore:free runs of the network may leave")  # no trial of so few is good
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"series": "other"}, "made for other data"),
        ({"folds": 3}, "another number of folds"),
        ({"packages": {"freerun": "0.0.1"}}, r"other package versions \(freerun"),
        ({"format": 0}, r"another version \(format 0"),
    ],
)
def test_a_study_of_another_search_is_not_joined(series, tmp_path, change, message):
    search(series, 2, settings=SMALL, storage=tmp_path / "s.sqlite")
    with as_optuna_reads_it(tmp_path / "s.sqlite") as study:
        study.set_user_attr("purpose", study.user_attrs["purpose"] | change)
        with pytest.raises(SearchError, match=message):
            search(series, 4, settings=SMALL, storage=tmp_path / "s.sqlite")
        assert len(study.trials) >= 2


@pytest.mark.filterwarnings("ignore:free runs of the network may leave")
def test_other_settings_or_another_space_are_named(series, tmp_path):
    search(series, 2, settings=SMALL, storage=tmp_path / "s.sqlite")
    with pytest.raises(SearchError, match=r"other settings \(hidden=40, here 30\)"):
        search(series, 4, settings=SMALL | {"hidden": 30}, storage=tmp_path / "s.sqlite")
    with pytest.raises(SearchError, match=r"other search space \(input_scale=0\.05\.\.10, here 0\.1\.\.1\)"):
        search(series, 4, settings=SMALL, space={"input_scale": "0.1..1"}, storage=tmp_path / "s.sqlite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--storage postgresql://me:secret@127.0.0.1:9/x",
            r"postgresql://me:\*\*\*@127\.0\.0\.1:9/x.*cannot be opened",
        ),
        ("--study s.csv", "s.csv: cannot be opened.*is it an SQLite file of a search"),
        pytest.param(
            "--scheduler tcp://127.0.0.1:9",
            "no Dask scheduler answers within",
            marks=pytest.mark.slow,
            id="no scheduler",
        ),
        ("--name x", "--name is the name of a study in a database"),
        ("--set hidden", "write --set NAME=VALUE"),
        ("--set hidden=3 --set hidden=4", "hidden is given twice"),
        ("--set hidden=many", "hidden='many'"),
        ("--try cell=elephant", "cell='elephant'"),
        ("--workers 2 --scheduler tcp://127.0.0.1:9", "give only one of them"),
    ],
)
def test_bad_input_is_named_in_one_line_with_status_2(run, tmp_path, options, message):
    freerun.systems.mackey_glass(300, seed=0).write(tmp_path / "s.csv")
    status, _, errors = run(f"search s.csv -o m.freerun --trials 2 {options}")
    assert status == 2
    assert re.search(message, errors)
    assert "secret" not in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_full_disk_ends_the_search_and_leaves_the_study_readable(tmp_path):
    """The system refuses to let any file of the process grow beyond 300 kB."""
    freerun.systems.mackey_glass(300, seed=0).write(tmp_path / "s.csv")
    options = ["s.csv", "--trials", "300", "--set", "hidden=20", "--set", "optimizer=ridge", "-o", "m.freerun"]

    command = f"ulimit -f 300; exec {sys.executable} -m freerun search {' '.join(options)}"
    process = subprocess.run(
        ["bash", "-c", command],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "FREERUN_CACHE": "off"},
        capture_output=True,
        text=True,
    )
    errors = process.stderr
    assert process.returncode == 2, errors
    assert "cannot be read or written" in errors
    assert "finished trials are kept in the study" in errors
    with as_optuna_reads_it(tmp_path / "m.study.sqlite") as study:
        assert len([trial for trial in study.trials if trial.state.is_finished()]) > 10


def test_the_page_and_the_command_say_how_to_make_the_winner(found, series, tmp_path):
    write_report(found, tmp_path / "search.html", "A search")
    page = (tmp_path / "search.html").read_text(encoding="utf-8")
    line = fit_command(found.rnn.model_.best.settings)
    assert line in page
    assert page.count("<img") >= 3
    series.write(tmp_path / "s.csv")
    words = (
        line.replace("SERIES", str(tmp_path / "s.csv")).replace("model.freerun", str(tmp_path / "m.freerun")).split()
    )
    subprocess.run([sys.executable, "-m", *words, "--quiet"], check=True, timeout=120)
    made = freerun.load(tmp_path / "m.freerun")
    np.testing.assert_allclose(made.generate(5).values, found.rnn.generate(5, ensemble="best").values, atol=1e-6)
