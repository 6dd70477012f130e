"""`Jobs`: starts and stops processes that work on records,
and records in the store how they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freerun.errors import OutputError
from freerun.files.writing import JSON
from freerun.studio.records import Records, read_note, write_note

LOG_END = 400
"""Most characters at the end of the log that are read when a process ended without a result.
Its last line is shown."""


@dataclass
class Jobs:
    """The processes of the records of a store, at most one per record.

    A process continues when the page is closed. It has the usual priority. At a lower one, it would
    get no time on a machine whose cores are busy.

    Attributes:
        store: the records.
        worker: module that a process runs, with the folder of the record as its argument.
        remedy: what a user does when a process was killed.
    """

    store: Records[Any]
    worker: str
    remedy: str
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stopped: set[int] = field(default_factory=set)

    def start(self, number: int, job: JSON) -> None:
        """Start to work on a record.

        Args:
            number: number of the record.
            job: what is to be done; written to `job.json`, which the process reads.

        Raises:
            OutputError: the folder of the record cannot be written, or no process can be started.
        """
        write_note(self.store.folder_of(number), "job", job)
        self.resume(number)

    def resume(self, number: int) -> None:
        """Start the process of a record again, with the same job.

        Raises:
            OutputError: the folder of the record cannot be written, or no process can be started.
        """
        folder = self.store.folder_of(number)
        self._stopped.discard(number)
        for name in ("result", "progress", "live"):
            (folder / f"{name}.json").unlink(missing_ok=True)
        try:
            with (folder / "log.txt").open("wb") as log:
                self._processes[number] = subprocess.Popen(
                    [sys.executable, "-m", self.worker, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise OutputError(f"the process cannot be started ({error})") from error
        write_note(folder, "process", self._processes[number].pid)
        self.store.mark(number, "running")

    def stop(self, number: int) -> None:
        """Interrupt the process of a record. It saves what it has reached before it ends."""
        if (pid := self._pid(number)) is not None:
            self._stopped.add(number)
            os.kill(pid, signal.SIGINT)

    def kill(self, number: int) -> None:
        """Terminate the process of a record, and wait for its end."""
        if (pid := self._pid(number)) is not None:
            os.kill(pid, signal.SIGTERM)
            if number in self._processes:
                self._processes[number].wait()

    def record_endings(self) -> None:
        """Record in the store which processes have ended, and how."""
        for record in self.store.running():
            if self._pid(record.id) is None:
                self.store.mark(record.id, **self._describe_ending(record.id))
                self._processes.pop(record.id, None)

    def _pid(self, number: int) -> int | None:
        """Return the id of the living process of a record, also if an earlier studio started it."""
        process = self._processes.get(number)
        if process is not None:
            return None if process.poll() is not None else process.pid
        pid = read_note(self.store.folder_of(number), "process")
        return pid if isinstance(pid, int) and self._is_worker(pid) else None

    def _describe_ending(self, number: int) -> JSON:
        """Return state and message of a record whose process has ended,
        and what else its result says."""
        folder = self.store.folder_of(number)
        if (result := read_note(folder, "result")) is not None:
            return result
        if number in self._stopped:  # before the process could write a result
            return {"state": "stopped", "message": ""}
        try:
            words = (folder / "log.txt").read_text(errors="replace").strip()[-LOG_END:]
        except OSError:
            words = ""
        last = words.splitlines()[-1] if words else "no output"
        return {"state": "killed", "message": f"the process was killed or ended by itself ({last}); {self.remedy}"}

    def _is_worker(self, pid: int) -> bool:
        """Whether a process runs the worker of this store. Ids of processes are reused."""
        try:
            return self.worker.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
