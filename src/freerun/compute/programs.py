"""Precision and device of JAX, and compiled programs in memory and on disk.

Precision and device are set within a context. Two settings hold for the whole process: the folder
of compiled programs, and how XLA compiles loops of small steps. They are made when freerun first
uses JAX, unless the user has made them.
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

from freerun.compute.cores import limit_cores, one_thread_each, physical_memory, usable_cores
from freerun.errors import ForkError, MachineError
from freerun.settings import Device

Item = TypeVar("Item")
Result = TypeVar("Result")

CACHE = "FREERUN_CACHE"
"""Environment variable that names the folder of compiled programs; `off` for none."""

SMALL_LOOP_BYTES = 64 * 1024
"""XLA compiles a loop into one function if each step reads and writes at most this many bytes.

Its own limit, 1 KB, admits the smallest networks only. The steps of others are interpreted,
which takes most of their time.
"""

MOST_KEPT = 256 * 2**20
"""Most bytes of compiled programs on disk; the oldest are removed first."""

MOST_IN_MEMORY = 200
"""Most programs of `call_in_parallel` in memory. Each takes memory maps,
whose number the system limits."""

MOST_MAPS = 30_000
"""Number of memory maps of this process from which on programs are dropped;
systems allow about 65000."""

ON_ONE_CORE = {"xla_cpu_multi_thread_eigen": False, "xla_disable_hlo_passes": "cpu-parallel-task-assigner"}
"""Compiler options of programs that run in parallel (see `call_in_parallel`):
each stays on one thread."""


def jitted(function: Callable[..., Any], **options: Any) -> Any:
    """`jax.jit` for the functions of freerun; `forget_programs` can drop the compiled programs.

    Args:
        function: the function to compile.
        options: options of `jax.jit`.
    """
    program = jax.jit(function, **options)
    _jitted.append(program)
    return program


@contextmanager
def computing(dtype: str, device: Device = "cpu") -> Iterator[None]:
    """Set the precision and the device of JAX within this context.

    On a GPU, matrix products use full single precision, and not TF32,
    which has a mantissa of ten bits.

    Args:
        dtype: `float64` or `float32`.
        device: `cpu`, `gpu` or `auto`. `auto` is the processor here;
            training decides when to use a GPU.

    Raises:
        MachineError: there is no GPU.
        ForkError: this process was forked after JAX had started.
    """
    with jax.enable_x64(dtype == "float64"), jax.default_device(_device(device)):
        if device == "gpu":
            with jax.default_matmul_precision("highest"):
                yield
        else:
            yield


def _bind_context(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Wrap a function so that it has the precision,
    device and core limit of this context in any thread."""
    # JAX's options have no types
    wide = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue] - JAX makes these names at run time
    device, most = current_device(), usable_cores()

    def call(item: Item) -> Result:
        with jax.enable_x64(wide), jax.default_device(device), limit_cores(most):
            return function(item)

    return call


Calls = Sequence[tuple[Any, ...]]
"""The arguments of several calls of a program."""


def call_in_parallel(program: Any, static: tuple[Hashable, ...], calls: Calls) -> list[Any]:
    """Call a program several times in parallel, on as many cores as memory allows.

    Args:
        program: a program that was jitted with the options `ON_ONE_CORE`. Apart from some matrix
            products, a call then runs on a single thread.
        static: the static arguments, which come first and are the same for all calls.
        calls: the other arguments of each call.

    Returns:
        The result of each call.
    """
    return prepare_calls(program, static, calls)(calls)


