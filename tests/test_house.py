"""What the house promises its readers; the direction of imports is held by `lint-imports`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_room_has_a_word_in_the_architecture():
    entries = (ROOT / "src" / "freerun").iterdir()
    rooms = [path.stem for path in entries if path.suffix in (".py", "") and not path.name.startswith("_")]
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    assert [room for room in rooms if not re.search(rf"\*\*`{room}/?`\*\*", architecture)] == []
