"""freerun without its extras, installed from a wheel into an environment of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_minimal_install_does_all_but_the_extras(tmp_path):
    """Needs the package index."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    locked = ["--quiet", "--require-hashes", "--requirement", ROOT / "requirements" / "run.txt"]
    subprocess.run([python, "-m", "pip", "install", *locked], check=True)
    wheel = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT]
    subprocess.run([python, "-m", "pip", "wheel", *wheel], check=True)
    (built,) = tmp_path.glob("freerun-*.whl")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", built], check=True)

    def freerun(words: str) -> subprocess.CompletedProcess[str]:
        command = [python.with_name("freerun"), *words.split()]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for words in (
        "data mackey-glass --steps 400 -o s.csv",
        "fit s.csv --split 300 -o m.freerun --hidden 40",
        "generate m.freerun -n 50 -o run.csv",
        "forecast m.freerun -n 10 --levels 80 -o forecast.csv",
        "evaluate m.freerun s.csv --from 300",
        "info m.freerun",
    ):
        said = freerun(words)
        assert said.returncode == 0, said.stderr
    for words, extra in (("search s.csv -o b.freerun", "search"), ("studio --no-show", "studio")):
        said = freerun(words)
        assert said.returncode == 2
        assert f"pip install 'freerun[{extra}]'" in said.stderr
