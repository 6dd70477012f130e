"""Checkpoints: a fit that is stopped anywhere goes on to the same bits;
whatever is wrong with the file is said."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import freerun
from freerun import fitting
from freerun.compute.cores import limit_cores
from freerun.errors import CheckpointError, MachineError, OutputError, SeriesError
from freerun.files.archive import read_archive, write_archive
from freerun.training import placement
from freerun.training.history import Progress

SMALL: dict[str, Any] = {"hidden": 5, "cell": "simple", "delays": 2}

FITS: dict[str, dict[str, Any]] = {
    "adam": {**SMALL, "optimizer": "adam", "schedule": "cosine", "epochs": 200, "restarts": 3, "holdout": 0.2},
    "windows": {**SMALL, "optimizer": "adam", "window": 30, "batch": 3, "input_noise": 0.01, "epochs": 100},
    "sampling": {**SMALL, "optimizer": "momentum", "forcing": "scheduled", "epochs": 100, "cell": "gru"},
    "adaptive": {**SMALL, "optimizer": "lbfgs", "forcing": "generalized", "forcing_strength": "adaptive", "epochs": 60},
    "bfgs": {**SMALL, "optimizer": "bfgs", "epochs": 60, "restarts": 2},
    "segments": {
        **SMALL,
        "optimizer": "levenberg-marquardt",
        "segment_lengths": (5, 10),
        "epochs": 30,
        "members": 2,
    },
    "recipes": {"hidden": 40, "cell": "memoryless", "optimizer": "ridge", "difference": 0, "members": 2},
    "probe": {"hidden": 6, "epochs": 20},
    "diverging": {**SMALL, "optimizer": "sgd", "learning_rate": 1e5, "restarts": 2, "epochs": 50},
}


class StopError(Exception):
    """What ends a fit as a killed process would, but leaves the test alive."""


@pytest.fixture(scope="module")
def series():
    return freerun.systems.mackey_glass(160, seed=0)


def weights(rnn):
    members = rnn.model_.members
    return [
        np.asarray(leaf) for m in members for leaf in jax.tree.leaves((m.network, m.run_start.state, m.run_start.value))
    ]


def fitted(name, series, **more):
    """The estimator after its fit, and what the fit raised."""
    rnn = freerun.RNN(**FITS[name])
    try:
        return rnn.fit(series, **more), ""
    except freerun.errors.TrainingDiverged as error:
        return rnn, str(error)


@pytest.mark.quick(name=["adam", "diverging"])
@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_stops_again_and_again_ends_as_if_it_had_not(name, series, tmp_path):
    """Stopped after the 1st, 2nd, 4th, 8th report that a fit makes, counted anew each time."""
    whole, raised = fitted(name, series)
    checkpoint = tmp_path / "fit.checkpoint"
    for most in (1, 2, 4, 8):
        count = 0

        def stop(_: Any, most: int = most) -> None:
            nonlocal count
            count += 1
            if count > most:
                raise StopError

        try:
            fitted(name, series, checkpoint=checkpoint, checkpoint_every=0.0, progress=stop)
        except StopError:
            assert checkpoint.exists()
    pieced, raised_again = fitted(name, series, checkpoint=checkpoint, checkpoint_every=0.0)
    assert raised_again == raised
    for a, b in zip(weights(whole), weights(pieced), strict=True):
        np.testing.assert_array_equal(a, b)
    one, other = whole.history_, pieced.history_
    assert (one.objective, one.epochs, one.training_mse, one.free_run_error, one.stopped) == (
        *(other.objective, other.epochs, other.training_mse, other.free_run_error, other.stopped),
    )
    np.testing.assert_array_equal(whole.model_.errors, pieced.model_.errors)
    pieced.save(tmp_path / "m.freerun")
    assert not checkpoint.exists()


def test_a_fit_goes_on_with_another_number_of_threads(series, tmp_path):
    settings: dict[str, Any] = {**FITS["recipes"], "hidden": 20, "delays": 3, "input_scale": 0.3}
    checkpoint, said = tmp_path / "fit.checkpoint", list[Progress]()

    def stop(progress: Progress) -> None:
        said.append(progress)
        if len(said) == 3:
            raise StopError

    with limit_cores(1):
        whole = freerun.RNN(**settings).fit(series)
        with pytest.raises(StopError):
            freerun.RNN(**settings).fit(series, checkpoint=checkpoint, checkpoint_every=0.0, progress=stop)
    with limit_cores(2):
        resumed = freerun.RNN(**settings).fit(series, checkpoint=checkpoint)
    for one, other in zip(whole.model_.members, resumed.model_.members, strict=True):
        for a, b in zip(one.network.arrays(), other.network.arrays(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_recipes_are_not_judged_twice(series, tmp_path):
    checkpoint = tmp_path / "fit.checkpoint"
    said: list[Progress] = []
    freerun.RNN(**FITS["recipes"]).fit(series, checkpoint=checkpoint, checkpoint_every=0.0, progress=said.append)
    for task, least in (("round 1 of 3", 10), ("round 2 of 3", 5), ("round 3 of 3", 5)):
        reports = [progress for progress in said if progress.task == task]
        assert [progress.done for progress in reports] == list(range(1, len(reports) + 1))
        assert reports[-1].total == len(reports) > least
    again: list[str] = []
    freerun.RNN(**FITS["recipes"]).fit(series, checkpoint=checkpoint, progress=lambda p: again.append(p.task))
    assert not again


@pytest.fixture
def stopped(series, tmp_path):
    """The checkpoint of a fit that was stopped."""

    def stop(progress: Any) -> None:
        if progress.done >= 100:
            raise StopError

    checkpoint = tmp_path / "fit.checkpoint"
    with pytest.raises(StopError):
        freerun.RNN(**FITS["adam"]).fit(series, checkpoint=checkpoint, checkpoint_every=0.0, progress=stop)
    return checkpoint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"of a fit with other settings \(seed=0, here 1\); go on with the same, or delete it"),
        ({"epochs": 300}, r"other settings \(epochs=200, here 300\)"),
    ],
)
def test_the_checkpoint_of_another_fit_is_refused(series, stopped, change, message):
    with pytest.raises(CheckpointError, match=message):
        freerun.RNN(**FITS["adam"] | change).fit(series, checkpoint=stopped)


def test_other_data_are_refused(series, stopped):
    longer = freerun.systems.mackey_glass(170, seed=0)
    with pytest.raises(CheckpointError, match="of a fit with other series; go on with the same"):
        freerun.RNN(**FITS["adam"]).fit(longer, checkpoint=stopped)
    with pytest.raises(CheckpointError, match="of a fit with other validation series"):
        freerun.RNN(**FITS["adam"]).fit(series, longer, checkpoint=stopped)


@pytest.mark.parametrize("name", ["adam", "recipes"])
def test_a_machine_that_cannot_go_on_leaves_the_checkpoint_as_it_is(series, name, tmp_path, monkeypatch):
    """Stopped in mid-training, or while recipes are judged;
    then given to a machine with too little memory."""
    checkpoint = tmp_path / "fit.checkpoint"

    def stop(_: Any) -> None:
        if checkpoint.exists():
            raise StopError

    with pytest.raises(StopError):
        fitted(name, series, checkpoint=checkpoint, checkpoint_every=0.0, progress=stop)
    before = checkpoint.read_bytes()

    def refused(*_: Any) -> None:
        raise MachineError("this machine has 0.0 GiB")

    with monkeypatch.context() as small:
        if name == "adam":
            small.setattr(placement, "device_memory", lambda _: 1)
        else:
            small.setattr(fitting, "choose", refused)
        with pytest.raises(MachineError, match=r"this machine has 0\.0 GiB"):
            fitted(name, series, checkpoint=checkpoint, checkpoint_every=0.0)
    assert checkpoint.read_bytes() == before
    resumed, _ = fitted(name, series, checkpoint=checkpoint)
    whole, _ = fitted(name, series)
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arguments_that_are_refused_leave_no_checkpoint_and_remove_none(series, tmp_path, monkeypatch):
    """The refusal comes after recipes have been judged and noted."""
    checkpoint = tmp_path / "fit.checkpoint"

    def refused(*_: Any) -> None:
        assert checkpoint.exists()
        raise SeriesError("too short")

    monkeypatch.setattr(fitting, "require_steps", lambda what, *_: refused() if checkpoint.exists() else None)
    for there_before in (False, True):
        with pytest.raises(SeriesError, match="too short"):
            fitted("recipes", series, checkpoint=checkpoint, checkpoint_every=0.0)
        assert checkpoint.exists() is there_before
        if not there_before:
            with monkeypatch.context() as accepted:
                accepted.setattr(fitting, "require_steps", lambda *_: None)
                fitted("recipes", series, checkpoint=checkpoint, checkpoint_every=0.0)


def test_a_damaged_checkpoint_is_refused(series, stopped):
    content = bytearray(stopped.read_bytes())
    content[-10] ^= 1
    stopped.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"fit\.checkpoint: it has changed since it was written"):
        freerun.RNN(**FITS["adam"]).fit(series, checkpoint=stopped)
    stopped.write_bytes(content[:100])
    with pytest.raises(CheckpointError, match="truncated"):
        freerun.RNN(**FITS["adam"]).fit(series, checkpoint=stopped)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, arrays: arrays.pop("memory.0"),
        lambda header, arrays: arrays.update({"kept.1": np.zeros((2, 2))}),
        lambda header, arrays: header["training"].update(stage=7),
        lambda header, arrays: header["training"].update(reported=[9]),
        lambda header, arrays: header["training"].pop("histories"),
        lambda header, arrays: header.update(judged=[[{}, "x", {}]]),
        lambda header, arrays: header.update(purpose=[]),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(series, stopped, change):
    header, arrays = read_archive(stopped)
    change(header, arrays)
    write_archive(stopped, header, arrays)
    with pytest.raises(CheckpointError, match="the checkpoint is damaged"):
        freerun.RNN(**FITS["adam"]).fit(series, checkpoint=stopped)


def test_a_place_that_cannot_be_written_is_refused_before_any_work(series, tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        freerun.RNN(**FITS["adam"]).fit(series, checkpoint=tmp_path / "none" / "fit.checkpoint")


def test_a_fit_outlives_a_checkpoint_that_cannot_be_written(series, tmp_path, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(RuntimeWarning, match="no checkpoint could be written; the fit goes on .*No space left"):
        rnn = freerun.RNN(**FITS["adam"]).fit(series, checkpoint=tmp_path / "fit.checkpoint", checkpoint_every=0.0)
    assert rnn.history_.stopped == "all 200 epochs done"
    assert list(tmp_path.iterdir()) == []


LONG = (
    "fit",
    "s.csv",
    "-o",
    "m.freerun",
    "--hidden",
    "5",
    "--cell",
    "simple",
    "--delays",
    "2",
    "--optimizer",
    "adam",
    "--epochs",
    "30000",
)


def test_the_same_command_goes_on_after_a_kill_and_after_ctrl_c(series, tmp_path, launch):
    series.write(tmp_path / "s.csv")
    checkpoint = tmp_path / "m.freerun.checkpoint"
    for blow in (signal.SIGKILL, signal.SIGINT):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = launch(*LONG, "--checkpoint-every", "0.2")
        until = time.monotonic() + 60
        while time.monotonic() < until and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.02)
        process.send_signal(blow)
        _, said = process.communicate(timeout=60)
        assert checkpoint.exists(), f"{process.returncode}: {said}"
    assert "the same command resumes the fit" in said
    assert process.returncode == 130
    process = launch(*LONG, "--seed", "3")
    assert "with other settings (seed=0, here 3)" in process.communicate(timeout=60)[1]
    assert process.returncode == 2
    process = launch(*LONG, "--resume", "--json")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "resuming from m.freerun.checkpoint" in said
    assert json.loads(out)["epochs"] == 30000
    assert sorted(os.listdir(tmp_path)) == ["m.freerun", "s.csv"]
    expected = freerun.RNN(5, cell="simple", delays=2, optimizer="adam", epochs=30000).fit(series)
    found = freerun.load(tmp_path / "m.freerun")
    np.testing.assert_array_equal(found.generate(20).values, expected.generate(20).values)
    assert found.history_.objective == expected.history_.objective
