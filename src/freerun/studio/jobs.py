"""`Jobs`: starts and stops training processes, and records in the store how they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from freerun.errors import OutputError
from freerun.files.writing import JSON
from freerun.studio.store import Run, Store, read_note, write_note

LAST_WORDS = 400
"""Most characters of the log that are read when a process ended without a result; its last line is shown."""


@dataclass
class Jobs:
    """The training processes of a store, at most one per run.

    A process continues when the page is closed.

    Attributes:
        store: the runs.
    """

    store: Store
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, run: Run, further: Path | None = None) -> None:
        """Start to train a run.

        Args:
            run: the run.
            further: model file whose weights training starts from; None starts from initial weights.

        Raises:
            OutputError: the folder of the run cannot be written, or no process can be started.
        """
        job = {"split": run.split, "settings": run.settings, "further": "" if further is None else str(further)}
        write_note(self.store.folder_of(run.id), "job", job)
        self.resume(run)

    def resume(self, run: Run) -> None:
        """Start the process of a run again; it resumes from the checkpoint if there is one.

        Raises:
            OutputError: the folder of the run cannot be written, or no process can be started.
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
        write_note(folder, "process", self._processes[run.id].pid)
        self.store.mark(run.id, "running")

    def stop(self, number: int) -> None:
        """Interrupt the process of a run, which then saves its last good weights."""
        if (pid := self._pid(number)) is not None:
            os.kill(pid, signal.SIGINT)

    def kill(self, number: int) -> None:
        """Terminate the process of a run, and wait for its end."""
        if (pid := self._pid(number)) is not None:
            os.kill(pid, signal.SIGTERM)
            if number in self._processes:
                self._processes[number].wait()

    def look_after(self) -> None:
        """Record in the store which processes have ended, and how."""
        for run in self.store.running():
            if self._pid(run.id) is None:
                self.store.mark(run.id, *self._ending(run.id))
                self._processes.pop(run.id, None)

    def _pid(self, number: int) -> int | None:
        """Return the id of the living process of a run, also if an earlier studio started it."""
        process = self._processes.get(number)
        if process is not None:
            return None if process.poll() is not None else process.pid
        pid = read_note(self.store.folder_of(number), "process")
        return pid if isinstance(pid, int) and _is_worker(pid) else None

    def _ending(self, number: int) -> tuple[str, str, JSON]:
        """Return state, message and scores of a run whose process has ended."""
        folder = self.store.folder_of(number)
        if (result := read_note(folder, "result")) is not None:
            return result["state"], result["message"], result["scores"]
        try:
            words = (folder / "log.txt").read_text(errors="replace").strip()[-LAST_WORDS:]
        except OSError:
            words = ""
        last = words.splitlines()[-1] if words else "no output"
        return "killed", f"the training process was killed or ended by itself ({last}); press Resume to continue it", {}


def _is_worker(pid: int) -> bool:
    """Whether a process is a training process, and not another one that reuses its id."""
    try:
        return b"freerun.studio.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
