"""Search on several processes: Dask with dying workers and a restarted scheduler,
and one study in PostgreSQL."""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Timer
from typing import Any

import distributed
import psutil
import pytest

import freerun
from freerun.compute.cores import cores, thread_map
from freerun.compute.engines import DaskEngine
from freerun.errors import SearchError
from freerun.files import provenance
from freerun.search import Standing, search
from freerun.search.purpose import Purpose
from freerun.search.space import Space
from freerun.search.study import Study
from freerun.search.trials import Outcome
from freerun.settings import Settings

GIVEN: dict[str, Any] = {"hidden": 60, "optimizer": "ridge"}
TRIALS = 40


@pytest.fixture(scope="module")
def series():
    return freerun.systems.mackey_glass(400, seed=0)


@pytest.fixture(scope="module")
def serial(series, tmp_path_factory):
    return search(series, TRIALS, settings=GIVEN, storage=tmp_path_factory.mktemp("serial") / "s.sqlite")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Cluster:
    """A Dask scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()
        self.workers = [self.start_worker() for _ in range(3)]

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        port = self.address.rsplit(":", 1)[1]
        return self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start(
            "worker",
            self.address,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--no-nanny",
            "--local-directory",
            str(self._folder),
        )

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "dask", *arguments], stdout=log, stderr=log)
        self._processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    one = Cluster(tmp_path)
    yield one
    one.stop()


@pytest.mark.slow
def test_workers_may_die_and_the_scheduler_may_restart(series, serial, cluster, tmp_path):
    """One of three workers is killed in mid-trial, later the scheduler: the same trials, each once,
    the same best."""
    happened = []

    def watch(standing: Standing) -> None:
        if standing.done >= 6 and not happened:
            cluster.workers[0].send_signal(signal.SIGKILL)
            happened.append("worker killed")
        if standing.done >= 20 and len(happened) == 1:
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            cluster.start_scheduler()
            for _ in range(3):
                cluster.start_worker()
            happened.append("scheduler restarted")

    spread = search(
        series, TRIALS, settings=GIVEN, storage=tmp_path / "s.sqlite", scheduler=cluster.address, watch=watch
    )
    assert happened == ["worker killed", "scheduler restarted"]
    assert cluster.workers[0].wait() == -signal.SIGKILL
    assert spread.trials.trial.tolist() == list(range(TRIALS))
    assert spread.best == serial.best
    assert spread.trials.drop(columns="seconds").equals(serial.trials.drop(columns="seconds"))


@pytest.mark.slow
def test_workers_of_this_machine_find_the_same_best(series, tmp_path):
    given = {**GIVEN, "cell": "memoryless", "difference": 0}
    alone = search(series, 10, settings=given, storage=tmp_path / "alone.sqlite")
    spread = search(series, 10, settings=given, storage=tmp_path / "spread.sqlite", workers=2)
    assert spread.best == alone.best


@pytest.mark.slow
def test_a_worker_with_other_packages_is_named(series, cluster, tmp_path, monkeypatch):
    """The study is begun with a version that the workers do not have."""
    monkeypatch.setattr(provenance, "__version__", "99.0")
    with pytest.raises(SearchError, match=r"worker .* has other package versions than the study \(freerun=99\.0, here"):
        search(series, 4, settings=GIVEN, storage=tmp_path / "s.sqlite", scheduler=cluster.address)


def working(_: int) -> tuple[float, float, int]:
    """When it began and ended, and how many items it had at work side by side at most."""
    began = time.monotonic()
    going: set[int] = set()
    most = [0]

    def work(item: int) -> None:
        going.add(item)
        most[0] = max(most[0], len(going))
        time.sleep(0.05)
        going.discard(item)

    list(thread_map(work, range(4)))
    return began, time.monotonic(), most[0]


@pytest.mark.parametrize("threads", [True, False])
def test_what_may_not_run_in_threads_runs_alone_on_a_worker_that_has_two(threads):
    """And takes the cores of both threads, where others take one each."""
    on_this_machine: Any = distributed.LocalCluster
    with on_this_machine(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        engine = DaskEngine(cluster.scheduler_address, None)
        results = [result for _, result in engine.run_tasks(working, range(6), threads)]
        engine.close()
    done = sorted(result for result in results if not isinstance(result, freerun.FreerunError))
    assert len(done) == 6
    overlap = [later < end for (_, end, _), (later, *_) in pairwise(done)]
    assert any(overlap) if threads else not any(overlap)
    assert {most for *_, most in done} == {1 if threads else min(2, cores())}


class Server:
    """A PostgreSQL server on the loopback address, run by a user who may run one."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = "postgres" if getpass.getuser() == "root" else getpass.getuser()
        self._folder = Path(tempfile.mkdtemp(prefix="freerun-postgres-"))
        os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._port = free_port()
        self.url = f"postgresql://freerun@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "--auth=trust", "--username=freerun", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "--wait", "--options", options, "--log", str(self._folder / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        words = [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *arguments]
        subprocess.run(words, user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL on this machine (apt install postgresql)")
    one = Server(found[-1] if found else Path(str(on_path)).parent)
    yield one
    one.remove()


@pytest.mark.slow
def test_machines_share_a_study_in_postgresql_and_survive_each_other(series, server, tmp_path):
    """Two processes on one study: one is killed in mid-trial,
    and the server goes down and comes back."""
    series.write(tmp_path / "s.csv")
    words = ["search", "s.csv", "--trials", str(TRIALS), "--set", "hidden=60", "--set", "optimizer=ridge", "--quiet"]
    place = ["--storage", server.url, "--name", "shared", "-o", "other.freerun"]
    other = subprocess.Popen([sys.executable, "-m", "freerun", *words, *place], cwd=tmp_path)
    happened = []

    def watch(standing: Standing) -> None:
        if standing.done >= 10 and not happened:
            other.kill()
            happened.append("process killed")
        if standing.done >= 24 and len(happened) == 1:
            server.stop()
            server.start()
            happened.append("server restarted")

    found = search(series, TRIALS, settings=GIVEN, storage=server.url, name="shared", generation=8, watch=watch)
    assert happened == ["process killed", "server restarted"]
    assert other.wait() == -signal.SIGKILL
    assert len(found.trials) == TRIALS
    assert found.trials.trial.is_unique
    assert not psutil.pid_exists(other.pid)
    again = search(series, TRIALS, settings=GIVEN, storage=server.url, name="shared")
    assert again.best == found.best
    assert len(again.trials) == TRIALS


@pytest.mark.slow
def test_a_search_waits_for_the_trials_of_others(series, tmp_path):
    """Two of six are being judged by someone else, who says what became of them a little later."""
    place = tmp_path / "s.sqlite"
    search(series, 4, settings=GIVEN, storage=place)
    space = Space.of(Settings.checked(**GIVEN), [series], {})
    other = Study.join(str(place), "search", Purpose.of([series], space, 2), [])
    asked = other.ask(2, space, 0)

    def tell() -> None:
        for one in asked:
            other.tell(one, Outcome(one.settings, (0.5,), finished=True))

    later = Timer(3.0, tell)
    later.start()
    found = search(series, 6, settings=GIVEN, storage=place)
    later.join()
    assert found.trials.trial.tolist() == list(range(6))
    assert found.trials.error.tolist().count(0.5) == 2
