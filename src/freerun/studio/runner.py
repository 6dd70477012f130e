"""Lets a network run free without end, in a process of its own: `python -m freerun.studio.runner MODEL`.

Reads commands from standard input, a line each, and answers `go N` with one line of JSON, the next N values of each
channel. `kick S` disturbs value and hidden state by normal noise of S standard deviations.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np

from freerun.network import numpy_runs
from freerun.network.network import State


class Runner:
    """The other end: a running network that a page listens to."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._process: asyncio.subprocess.Process | None = None
        self._speaking = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether it has not answered yet."""
        return self._speaking.locked()

    async def begin(self) -> None:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "freerun.studio.runner", str(self._model)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def go(self, steps: int) -> list[list[float]] | None:
        """The next values of each channel; None when the process has ended."""
        return await self._ask(f"go {steps}")

    async def kick(self, strength: float) -> None:
        """Disturb the state."""
        await self._ask(f"kick {strength}")

    def end(self) -> None:
        """End the process."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _ask(self, command: str) -> list[list[float]] | None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or process.returncode is not None:
            return None
        async with self._speaking:
            try:
                process.stdin.write(f"{command}\n".encode())
                await process.stdin.drain()
                return json.loads(await process.stdout.readline())
            except (OSError, ValueError):
                return None


def _kicked(state: State, strength: float, draw: np.random.Generator) -> State:
    """The state with noise of that standard deviation on all of it."""

    def kicked(array: np.ndarray) -> np.ndarray:
        return array + strength * draw.normal(size=array.shape)

    return State(tuple(tuple(map(kicked, carry)) for carry in state.cells), kicked(state.past))


def main() -> None:
    """Run free on command."""
    from freerun.modelfile import load_model

    model = load_model(sys.argv[1])
    member, draw, done = model.best, np.random.default_rng(), 0
    state, value = numpy_runs.beside(member.ending.state), member.ending.value[None]
    for line in sys.stdin:
        word, number = line.split()
        if word == "kick":
            state = _kicked(state, float(number), draw)
            value = value + float(number) * draw.normal(size=value.shape)
            print("[]", flush=True)
            continue
        values, state, value = numpy_runs.run(member.network, state, value, int(number))
        run = values[0, 0]
        times = model.recent.following_times(done + len(run))[done:]
        done += len(run)
        values = member.scaling.undo(np.asarray(run, np.float64), times)
        print(json.dumps([[float(x) for x in column] for column in values.T]), flush=True)


if __name__ == "__main__":
    main()
