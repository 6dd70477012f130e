"""Runs what the pages show: Python blocks, in one namespace a page, and commands,
all in one folder a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent


def _run_commands(example: Example) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", example.parsed]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{example.parsed}\n{done.stdout}{done.stderr}"


def _write_file(example: Example) -> None:
    """A file that a page shows has its name in a comment at its head."""
    name = example.parsed.splitlines()[0].removeprefix("# ").strip()
    Path(name).write_text(example.parsed)


def _enter_a_folder(namespace: dict[str, Any]) -> None:
    namespace["_before"], folder = Path.cwd(), Path(tempfile.mkdtemp(prefix="freerun-page-"))
    (folder / "examples").symlink_to(ROOT / "examples")
    os.chdir(folder)


def _leave_it(namespace: dict[str, Any]) -> None:
    folder = Path.cwd()
    os.chdir(namespace["_before"])
    shutil.rmtree(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What pages show takes a minute or more each."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.slow)


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("bash", _run_commands),
        CodeBlockParser("toml", _write_file),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/internals/*.md"],
    path=str(ROOT),
    setup=_enter_a_folder,
    teardown=_leave_it,
).pytest()
