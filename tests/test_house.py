"""What the house promises its readers; the direction of imports is held by `lint-imports`."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FILES = [
    path for folder in ("src", "tests", "benchmarks", "docs", "examples") for path in (ROOT / folder).rglob("*.py")
]


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in FILES])
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


def test_every_room_has_a_word_in_the_architecture():
    entries = (ROOT / "src" / "freerun").iterdir()
    rooms = [path.stem for path in entries if path.suffix in (".py", "") and not path.name.startswith("_")]
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    assert [room for room in rooms if not re.search(rf"\*\*`{room}/?`\*\*", architecture)] == []
