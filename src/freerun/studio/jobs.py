"""Starts and stops the processes that train, and notes in the store how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freerun.errors import OutputError
from freerun.studio.store import Run, Store, tell, told

LAST_WORDS = 400
"""Most characters of what a process printed last that are shown when it ends without a word."""


@dataclass
class Jobs:
    """The training processes of a store; there is one at a time for each run, and each outlives the page.

    Attributes:
        store: the runs.
    """

    store: Store
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, run: Run, further: Path | None = None) -> None:
        """Train a run, or train the model `further` with its settings.

        Raises:
            OutputError: its folder cannot be written.
        """
        job = {"split": run.split, "settings": run.settings, "further": "" if further is None else str(further)}
        tell(self.store.folder_of(run.id), "job", job)
        self.resume(run)

    def resume(self, run: Run) -> None:
        """Train a run whose process was killed: it goes on from its checkpoint, if there is one.

        Raises:
            OutputError: its folder cannot be written.
        """
        folder = self.store.folder_of(run.id)
        for name in ("result", "progress", "live"):
            (folder / f"{name}.json").unlink(missing_ok=True)
        try:
            with (folder / "log.txt").open("wb") as log:
                self._processes[run.id] = subprocess.Popen(
                    [sys.executable, "-m", "freerun.studio.worker", str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise OutputError(f"training cannot be started ({error})") from error
        tell(folder, "process", self._processes[run.id].pid)
        self.store.mark(run.id, "running")

    def stop(self, number: int) -> None:
        """Ask a process to stop; the last good weights are kept."""
        if (pid := self._pid(number)) is not None:
            os.kill(pid, signal.SIGINT)

    def kill(self, number: int) -> None:
        """End a process at once, whatever it does."""
        if (pid := self._pid(number)) is not None:
            os.kill(pid, signal.SIGTERM)
            if number in self._processes:
                self._processes[number].wait()

    def look_after(self) -> None:
        """Note which processes have ended, and how."""
        for run in self.store.running():
            if self._pid(run.id) is None:
                self.store.mark(run.id, *self._ending(run.id))
                self._processes.pop(run.id, None)

    def _pid(self, number: int) -> int | None:
        """The process of a run while it lives, whoever started it."""
        process = self._processes.get(number)
        if process is not None:
            return None if process.poll() is not None else process.pid
        pid = told(self.store.folder_of(number), "process")
        return pid if isinstance(pid, int) and _is_worker(pid) else None

    def _ending(self, number: int) -> tuple[str, str, dict[str, Any]]:
        folder = self.store.folder_of(number)
        if (result := told(folder, "result")) is not None:
            return result["state"], result["message"], result["scores"]
        try:
            words = (folder / "log.txt").read_text(errors="replace").strip()[-LAST_WORDS:]
        except OSError:
            words = ""
        last = words.splitlines()[-1] if words else "it said nothing"
        return "killed", f"the training process was killed or ended by itself ({last}); Resume goes on with it", {}


def _is_worker(pid: int) -> bool:
    """Whether that process is one of ours, and not another that has got the number since."""
    try:
        return b"freerun.studio.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
