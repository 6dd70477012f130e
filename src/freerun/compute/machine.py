"""Examine this machine: versions, cores, memory, GPU, the cache of programs,
and optional packages."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

from freerun.compute.cores import cores, libraries, physical_memory
from freerun.extras import PACKAGES, Extra, missing
from freerun.files.provenance import versions

PACKAGES_THAT_COMPUTE = ("numpy", "scipy", "pandas", "matplotlib", "jax", "jaxlib")
"""Packages whose versions results depend on."""

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
"""Where Linux shows that the driver of an NVIDIA GPU is loaded."""


@dataclass(frozen=True)
class ProgramCache:
    """The folder in which JAX keeps compiled programs.

    Attributes:
        folder: its path; None if there is none (`FREERUN_CACHE=off`).
        programs: number of programs in it.
        bytes: their size.
        writable: whether programs can be added.
    """

    folder: Path | None
    programs: int = 0
    bytes: int = 0
    writable: bool = False


@dataclass(frozen=True)
class Machine:
    """The properties of this machine; see `examine`.

    Attributes:
        versions: of freerun, Python and the packages that compute.
        system: operating system and processor architecture.
        cores: number of cores that this process may use.
        all_cores: number of cores of the machine.
        memory: in bytes, of this machine or of the container.
        linear_algebra: the libraries behind NumPy and SciPy, each with its number of threads.
        devices: devices of JAX, such as `cpu` and `NVIDIA H200`; empty without JAX.
        cache: the folder of compiled programs; None without JAX.
        extras: packages that are missing, by extra; empty for an extra that is complete.
        problems: what is wrong, each with what to do.
    """

    versions: dict[str, str]
    system: str
    cores: int
    all_cores: int
    memory: int
    linear_algebra: tuple[str, ...]
    devices: tuple[str, ...]
    cache: ProgramCache | None
    extras: dict[Extra, tuple[str, ...]]
    problems: tuple[str, ...] = field(default=())


def examine() -> Machine:
    """Examine this machine. If JAX is installed, it is started, which tells its devices."""
    extras: dict[Extra, tuple[str, ...]] = {extra: missing(extra) for extra in PACKAGES}
    has_jax = not extras["train"]
    devices = _devices() if has_jax else ()
    cache = _program_cache() if has_jax else None
    return Machine(
        versions=versions(*PACKAGES_THAT_COMPUTE) | {"Python": platform.python_version()},
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        cores=cores(),
        all_cores=os.cpu_count() or cores(),
        memory=physical_memory(),
        linear_algebra=_linear_algebra(),
        devices=devices,
        cache=cache,
        extras=extras,
        problems=tuple(_problems(devices, cache)),
    )


def _linear_algebra() -> tuple[str, ...]:
    """Return name, version and number of threads of each loaded library of linear algebra."""
    found = (
        f"{library['internal_api']} {library['version']} ({library['num_threads']} threads)"
        for library in libraries().info()
        if library["user_api"] == "blas"
    )
    return tuple(dict.fromkeys(found))


def _devices() -> tuple[str, ...]:
    import jax

    return tuple(dict.fromkeys(device.device_kind for device in jax.devices()))


def _program_cache() -> ProgramCache:
    from freerun.compute.programs import cache_folder

    folder = cache_folder()
    if folder is None:
        return ProgramCache(None)
    sizes = [path.stat().st_size for path in folder.glob("*-cache")]
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return ProgramCache(folder, len(sizes), sum(sizes), os.access(existing, os.W_OK))


def _problems(devices: tuple[str, ...], cache: ProgramCache | None) -> list[str]:
    """List what makes freerun slower than it could be, each with a remedy."""
    problems = []
    if cores() == 1:
        problems.append("this process may use one core; networks are fitted one after the other")
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is not None and threads.isdigit() and int(threads) < cores():
        problems.append(f"OMP_NUM_THREADS={threads} limits linear algebra to fewer than the {cores()} cores; unset it")
    if cache is not None and cache.folder is not None and not cache.writable:
        problems.append(
            f"programs cannot be kept in {cache.folder}, and are compiled anew in each process; "
            "set FREERUN_CACHE to a folder that you may write to"
        )
    if devices == ("cpu",) and NVIDIA_DRIVER.exists():
        problems.append("there is an NVIDIA driver, but JAX finds no GPU: pip install 'freerun[cuda]'")
    return problems