def prepare_calls(program: Any, static: tuple[Hashable, ...], like: Calls) -> Callable[[Calls], list[Any]]:
    """Compile a program for several calls, and return a function
    that makes them as `call_in_parallel` does.

    The function must be called in the same thread and context,
    with arguments of the shapes of `like`.
    """
    compiled = [_compile(program, static, arguments) for arguments in like]
    needed = max(one.memory for one in compiled)
    threads = _threads(min(usable_cores(), max(1, physical_memory() // 2 // max(1, needed))))

    def run(pair: tuple[_Compiled, tuple[Any, ...]]) -> Any:
        one, arguments = pair
        return jax.block_until_ready(one.program(*arguments))

    call = _bind_context(run)

    def call_all(calls: Calls) -> list[Any]:
        with one_thread_each():
            return list(threads.map(call, zip(compiled, calls, strict=True)))

    return call_all


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Return a pool of `count` threads. It is cached: starting threads takes a millisecond."""
    return ThreadPoolExecutor(count)


class _Compiled:
    """A program that is compiled for arguments of given shapes.

    Attributes:
        program: the compiled program.
    """

    def __init__(self, program: Any) -> None:
        self.program = program

    @cached_property
    def memory(self) -> int:
        """Temporary memory of a call, in bytes."""
        return self.program.memory_analysis().temp_size_in_bytes


def _compile(program: Any, static: tuple[Hashable, ...], arguments: tuple[Any, ...]) -> _Compiled:
    """Compile a program for these arguments, or find it among those in memory."""
    _enter()
    leaves, structure = jax.tree.flatten(arguments)
    key = (program, static, structure, tuple(jax.typeof(leaf) for leaf in leaves))
    found = _programs.get(key)
    if found is None:  # another thread may drop all programs at any time
        found = _programs.setdefault(key, _Compiled(program.lower(*static, *arguments).compile()))
    return found


def forget_programs() -> None:
    """Drop the compiled programs of freerun from memory if there are too many;
    the user's own programs stay."""
    if len(_programs) > MOST_IN_MEMORY or _memory_maps() > MOST_MAPS:
        _programs.clear()
        for program in _jitted:
            program.clear_cache()


def _memory_maps() -> int:
    """Number of memory maps of this process; 0 if the system does not report it."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


_jitted: list[Any] = []
"""The functions that `jitted` has wrapped."""

_programs: dict[Any, _Compiled] = {}
"""The programs of `call_in_parallel`, by function, static arguments and argument shapes."""


def current_device() -> Any:
    """Return the device on which JAX computes in this context."""
    # JAX's options have no types
    return jax.config.jax_default_device or jax.local_devices()[0]  # pyright: ignore[reportAttributeAccessIssue] - see above


def device_memory(device: Device) -> int:
    """Return the memory of this machine or of its GPU in bytes;
    8 GiB if the system does not report it.

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
    """Return the JAX device; None if it is the default device of JAX.

    Raises:
        MachineError: there is no GPU.
    """
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
    """The state of this process.

    Attributes:
        stuck: whether it was forked after JAX had started threads. A fork does not copy threads,
            so JAX would hang.
    """

    stuck = False


def _note_fork() -> None:
    """Record, in a forked process, whether JAX had started before the fork."""
    _Process.stuck = backends_are_initialized()


os.register_at_fork(after_in_child=_note_fork)


def _enter() -> None:
    """Set up JAX before its first use.

    Raises:
        ForkError: JAX would hang in this process.
    """
    if _Process.stuck:
        raise ForkError(
            "this process was forked after JAX had computed, and JAX would hang in it; start processes by 'spawn' "
            "(multiprocessing.get_context('spawn')) or by joblib's default, or fork before freerun computes"
        )
    _set_up()


@cache
def _set_up() -> None:
    """Make the settings that hold for the whole process, once."""
    _compile_small_loops_whole()
    _keep_compiled_programs()


def _compile_small_loops_whole() -> None:
    """Raise XLA's limit of small loops to `SMALL_LOOP_BYTES`,
    unless XLA has started or the user has set options."""
    flags = os.environ.get("XLA_FLAGS", "")
    if not backends_are_initialized() and "xla_backend_extra_options" not in flags:
        option = f"--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold={SMALL_LOOP_BYTES}"
        os.environ["XLA_FLAGS"] = f"{flags} {option}".strip()


def _keep_compiled_programs() -> None:
    """Let JAX keep compiled programs in a folder, unless the user has set one in JAX.

    JAX runs the code in that folder. It is therefore readable and writable by its owner alone.
    """
    folder = cache_folder()
    if folder is None or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_oldest(folder)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_compilation_cache_dir", str(folder))


def cache_folder() -> Path | None:
    """Return the folder of compiled programs that `FREERUN_CACHE` names, or the default one;
    None if it is `off`."""
    from platformdirs import user_cache_path

    wanted = os.environ.get(CACHE, "")
    if wanted == "off":
        return None
    if wanted:
        return Path(wanted).expanduser()
    return user_cache_path("freerun", appauthor=False) / "compiled"


def _drop_oldest(folder: Path) -> None:
    """Remove the oldest programs, so that the others take at most `MOST_KEPT` bytes."""
    kept = 0
    for path in sorted(folder.glob("*-cache"), key=lambda path: path.stat().st_mtime, reverse=True):
        kept += path.stat().st_size
        if kept > MOST_KEPT:
            path.unlink(missing_ok=True)
