"""The modules of the studio that need no browser: who may come in, what is kept,
how a run is made again."""

import asyncio
import os
import shlex
import signal
import time
from typing import Any

import numpy as np
import pytest

import freerun
from freerun.errors import OutputError, SettingError
from freerun.files.archive import read_archive, write_archive
from freerun.settings import Settings
from freerun.studio.guard import Guard
from freerun.studio.learn.presets import GROUPS, PRESETS, settings_of
from freerun.studio.learn.store import Source, Store
from freerun.studio.learn.takeaway import commands, snippet
from freerun.studio.learn.trainings import TrainingJobs
from freerun.studio.records import RecordGoneError, read_note, write_note

TINY: dict[str, Any] = {"hidden": 10, "cell": "memoryless", "delays": 4, "difference": 0, "optimizer": "ridge"}
TINY |= {"input_scale": 0.3, "l2": 1e-6}


def knock(
    token: str | None, headers: dict[str, str], query: str = "", kind: str = "http", method: str = "GET"
) -> dict[str, Any]:
    """What the guard's first answer to a request is; `in` when it lets the request through."""
    answers: list[Any] = []

    async def inside(scope, receive, send):
        await send({"type": "in"})

    async def send(message):
        answers.append(message)

    async def receive():
        return {}

    given = {"host": "127.0.0.1:8765"} | headers
    scope: dict[str, Any] = {"type": kind, "method": method, "path": "/", "query_string": query.encode()}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in given.items()]
    asyncio.run(Guard(inside, token, ("127.0.0.1", "localhost"), 1000)(scope, receive, send))
    return answers[0]


OURS = {"origin": "http://127.0.0.1:8765"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        (OURS, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "null"}, False),
        ({"host": "evil.example"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
    ],
)
def test_pages_of_other_sites_are_kept_out(headers, allowed):
    answer = knock(None, headers)
    assert answer["type"] == "in" if allowed else answer["status"] == 403
    closed = knock(None, headers, kind="websocket")
    assert closed["type"] == ("in" if allowed else "websocket.close")


def test_uploads_are_limited_by_the_server_too():
    assert knock(None, {"content-length": "1000"}, method="POST")["type"] == "in"
    assert knock(None, {"content-length": "1001"}, method="POST")["status"] == 413
    assert knock(None, {"transfer-encoding": "chunked"}, method="POST")["status"] == 413


def test_a_token_is_sent_once_and_a_cookie_from_then_on():
    assert knock("secret", {})["status"] == 403
    assert knock("secret", {}, "token=wrong")["status"] == 403
    assert knock("secret", OURS, kind="websocket")["type"] == "websocket.close"
    answer = knock("secret", {}, "token=secret")
    assert answer["status"] == 303
    cookie = dict(answer["headers"])[b"set-cookie"].decode()
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    held = {"cookie": cookie.partition(";")[0]}
    assert knock("secret", held)["type"] == "in"
    assert knock("secret", held | OURS, kind="websocket")["type"] == "in"
    assert knock("secret", {"cookie": "freerun-studio=wrong"})["status"] == 403


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "studio")


@pytest.fixture(scope="module")
def sines():
    return freerun.systems.multiple_sines(200, seed=0)


def test_runs_are_there_after_a_restart_and_gone_when_deleted(store, sines):
    run = store.add("first", sines, Source("multiple-sines", {"steps": 200, "seed": 0}), 150, dict(TINY))
    again = Store(store.folder)
    assert again.get(run.id) == run
    np.testing.assert_array_equal(freerun.Series.read(again.series_of(run.id)).values, sines.values)
    again.delete(run.id)
    assert store.all() == []
    assert not store.folder_of(run.id).exists()
    with pytest.raises(RecordGoneError, match="run 1 is gone"):
        store.get(run.id)
    assert store.add("second", sines, Source("file.csv"), 150, {}).id == 2


def test_the_newest_runs_come_first_and_in_pages(store, sines):
    for number in range(1, 6):
        store.add(f"run {number}", sines, Source("file.csv"), 150, {})
    store.mark(2, "running")
    store.delete(4)
    assert store.count() == 4
    assert [run.id for run in store.all()] == [5, 3, 2, 1]
    assert [run.id for run in store.all(first=1, most=2)] == [3, 2]
    assert [run.id for run in store.all(first=4, most=2)] == []
    assert [run.id for run in store.get_many([1, 4, 3])] == [3, 1]
    assert [run.id for run in store.running()] == [2]


