"""How JAX computes, for one call at a time: the precision, the device, and compiled programs kept on disk.

Precision and device hold within the context alone. Two settings outlive a call, made when freerun first computes and
only where there is none yet: the folder of compiled programs, and how XLA compiles loops of small steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import jax
from jax._src.xla_bridge import backends_are_initialized  # there is no public name for it

from freerun.cores import cores_to_take, on_cores, one_thread_each, physical_memory
from freerun.errors import ForkError, MachineError
from freerun.settings import Device

Item = TypeVar("Item")
Result = TypeVar("Result")

CACHE = "FREERUN_CACHE"
"""Environment variable: the folder in which compiled programs are kept, or `off`."""

SMALL_STEP = 64 * 1024
"""Bytes that a step of a loop reads and writes at most for XLA to compile the whole loop into one function. Its own
limit of 1 KB leaves the steps of all but the smallest networks to an interpreter, which takes most of their time."""

MOST_KEPT = 256 * 2**20
"""Bytes of programs that are kept; the oldest go first."""


MOST_IN_MEMORY = 200
"""Programs of `side_by_side` that are kept in memory; beyond, all of freerun's are forgotten, since a system
lets a process have only so many memory maps, and each program takes some. Those needed again come from the folder."""

MOST_MAPS = 30_000
"""Memory maps of this process from which on it forgets programs; systems allow some 65000."""

ON_ONE_CORE = {"xla_cpu_multi_thread_eigen": False, "xla_disable_hlo_passes": "cpu-parallel-task-assigner"}
"""How a program is compiled that may run beside others, see `side_by_side`: it stays on its thread."""


def jitted(function: Callable[..., Any], **options: Any) -> Any:
    """`jax.jit` for the functions of freerun's modules, whose programs `forget_programs` can find again."""
    program = jax.jit(function, **options)
    _jitted.append(program)
    return program


@contextmanager
def computing(dtype: str, device: Device = "cpu") -> Iterator[None]:
    """Within this context JAX computes in `float64` or `float32`, on the processor or on a GPU.

    Only training knows when a GPU pays, so `auto` is the processor here. On a GPU, products in single precision keep
    all of it, where JAX would be content with the ten bits of TF32.

    Raises:
        MachineError: there is no GPU.
        ForkError: this process was forked after JAX had computed.
    """
    with jax.enable_x64(dtype == "float64"), jax.default_device(_device(device)):
        if device == "gpu":
            with jax.default_matmul_precision("highest"):
                yield
        else:
            yield


