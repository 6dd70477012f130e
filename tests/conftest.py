"""Types and array shapes of the numerical modules are checked at run time in all tests.

Compiled programs are kept in a folder that lasts as long as the tests,
so that nobody's own is touched.
"""

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

import pytest
from jaxtyping import install_import_hook

CHECKED = [
    f"freerun.{name}"
    for name in (
        "network.jax_cells",
        "network.recurrence",
        "network.jax_runs",
        "network.initial",
        "training.forcing",
        "training.objective",
        "training.optimizers",
        "training.loop",
        "metrics",
        "forecasting.model",
        "data.series",
        "data.timeline",
        "training.validation",
        "forecasting.runs",
        "forecasting.evaluation",
        "forecasting.intervals",
        "forecasting.modelfile",
        "data.scaling",
        "systems",
    )
]

gc.set_threshold(50_000, 20, 20)  # JAX makes many objects, and the search for garbage took an eighth of the time

_hook = install_import_hook(CHECKED, "typechecking.checked")

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share the folder of the process that starts them
    _compiled = tempfile.TemporaryDirectory(prefix="freerun-tests-")
    os.environ["FREERUN_CACHE"] = _compiled.name


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Cases that others stand for are left to the slow tests;
    tests that launch commands are tests of the system."""
    for item in items:
        if "launch" in item.fixturenames:
            item.add_marker(pytest.mark.system)
        for quick in item.iter_markers("quick"):
            given = item.callspec.params
            if any(given[name] not in values for name, values in quick.kwargs.items()):
                item.add_marker(pytest.mark.slow)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path) -> Callable[[str], tuple[int, str, str]]:
    """Run one command in an empty folder; returns exit status, stdout and stderr."""
    from freerun.cli import main

    monkeypatch.chdir(tmp_path)

    def command(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["freerun", *line.split()])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return command


HEEDING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from freerun.cli import main
main()
"""


@pytest.fixture
def launch(tmp_path) -> Callable[..., subprocess.Popen[str]]:
    """Launch a command in the folder of the test;
    it heeds Ctrl-C even where the tests run in the background."""

    def command(*words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", HEEDING, *words], cwd=tmp_path, text=True, stdout=pipe, stderr=pipe
        )

    return command
