"""A disk that is full, and one that cannot be written, for real: small file systems in memory,
which root may mount."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import freerun

FIT = ("-o", "m.freerun", "--hidden", "5", "--cell", "simple", "--optimizer", "adam", "--epochs", "300")


@pytest.fixture
def disk(tmp_path):
    """A disk of 256 KiB with a series on it."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    asked = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mounted], capture_output=True, check=False
    )
    if asked.returncode:
        pytest.skip("no file system can be mounted here")
    freerun.systems.mackey_glass(150, seed=0).write(mounted / "s.csv")
    yield mounted
    subprocess.run(["umount", mounted], check=True)


def run(folder, *words):
    command = [sys.executable, "-m", "freerun", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_fit_on_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(disk):
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free))
    said = run(disk, "fit", "s.csv", *FIT, "--checkpoint-every", "0")
    assert said.returncode == 2
    assert "warning: no checkpoint could be written; the fit goes on" in said.stderr
    assert said.stderr.splitlines()[-1].startswith("freerun: m.freerun: cannot be written (No space left on device)")
    assert sorted(os.listdir(disk)) == ["ballast", "s.csv"]
    ballast.unlink()
    assert run(disk, "fit", "s.csv", *FIT).returncode == 0
    before = (disk / "m.freerun").read_bytes()
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free))
    for words in (("fit", "s.csv", *FIT, "--seed", "1"), ("generate", "m.freerun", "-n", "9000", "-o", "run.csv")):
        said = run(disk, *words)
        assert said.returncode == 2
        assert "No space left on device" in said.stderr
        assert "Traceback" not in said.stderr
    assert (disk / "m.freerun").read_bytes() == before
    assert sorted(os.listdir(disk)) == ["ballast", "m.freerun", "s.csv"]
    expected = freerun.RNN(5, cell="simple", optimizer="adam", epochs=300).fit(disk / "s.csv")
    np.testing.assert_array_equal(freerun.load(disk / "m.freerun").generate(9).values, expected.generate(9).values)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for words in (
        ("fit", "s.csv", *FIT),
        ("search", "s.csv", "-o", "m.freerun", "--trials", "4"),
        ("studio", "--folder", "studio", "--no-show"),
    ):
        said = run(disk, *words)
        assert said.returncode == 2, said.stderr
        assert "cannot be" in said.stderr
        assert "Traceback" not in said.stderr
    assert os.listdir(disk) == ["s.csv"]