def test_a_full_disk_leaves_nothing_behind(store, sines, monkeypatch):
    def full(self, path):
        raise OutputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(freerun.Series, "write", full)
    with pytest.raises(OutputError, match="No space left on device"):
        store.add("first", sines, Source("file.csv"), 150, {})
    assert store.all() == []
    assert list((store.folder / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be used for runs"):
        Store(tmp_path / "file" / "studio")


def wait_for(jobs: TrainingJobs, number: int) -> str:
    for _ in range(1800):
        jobs.record_endings()
        if jobs.store.get(number).state != "running":
            return jobs.store.get(number).state
        time.sleep(0.1)
    raise AssertionError("it does not end")


def test_a_run_is_trained_in_a_process_of_its_own(store, sines):
    run = store.add("first", sines, Source("file.csv"), 150, dict(TINY))
    broken = store.add("other", sines, Source("file.csv"), 150, {"washout": 500, **TINY})
    jobs = TrainingJobs(store)
    jobs.train(run)
    jobs.train(broken)
    process = read_note(store.folder_of(run.id), "process")
    assert os.getpriority(os.PRIO_PROCESS, process) == os.getpriority(os.PRIO_PROCESS, 0)
    assert wait_for(jobs, run.id) == "done"
    expected = freerun.RNN(**TINY).fit(sines.between(0, 150))
    trained = freerun.load(store.model_of(run.id))
    np.testing.assert_allclose(trained.generate(20).values, expected.generate(20).values, atol=1e-9)
    found = store.get(run.id).scores
    assert found["vpt"] == expected.evaluate(sines, 150).vpt
    live = read_note(store.folder_of(run.id), "live")
    np.testing.assert_allclose(live["run"][0], expected.generate(50).values[:, 0], atol=1e-9)
    assert wait_for(jobs, broken.id) == "failed"
    assert "with a washout of 500 it needs 502 or more" in store.get(broken.id).message


def test_a_run_that_is_stopped_before_it_begins_is_stopped_and_not_killed(store, sines):
    run = store.add("first", sines, Source("file.csv"), 150, dict(TINY))
    jobs = TrainingJobs(store)
    jobs.train(run)
    process = read_note(store.folder_of(run.id), "process")
    os.kill(process, signal.SIGSTOP)  # so that it ends without a result
    jobs.stop(run.id)
    os.kill(process, signal.SIGKILL)
    assert wait_for(jobs, run.id) == "stopped"
    assert store.get(run.id).message == ""


@pytest.mark.system
def test_a_killed_process_is_reported_even_after_a_restart(store, sines):
    settings = {"hidden": 5, "cell": "simple", "delays": 1, "optimizer": "adam", "epochs": 10**7}
    run = store.add("long", sines, Source("file.csv"), 150, settings)
    before = TrainingJobs(store)
    before.train(run)
    jobs = TrainingJobs(Store(store.folder))
    jobs.record_endings()
    assert store.get(run.id).state == "running"
    os.kill(read_note(store.folder_of(run.id), "process"), signal.SIGKILL)
    before.kill(run.id)
    assert wait_for(jobs, run.id) == "killed"
    assert "press Resume to continue it" in store.get(run.id).message


@pytest.mark.system
def test_a_run_whose_process_was_killed_goes_on_from_its_checkpoint(store, sines):
    """A number written into the checkpoint by hand comes out at the end,
    beside the network of an undisturbed fit."""
    settings = {"hidden": 5, "cell": "simple", "delays": 1, "optimizer": "adam", "epochs": 500}
    run = store.add("long", sines, Source("file.csv"), 150, settings)
    checkpoint = store.folder_of(run.id) / "model.checkpoint"

    def stop(progress):
        if progress.done > 200:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        freerun.RNN(**settings).fit(*sines.split(150), checkpoint=checkpoint, checkpoint_every=0.0, progress=stop)
    header, arrays = read_archive(checkpoint)
    header["training"]["histories"][0]["objective"][0] = 123.0
    write_archive(checkpoint, header, arrays)
    write_note(store.folder_of(run.id), "job", {"split": 150, "settings": settings, "further": ""})
    store.mark(run.id, "killed")
    jobs = TrainingJobs(store)
    jobs.resume(run.id)
    assert wait_for(jobs, run.id) == "done"
    assert not checkpoint.exists()
    expected = freerun.RNN(**settings).fit(*sines.split(150))
    found = freerun.load(store.model_of(run.id))
    np.testing.assert_array_equal(found.generate(20).values, expected.generate(20).values)
    assert found.history_.objective == [123.0, *expected.history_.objective[1:]]


def test_every_preset_and_every_control_is_a_setting():
    for settings in PRESETS.values():
        assert settings_of(settings) == settings
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) < set(Settings.model_fields)
    assert settings_of({"hidden": 20.0, "delays": "0,1,5", "l2": None, "cell": ""}) == {
        "hidden": 20,
        "delays": (0, 1, 5),
    }
    with pytest.raises(SettingError, match=r"hidden=2\.5"):
        settings_of({"hidden": 2.5})


@pytest.mark.parametrize(
    "source",
    [
        Source("multiple-sines", {"steps": 200, "seed": 0}),
        Source("my data.csv", reading={"columns": ["sines"], "missing": "interpolate"}),
    ],
)
def test_commands_and_snippet_make_the_run_again(store, sines, source, tmp_path, monkeypatch):
    """The snippet is executed; of the commands the options are those of the command line."""
    run = store.add("A name/with ../signs", sines, source, 150, {**TINY, "delays": (0, 1, 5), "direct": False})
    monkeypatch.chdir(tmp_path)
    sines.write(tmp_path / "my data.csv")
    names: dict = {}
    exec(snippet(run), names)
    settings = dict(run.settings)
    expected = freerun.RNN(**settings).fit(sines.between(0, 150)).generate(50).values
    np.testing.assert_allclose(names["run"].values, expected, atol=1e-9)
    words = shlex.split(commands(run).splitlines()[-1])
    assert words[:3] == ["freerun", "fit", "multiple-sines.csv" if source.options else "my data.csv"]
    assert words[-2:] == ["-o", "a-name-with-signs.freerun"]
    assert "--no-direct" in words
    assert ("--column" in words) == ("--missing" in words) == (source.options is None)
    assert words[words.index("--delays") + 1] == "0,1,5"
