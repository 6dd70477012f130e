"""Reads an uploaded file in a process of its own: `python -m freerun.studio.intake FILE SERIES`.

Whatever a broken or hostile file does to the reader, the page goes on. Prints one line of JSON: what was found, or why
it cannot be used.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from freerun.errors import FreerunError, SeriesWarning

PATIENCE = 60.0
"""Seconds that reading a file may take."""

MOST_BYTES = 50 * 2**20
"""Largest file that is taken."""


async def taken_in(file: Path, series: Path) -> dict[str, Any]:
    """Read `file` and leave its series at `series`: the `channels`, `steps` and `notes` found, or an `error`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "freerun.studio.intake", str(file), str(series)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        return json.loads(out)
    except TimeoutError:
        process.kill()
        return {"error": f"reading it takes longer than {PATIENCE:.0f} seconds; give a smaller file"}
    except ValueError:
        return {"error": "it cannot be read; is it damaged?"}


def main() -> None:
    """Read the file, and say what came of it."""
    import warnings

    from freerun.data.series import Series

    file, target = map(Path, sys.argv[1:])
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", SeriesWarning)
            series = Series.read(file)
        series.deviation  # noqa: B018 - refuses a channel without any value
        series.write(target)
        notes = [_of_the_file(warning.message, file) for warning in said]
        print(json.dumps({"channels": series.channels, "steps": len(series), "notes": notes}))
    except FreerunError as error:
        print(json.dumps({"error": _of_the_file(error, file)}))


def _of_the_file(said: Warning | str | Exception, file: Path) -> str:
    """What is said of a file, without the name that it has here."""
    return str(said).removeprefix(f"{file}: ").replace(str(file), "the file")


if __name__ == "__main__":
    main()
