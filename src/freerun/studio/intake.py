"""Reads an uploaded file in a separate process: `python -m freerun.studio.intake FILE SERIES`.

A damaged or malicious file can end that process, but not the studio. The process prints one line of JSON: the contents
of the file, or why it cannot be used.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from freerun.errors import FreerunError, SeriesWarning
from freerun.files.writing import JSON

TIMEOUT = 60.0
"""Seconds after which reading a file is given up."""

MOST_BYTES = 50 * 2**20
"""Size of the largest file that is accepted."""


async def read_upload(file: Path, series: Path) -> JSON:
    """Read an uploaded file in a separate process.

    Args:
        file: the uploaded file.
        series: where to write its series.

    Returns:
        `channels`, `steps` and `notes` of the series, or an `error`.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "freerun.studio.intake", str(file), str(series)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
        return json.loads(out)
    except TimeoutError:
        process.kill()
        return {"error": f"reading it takes longer than {TIMEOUT:.0f} seconds; give a smaller file"}
    except ValueError:
        return {"error": "it cannot be read; is it damaged?"}


def main() -> None:
    """Read the file, write its series, and print the result as JSON."""
    import warnings

    from freerun.data.series import Series

    file, target = map(Path, sys.argv[1:])
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SeriesWarning)
            series = Series.read(file)
        series.deviation  # noqa: B018 - refuses a channel without any value
        series.write(target)
        notes = [_without_path(warning.message, file) for warning in caught]
        print(json.dumps({"channels": series.channels, "steps": len(series), "notes": notes}))
    except FreerunError as error:
        print(json.dumps({"error": _without_path(error, file)}))


def _without_path(message: Warning | str | Exception, file: Path) -> str:
    """Remove the temporary path of the file from a message, since the user does not know it."""
    return str(message).removeprefix(f"{file}: ").replace(str(file), "the file")


if __name__ == "__main__":
    main()
