"""`freerun doctor`: show what freerun finds on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from freerun.cli.console import Console
from freerun.cli.options import Json, Quiet

if TYPE_CHECKING:
    from freerun.compute.machine import Machine, ProgramCache


def doctor(as_json: Json = False, quiet: Quiet = False) -> None:
    """Show what freerun finds on this machine: versions, cores, memory, GPU, caches,
    and what is missing.

    Example: freerun doctor
    """
    from freerun.compute.machine import examine

    console = Console(as_json, quiet)
    machine = examine()
    values = asdict(machine)
    if machine.cache is not None and machine.cache.folder is not None:
        values["cache"]["folder"] = str(machine.cache.folder)
    console.result(values, _table(machine))
    for problem in machine.problems:
        console.note(f"note: {problem}")


def _table(machine: Machine) -> dict[str, object]:
    """The rows for people."""
    from freerun.extras import PURPOSES

    rows: dict[str, object] = dict(machine.versions)
    rows["system"] = machine.system
    rows["cores"] = f"{machine.cores} of {machine.all_cores}"
    rows["memory"] = f"{machine.memory / 2**30:.1f} GiB"
    rows["linear algebra"] = "; ".join(machine.linear_algebra) or "unknown library"
    rows["JAX devices"] = ", ".join(machine.devices) or "none, since JAX is not installed"
    rows["compiled programs"] = _cache(machine.cache)
    for extra, absent in machine.extras.items():
        install = f"; pip install 'freerun[{extra}]'" if absent else ""
        rows[f"extra {extra}"] = f"{'missing' if absent else 'installed'} ({PURPOSES[extra]}){install}"
    return rows


def _cache(cache: ProgramCache | None) -> str:
    if cache is None:
        return "none, since JAX is not installed"
    if cache.folder is None:
        return "not kept (FREERUN_CACHE=off)"
    return f"{cache.programs} in {cache.folder}, {cache.bytes / 2**20:.0f} MiB"
