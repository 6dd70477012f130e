"""Reads an uploaded file in a separate process: `python -m freerun.studio.intake FILE REQUEST`.

A damaged or malicious file can end that process, but not the studio. The request is a file of JSON
with the reading, the series to show, and a path to write that series to. The process prints an
`Understanding` as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from dataclasses import asdict
from pathlib import Path

from freerun.studio.reading import Reading, Understanding, understand

TIMEOUT = 60.0
"""Seconds after which reading a file is given up."""

MOST_BYTES = 50 * 2**20
"""Size of the largest file that is accepted."""


async def read_upload(file: Path, reading: Reading, shown: str = "", series: Path | None = None) -> Understanding:
    """Read an uploaded file in a separate process.

    Args:
        file: the uploaded file.
        reading: how to read it.
        shown: name of the series to describe; empty for the first one.
        series: where to write that series; None if it is not needed.

    Returns:
        What was found; with an `error` if the file cannot be read.
        The process ends if this is cancelled.
    """
    request = file.with_name(f"{uuid.uuid4().hex}.request.json")
    asked = {"reading": reading.to_json(), "shown": shown, "series": None if series is None else str(series)}
    request.write_text(json.dumps(asked))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "freerun.studio.intake", str(file), str(request)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
        return Understanding(**json.loads(out))
    except asyncio.CancelledError:
        process.kill()
        raise
    except TimeoutError:
        process.kill()
        return Understanding(error=f"reading it takes longer than {TIMEOUT:.0f} seconds; give a smaller file")
    except ValueError:
        return Understanding(error="it cannot be read; is it damaged?")
    finally:
        request.unlink(missing_ok=True)


def main() -> None:
    """Read the file, write the series if it is asked for, and print what was found as JSON."""
    file, asked = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    found, series = understand(file, Reading.of_json(asked["reading"]), asked["shown"])
    if series is not None and asked["series"] is not None:
        series.write(asked["series"])
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