def _as_here(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """The same function, which computes in any thread as the caller of this does."""
    # JAX's options have no types
    wide = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    device, most = current_device(), cores_to_take()

    def call(item: Item) -> Result:
        with jax.enable_x64(wide), jax.default_device(device), on_cores(most):
            return function(item)

    return call


Several = Sequence[tuple[Any, ...]]
"""Arguments of a program, once for each time that it is to run."""


def side_by_side(program: Any, static: tuple[Hashable, ...], several: Several) -> list[Any]:
    """The results of a program for each of several arguments, computed at once on as many cores as memory allows.

    Args:
        program: jitted with the options of `ON_ONE_CORE`. It then does all of its work on the thread that runs it, but
            for some products, whose work is shared with threads that have nothing to do.
        static: the first arguments of the program, which it compiles for.
        several: the arguments after them.
    """
    return prepared(program, static, several)(several)


def prepared(program: Any, static: tuple[Hashable, ...], like: Several) -> Callable[[Several], list[Any]]:
    """What `side_by_side` does again and again with arguments of the shapes of `like`, in this thread and context."""
    compiled = [_compiled(program, static, arguments) for arguments in like]
    needed = max(one.memory for one in compiled)
    threads = _threads(min(cores_to_take(), max(1, physical_memory() // 2 // max(1, needed))))

    def one(numbered: tuple[_Compiled, tuple[Any, ...]]) -> Any:
        made, arguments = numbered
        return jax.block_until_ready(made.program(*arguments))

    call = _as_here(one)

    def results(several: Several) -> list[Any]:
        with one_thread_each():
            return list(threads.map(call, zip(compiled, several, strict=True)))

    return results


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """So many threads, which stay, since it takes a millisecond to start them."""
    return ThreadPoolExecutor(count)


class _Compiled:
    """A program compiled for arguments of some shapes.

    Attributes:
        program: what to call.
    """

    def __init__(self, program: Any) -> None:
        self.program = program

    @cached_property
    def memory(self) -> int:
        """Bytes that it needs while it runs."""
        return self.program.memory_analysis().temp_size_in_bytes


def _compiled(program: Any, static: tuple[Hashable, ...], arguments: tuple[Any, ...]) -> _Compiled:
    _enter()
    leaves, structure = jax.tree.flatten(arguments)
    key = (program, static, structure, tuple(jax.typeof(leaf) for leaf in leaves))
    found = _programs.get(key)
    if found is None:  # another thread may forget all of them at any time
        found = _programs.setdefault(key, _Compiled(program.lower(*static, *arguments).compile()))
    return found


def forget_programs() -> None:
    """Forget freerun's programs if there are too many; those of the user's own functions stay."""
    if len(_programs) > MOST_IN_MEMORY or _memory_maps() > MOST_MAPS:
        _programs.clear()
        for program in _jitted:
            program.clear_cache()


def _memory_maps() -> int:
    """How many memory maps this process has; 0 where the system does not say."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


_jitted: list[Any] = []
_programs: dict[Any, _Compiled] = {}


def current_device() -> Any:
    """Where JAX computes in this context."""
    # JAX's options have no types
    return jax.config.jax_default_device or jax.local_devices()[0]  # pyright: ignore[reportAttributeAccessIssue]


def device_memory(device: Device) -> int:
    """Bytes of memory of this machine, or of its GPU; where the system does not say, 8 GiB.

    Raises:
        MachineError: there is no GPU.
    """
    if device != "gpu":
        return physical_memory()
    try:
        return int(_device(device).memory_stats()["bytes_limit"])
    except (AttributeError, KeyError, TypeError):
        return 2**33


def has_gpu() -> bool:
    """Whether JAX finds a GPU on this machine."""
    _enter()
    return any(device.platform == "gpu" for device in jax.devices())


def _device(device: Device) -> Any:
    """The device, None where it is the one that JAX takes by itself."""
    _enter()
    if device != "gpu":
        return None if jax.default_backend() == "cpu" else jax.devices("cpu")[0]
    try:
        return jax.devices(device)[0]
    except RuntimeError as error:
        found = ", ".join(sorted({one.platform for one in jax.devices()}))
        raise MachineError(
            f"device={device!r}: JAX finds none on this machine, only {found}; "
            "install freerun[cuda] on a machine with an NVIDIA GPU, or leave device out"
        ) from error


class _Process:
    """What this process is.

    Attributes:
        stuck: whether it was forked after JAX had started threads, which a fork leaves behind: JAX would wait for them.
    """

    stuck = False


def _note_fork() -> None:
    _Process.stuck = backends_are_initialized()


os.register_at_fork(after_in_child=_note_fork)


def _enter() -> None:
    """Make ready for JAX.

    Raises:
        ForkError: in this process it would hang.
    """
    if _Process.stuck:
        raise ForkError(
            "this process was forked after JAX had computed, and JAX would hang in it; start processes by 'spawn' "
            "(multiprocessing.get_context('spawn')) or by joblib's default, or fork before freerun computes"
        )
    _set_up()


@cache
def _set_up() -> None:
    _compile_small_loops_whole()
    _keep_compiled_programs()


def _compile_small_loops_whole() -> None:
    """Raise XLA's limit of small loops in this process, unless XLA has read its flags or has other such options."""
    flags = os.environ.get("XLA_FLAGS", "")
    if not backends_are_initialized() and "xla_backend_extra_options" not in flags:
        option = f"--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold={SMALL_STEP}"
        os.environ["XLA_FLAGS"] = f"{flags} {option}".strip()


def _keep_compiled_programs() -> None:
    """Let JAX keep compiled programs in a folder of the user's own, unless it keeps them elsewhere already.

    Whoever can write to that folder can run code as its owner, so it is readable and writable by the owner alone.
    """
    wanted = os.environ.get(CACHE, "")
    if wanted == "off" or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    folder = Path(wanted).expanduser() if wanted else default_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_oldest(folder)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_compilation_cache_dir", str(folder))


def default_folder() -> Path:
    """Where compiled programs are kept unless `FREERUN_CACHE` says otherwise."""
    from platformdirs import user_cache_path

    return user_cache_path("freerun", appauthor=False) / "compiled"


def _drop_oldest(folder: Path) -> None:
    kept = 0
    for path in sorted(folder.glob("*-cache"), key=lambda path: path.stat().st_mtime, reverse=True):
        kept += path.stat().st_size
        if kept > MOST_KEPT:
            path.unlink(missing_ok=True)
