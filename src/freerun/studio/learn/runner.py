"""Run a network free without end, in a separate process:
`python -m freerun.studio.learn.runner MODEL`.

The process reads one command per line from standard input, and answers each with one line of JSON.
`go N` returns the next N values of each channel. `kick S` adds normal noise of S standard
deviations to value and hidden state.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from freerun.network import numpy_runs
from freerun.network.network import State


class Runner:
    """The page's connection to the process that runs the network."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._process: asyncio.subprocess.Process | None = None
        self._answering = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a command has not been answered yet."""
        return self._answering.locked()

    async def begin(self) -> None:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "freerun.studio.learn.runner", str(self._model)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def go(self, steps: int) -> list[list[float]] | None:
        """Run on, and return the next values of each channel; None if the process has ended."""
        return await self._ask(f"go {steps}")

    async def kick(self, strength: float) -> None:
        """Add normal noise of `strength` standard deviations to value and hidden state."""
        await self._ask(f"kick {strength}")

    def end(self) -> None:
        """End the process."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _ask(self, command: str) -> list[list[float]] | None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or process.returncode is not None:
            return None
        async with self._answering:
            try:
                process.stdin.write(f"{command}\n".encode())
                await process.stdin.drain()
                return json.loads(await process.stdout.readline())
            except (OSError, ValueError):
                return None


def _kick(state: State, strength: float, rng: np.random.Generator) -> State:
    """Add normal noise of standard deviation `strength` to all parts of a state."""

    def perturb(array: Any) -> np.ndarray:
        return array + strength * rng.normal(size=array.shape)

    return State(tuple(tuple(map(perturb, carry)) for carry in state.cells), perturb(state.past))


def main() -> None:
    """Answer commands until standard input is closed."""
    from freerun.forecasting.modelfile import load_model

    model = load_model(sys.argv[1])
    member, rng, done = model.best, np.random.default_rng(), 0
    state, value = numpy_runs.beside(member.run_start.state), member.run_start.value[None]
    for line in sys.stdin:
        word, number = line.split()
        if word == "kick":
            state = _kick(state, float(number), rng)
            value = value + float(number) * rng.normal(size=value.shape)
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
