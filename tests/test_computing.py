import gc
import json
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freerun
from freerun.compute.programs import computing
from freerun.errors import MachineError

SCRIPT = """
import json, sys, time
import jax
import freerun
assert jax.config.jax_compilation_cache_dir is None, "changed on import"
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
series = freerun.systems.mackey_glass(400, seed=0)
rnn = freerun.RNN(hidden=5, optimizer="bfgs", epochs=3).fit(series)
kinds = ("/jax/compilation_cache/compile_requests_use_cache", "/jax/compilation_cache/cache_hits")
asked, found = map(events.count, kinds)
rnn.predict(series)
before = len(events)
rnn.predict(series.between(0, 390))
assert len(events) == before, "compiled again for another length"
print(json.dumps([asked, found, rnn.history_.training_mse[-1]]))
"""


def _run(cache: str) -> tuple[int, int, float]:
    """Programs asked for and programs found in the folder by a process of its own,
    and what it computes."""
    environment = os.environ | {"FREERUN_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    asked, found, error = json.loads(done.stdout)
    return asked, found, error


def test_precision_holds_within_the_context_alone() -> None:
    before = jnp.zeros(1).dtype
    for dtype in ("float64", "float32"):
        with computing(dtype):
            assert jnp.asarray(np.zeros(1)).dtype == dtype
    assert jnp.zeros(1).dtype == before


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU")
@pytest.mark.parametrize("optimizer", [None, "adam"])
def test_a_gpu_that_is_asked_for_and_absent_is_refused(optimizer: Any) -> None:
    with pytest.raises(freerun.FreerunError, match=r"device='gpu': JAX finds none on this machine, only cpu"):
        freerun.RNN(hidden=3, optimizer=optimizer, device="gpu").fit(np.sin(np.arange(200) / 3))


def test_a_readout_is_not_solved_on_a_gpu() -> None:
    with pytest.raises(freerun.errors.SettingError, match="device='gpu': a readout is solved on the processor"):
        freerun.RNN(hidden=3, optimizer="ridge", device="gpu").fit(np.sin(np.arange(200) / 3))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU")
def test_an_absent_gpu_is_reported_before_a_lack_of_memory() -> None:
    """The states of so many units take more than all machines of today have."""
    rnn = freerun.RNN(hidden=10**10, cell="simple", optimizer="adam", device="gpu")
    with pytest.raises(MachineError, match="JAX finds none on this machine"):
        rnn.fit(np.sin(np.arange(200) / 3))


def test_programs_are_kept_for_the_next_process(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    asked, found, first = _run(str(folder))
    assert 2 * found < asked, "a folder that was empty"
    assert folder.stat().st_mode & 0o077 == 0
    asked, found, second = _run(str(folder))
    assert 2 * found > asked
    assert second == first


@pytest.mark.slow
def test_programs_are_not_kept_where_the_cache_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _run("off")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_cannot_be_used_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, found, error = _run(str(tmp_path / "file" / "compiled"))
    assert found == 0
    assert np.isfinite(error)


def test_the_oldest_programs_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freerun.compute import programs

    for age, name in enumerate(("new-cache", "old-cache")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(programs, "MOST_KEPT", 150)
    programs._drop_oldest(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new-cache"]


FLAGS = """
import os, freerun
before = os.environ["XLA_FLAGS"]
assert before == {flags!r}, "changed on import"
freerun.RNN(3, cell="simple", optimizer="adam", epochs=2).fit([float(t % 7) for t in range(60)])
print(os.environ["XLA_FLAGS"])
"""


def _flags_after_a_fit(flags: str) -> list[str]:
    """The flags of XLA in the environment of a process with such flags,
    as its child processes inherit them."""
    environment = os.environ | {"XLA_FLAGS": flags, "FREERUN_CACHE": "off"}
    command = [sys.executable, "-c", FLAGS.format(flags=flags)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_a_fit_keeps_the_flags_of_xla_that_the_user_has_set() -> None:
    own = ["--xla_cpu_enable_fast_math=false", "--xla_backend_optimization_level=0"]
    assert _flags_after_a_fit(" ".join(own))[:2] == own


@pytest.mark.slow
def test_a_fit_adds_no_backend_options_to_those_of_the_user() -> None:
    """A second list of them could undo the user's."""
    own = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=0"
    assert _flags_after_a_fit(own) == [own]


BESIDE = """
import jax, numpy as np
from jax import lax
from freerun.compute.programs import ON_ONE_CORE, computing, call_in_parallel

def run(steps, start, mixed):
    def step(a, _):
        a = jax.numpy.tanh(a @ mixed)
        return a + 1e-3 * jax.numpy.tanh(a.T + 1.0).mean(), None
    return lax.scan(step, start, length=steps)[0]

program = jax.jit(run, static_argnums=0, compiler_options=dict(ON_ONE_CORE))
starts = [np.full((400, 300), k / 10) for k in range(8)]
mixed = np.random.default_rng(0).normal(size=(300, 300)) / 20
with computing("float64"):
    found = call_in_parallel(program, (150,), [(start, mixed) for start in starts])
for a, result in zip(starts, found, strict=True):
    for _ in range(150):
        a = np.tanh(a @ mixed)
        a = a + 1e-3 * np.tanh(a.T + 1.0).mean()
    np.testing.assert_allclose(result, a, rtol=1e-9, atol=1e-12)
"""


@pytest.mark.slow
def test_loops_side_by_side_do_not_wait_for_each_other() -> None:
    """Loops with products and sums that XLA would by itself share out among its threads,
    each against NumPy."""
    subprocess.run([sys.executable, "-c", BESIDE], env=os.environ | {"FREERUN_CACHE": "off"}, check=True, timeout=300)


@pytest.mark.parametrize("memory", [2**40, 1])
def test_results_side_by_side_come_in_order_however_little_memory(memory, monkeypatch: pytest.MonkeyPatch) -> None:
    from freerun.compute import programs

    monkeypatch.setattr(programs, "physical_memory", lambda: memory)
    program = jax.jit(lambda power, x: x**power, static_argnums=0, compiler_options=dict(programs.ON_ONE_CORE))
    with programs.computing("float64"):
        found = programs.call_in_parallel(program, (3,), [(np.arange(k, k + 5.0),) for k in range(6)])
    np.testing.assert_allclose(found, [np.arange(k, k + 5.0) ** 3 for k in range(6)], rtol=1e-15)


def small(seed: int = 0) -> freerun.RNN:
    return freerun.RNN(7, cell="memoryless", delays=2, difference=0, optimizer="ridge", l2=1e-4, seed=seed)


def test_forgetting_programs_gives_their_memory_maps_back_and_leaves_those_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from freerun.compute import programs

    traced = []

    @jax.jit
    def of_the_user(x: Any) -> Any:
        traced.append(x)
        return x + 1

    x = np.sin(np.arange(611) / 3)
    of_the_user(x)
    small().fit(x[:211]).generate(5)  # the libraries that a first fit loads, and JAX's own small programs
    before = programs._memory_maps()
    small().fit(x).generate(37)
    grown = programs._memory_maps() - before
    monkeypatch.setattr(programs, "MOST_IN_MEMORY", -1)
    programs.forget_programs()
    gc.collect()
    if before:
        assert programs._memory_maps() - before < grown / 2
    of_the_user(x)
    assert len(traced) == 1


def test_threads_forget_programs_while_others_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from freerun.compute import programs

    x = 10 + np.sin(np.arange(150) / 3)
    expected = [small(seed).fit(x).generate(5).values for seed in range(4)]
    monkeypatch.setattr(programs, "MOST_IN_MEMORY", -1)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: small(seed).fit(x).generate(5).values, range(4)))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_work_goes_on_side_by_side_than_is_allowed(most: int) -> None:
    from freerun.compute import cores

    going, highest, lock = [0], [0], Lock()

    def work(item: int) -> int:
        with lock:
            going[0] += 1
            highest[0] = max(highest[0], going[0])
        time.sleep(0.02)
        with lock:
            going[0] -= 1
        return item

    with cores.limit_cores(most):
        assert list(cores.thread_map(work, range(8))) == list(range(8))
    assert highest[0] <= most


FORKED = """
import multiprocessing, sys, warnings
import numpy as np
import freerun
import freerun.compute.programs

warnings.simplefilter("ignore")
x = 10 + np.sin(np.arange(150) / 3)

def small():
    return freerun.RNN(7, cell="memoryless", delays=2, difference=0, optimizer="ridge", l2=1e-4)

def trained():
    return freerun.RNN(3, cell="simple", delays=1, optimizer="adam", epochs=5)

def fit(_):
    return trained().fit(x).generate(3).values.tolist()

def solve(_):
    return small().fit(x).generate(3).values.tolist()

def run(_):
    return rnn.generate(3).values.tolist()

def tried(work):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            return pool.map_async(work, [0]).get(60)
        except freerun.FreerunError as error:
            return type(error).__name__ + ": " + str(error)

(early,) = tried(fit)
rnn = trained().fit(x)
np.testing.assert_allclose(early, run(0))
said = tried(fit)
assert "ForkError: this process was forked after JAX had computed" in said, said
assert "'spawn'" in said, said
for work in (solve, run):  # nothing in them needs JAX
    (found,) = tried(work)
    np.testing.assert_allclose(found, work(0))
"""


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_computing_in_a_process_forked_too_late_is_an_error_and_does_not_hang(tmp_path: Path) -> None:
    script = tmp_path / "forked.py"
    script.write_text(FORKED)
    subprocess.run([sys.executable, script], check=True, timeout=200)
