"""freerun without its extras, installed from a wheel into an environment of its own."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_minimal_install_does_all_but_the_extras(tmp_path):
    """Needs the package index."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    wheel = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *wheel], check=True)
    (built,) = tmp_path.glob("freerun-*.whl")
    subprocess.run([python, "-m", "pip", "install", "--quiet", built], check=True)

    def freerun(words: str) -> subprocess.CompletedProcess[str]:
        command = [python.with_name("freerun"), *words.split()]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for words in (
        "data mackey-glass --steps 400 -o s.csv",
        "fit s.csv --split 300 -o m.freerun",
        "generate m.freerun -n 50 -o run.csv",
        "forecast m.freerun -n 10 --levels 80 -o forecast.csv",
        "evaluate m.freerun s.csv --from 300",
        "info m.freerun",
        "doctor",
    ):
        said = freerun(words)
        assert said.returncode == 0, said.stderr
    for words, extra in (
        ("fit s.csv --optimizer adam -o b.freerun", "train"),
        ("search s.csv -o b.freerun", "search"),
        ("studio --no-show", "studio"),
        ("serve m.freerun", "serve"),
    ):
        said = freerun(words)
        assert said.returncode == 2
        assert f"pip install 'freerun[{extra}]'" in said.stderr


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
    asked = {line.replace(" ", "") for line in re.findall(r"^    - (\S+ >=\S+)", recipe, re.MULTILINE)}
    names = {"matplotlib": "matplotlib-base", "flatbuffers": "python-flatbuffers"}
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["train"],
        f"python{project['requires-python']}",
    ]
    assert asked == {re.sub(r"^[a-z]+", lambda name: names.get(name[0], name[0]), one) for one in wanted}
    assert f'version: "{project["version"]}"' in recipe
