"""The works of the speed benchmark: the tasks that are timed, and the peers.

Each work is a function that yields timings, freerun's first. Contestants take turns, round by
round, in one process, but for what is timed from the start of a process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import freerun
import racers
from freerun.compute.programs import computing
from freerun.network import jax_runs
from freerun.network.initial import Start, initial_network
from freerun.network.network import Network
from freerun.network.shape import Shape
from freerun.settings import Device, Dtype
from freerun.training.forcing import Full
from freerun.training.objective import Objective, Regularization
from freerun.training.optimizers import Gradient, LevenbergMarquardt, Population, minimize, stack
from freerun.training.supervised import SupervisedData

Run = Callable[[], object]

LONG: list[tuple[int, int, Dtype]] = [
    (10_000, 15, "float32"),
    (10_000, 15, "float64"),
    (100_000, 15, "float32"),
    (100_000, 15, "float64"),
    (1_000_000, 15, "float32"),
    (1_000_000, 15, "float64"),
    (100_000, 64, "float32"),
]
"""Steps, units and precision of the long series that a GPU reads."""

STEP_BY_STEP = 10_000
"""Most steps that it reads one by one."""

ITERATIONS = 30
"""Of Levenberg-Marquardt in a turn; an iteration of freerun's goes on
until a damping lowers the objective."""


@dataclass(frozen=True)
class Timing:
    """The times of one method.

    Attributes:
        task: what was timed.
        method: `freerun`, or a peer.
        values: one a round.
        unit: in which values are shown, times `factor`.
        less_is_better: of the values.
    """

    task: str
    method: str
    values: list[float]
    unit: str = "ms"
    factor: float = 1e3
    less_is_better: bool = True


@dataclass(frozen=True)
class Work:
    """A work: its title on the page, the aim, how to run it, and whether it takes a GPU."""

    title: str
    reach: str
    run: Callable[[], Iterator[Timing]]
    gpu: bool = False


def in_turn(task: str, contestants: dict[str, tuple[Run, int]], rounds: int = 5) -> Iterator[Timing]:
    """Seconds that each contestant takes for one unit of work; a turn is several units."""
    seconds: dict[str, list[float]] = {method: [] for method in contestants}
    for run, _ in contestants.values():
        run()
    for _ in range(rounds):
        for method, (run, units) in contestants.items():
            began = time.perf_counter()
            run()
            seconds[method].append((time.perf_counter() - began) / units)
    for method, values in seconds.items():
        yield Timing(task, method, values)


def tutorial_series(steps: int) -> np.ndarray:
    """The tutorial's series, standardised, repeated as often as need be: shape (steps, 1)."""
    values = freerun.systems.mackey_glass(min(steps, 20_000), seed=0).values
    return np.resize((values - values.mean()) / values.std(), (steps, 1))


def networks(cell: str, hidden: int, members: int, dtype: str, direct: bool = False) -> Network:
    """Stacked networks with one input and one output."""
    shape = Shape(1, hidden, cell, direct=direct)
    return stack([initial_network(shape, Start("glorot", seed=seed), dtype) for seed in range(members)])


def descent(
    cell: str,
    hidden: int,
    steps: int,
    epochs: int,
    batch: int = 0,
    device: Device = "cpu",
    parallel: bool = False,
    dtype: Dtype = "float32",
) -> Run:
    """Gradient descent by freerun's optimiser, on the whole series or on a batch of windows."""
    one = replace(networks(cell, hidden, 1, dtype), parallel=parallel)
    with computing(dtype, device):
        values = jnp.asarray(tutorial_series(5000 if batch else steps + 1), dtype)
        objective = Objective(
            SupervisedData.of([np.asarray(values)], 1, 0), Full(), length=steps if batch else 0, batch=max(1, batch)
        )
        population = Population(one, rates=jnp.asarray([1e-3], dtype))

    def run() -> None:
        with computing(dtype, device):
            optimizer = Gradient("sgd", epochs, epochs)
            ending = minimize(
                optimizer, lambda _: objective, optimizer.begin(population), jax.random.key(0), lambda *_: None
            )
            jax.block_until_ready(ending.population.networks)

    return run


def epoch() -> Iterator[Timing]:
    """1500 steps x 15 units, one sequence."""
    values = tutorial_series(1501).astype(np.float32)
    contestants = {"freerun": (descent("simple", 15, 1500, 1000), 1000), **racers.sequence(values, 15)}
    yield from in_turn("1 x 1500 x 15", contestants)


BATCHES = [
    (cell, *shape)
    for cell in ("simple", "gru", "lstm")
    for shape in ((32, 200, 50), (32, 200, 256), (64, 100, 512), (512, 50, 64))
]
"""Cell, sequences, steps and units."""


def batches() -> Iterator[Timing]:
    """Batches of sequences."""
    for cell, batch, steps, hidden in BATCHES:
        epochs = 20 if hidden < 100 else 10
        contestants = {
            "freerun": (descent(cell, hidden, steps, epochs, batch), epochs),
            **racers.batch(cell, batch, steps, hidden),
        }
        yield from in_turn(f"{cell}, {batch} x {steps} x {hidden}", contestants, rounds=3)


def gpu() -> Iterator[Timing]:
    """One long series on a GPU: pieces side by side, step by step, and on the processor."""
    for steps, hidden, dtype in LONG:
        contestants = {
            "freerun": (descent("simple", hidden, steps, 20, device="gpu", parallel=True, dtype=dtype), 20),
            "freerun on the processor": (descent("simple", hidden, steps, 2, dtype=dtype), 2),
        }
        if steps <= STEP_BY_STEP:
            contestants["freerun step by step"] = (descent("simple", hidden, steps, 1, device="gpu", dtype=dtype), 1)
            if dtype == "float32":
                contestants |= racers.recurrent(tutorial_series(steps + 1).astype(np.float32), hidden, 1, "cuda")
        precision = "single" if dtype == "float32" else "double"
        yield from in_turn(f"{steps} steps, {hidden} units, {precision}", contestants, rounds=3)


def gpu_batches() -> Iterator[Timing]:
    """Batches of sequences on a GPU."""
    for cell, batch, steps, hidden in BATCHES:
        contestants = {
            "freerun": (descent(cell, hidden, steps, 10, batch, "gpu"), 10),
            "freerun on the processor": (descent(cell, hidden, steps, 3, batch), 3),
            **racers.batch(cell, batch, steps, hidden, "cuda"),
        }
        yield from in_turn(f"{cell}, {batch} x {steps} x {hidden}", contestants, rounds=3)


def members(device: Device = "cpu") -> Iterator[Timing]:
    """64 networks at once, and one after the other on the processor, by what users call."""
    series = freerun.systems.mackey_glass(1501, seed=0)
    shared = {"hidden": 15, "optimizer": "adam", "epochs": 200, "dtype": "float32", "direct": False}

    def together() -> None:
        freerun.RNN(**shared, members=64, restarts=64, holdout=0.0, device=device).fit(series)

    def single() -> None:
        for seed in range(64):
            freerun.RNN(**shared, seed=seed, device="cpu").fit(series)

    yield from in_turn("64 networks, 200 epochs", {"freerun": (together, 1), "64 single fits": (single, 1)}, rounds=3)


def damped(hidden: int, device: Device = "cpu") -> tuple[Run, Objective, Network]:
    """Iterations of Levenberg-Marquardt on 1500 steps in double precision,
    and from which network on what."""
    one = networks("simple", hidden, 1, "float64", direct=True)
    with computing("float64", device):
        objective = Objective(SupervisedData.of([tutorial_series(1501)], 1, 0), Full())

    def run() -> None:
        with computing("float64", device):
            optimizer = LevenbergMarquardt(ITERATIONS)
            minimize(
                optimizer, lambda _: objective, optimizer.begin(Population(one)), jax.random.key(0), lambda *_: None
            )

    return run, objective, one


def levenberg() -> Iterator[Timing]:
    """An iteration of Levenberg-Marquardt, against optimistix on the same residuals."""
    for hidden in (15, 40):
        run, objective, one = damped(hidden)
        with computing("float64"):
            start, unravel = ravel_pytree(jax.tree.map(lambda w: jnp.asarray(w[0]), one))

        def residuals(weights: jax.Array, objective: Objective = objective, unravel=unravel) -> jax.Array:
            return objective.residuals(unravel(weights), Regularization(), jax.random.key(0))

        contestants = {"freerun": (run, ITERATIONS), **racers.least_squares(residuals, start, ITERATIONS)}
        yield from in_turn(f"{hidden} units, {start.size} weights", contestants, rounds=3)


def gpu_levenberg() -> Iterator[Timing]:
    """An iteration of Levenberg-Marquardt on a GPU and on the processor."""
    for hidden in (15, 40):
        contestants = {
            "freerun": (damped(hidden, "gpu")[0], ITERATIONS),
            "freerun on the processor": (damped(hidden)[0], ITERATIONS),
        }
        yield from in_turn(f"{hidden} units", contestants, rounds=3)


def free() -> Iterator[Timing]:
    """Free runs: steps a second."""
    with computing("float32"):
        small = jax.tree.map(lambda w: jnp.asarray(w[0]), networks("simple", 15, 1, "float32"))
        large = jax.tree.map(lambda w: jnp.asarray(w[0]), networks("simple", 1000, 1, "float32"))
    advance = jax.jit(
        lambda network, steps: jax_runs.run_free(network, network.rest(), jnp.zeros(1), steps), static_argnums=1
    )

    def run(network: Network, steps: int) -> Run:
        def go() -> None:
            with computing("float32"):
                jax.block_until_ready(advance(network, steps))

        return go

    for timing in in_turn("15 units", {"freerun": (run(small, 1_000_000), 1_000_000)}):
        yield Timing(timing.task, timing.method, [1 / t for t in timing.values], "million steps/s", 1e-6, False)
    contestants = {"freerun": (run(large, 2000), 2000), **racers.matrix_vector(1000)}
    for timing in in_turn("1000 units", contestants):
        yield Timing(timing.task, timing.method, timing.values, "microseconds a step", 1e6)


def startup() -> Iterator[Timing]:
    """From the start of a process."""
    python = [sys.executable]
    with tempfile.TemporaryDirectory() as folder:
        series = Path(folder) / "series.csv"
        freerun.systems.mackey_glass(1500, seed=0).write(series)
        environment = racers.OUTSIDE | {"FREERUN_CACHE": str(Path(folder) / "compiled")}
        fit = [*python, "-m", "freerun", "fit", str(series), "--hidden", "15", "--optimizer", "adam", "--epochs", "10"]
        fit += ["--quiet", "-o", str(Path(folder) / "model.freerun")]
        commands = {
            "import freerun": [*python, "-c", "import freerun"],
            "freerun --help": [*python, "-m", "freerun", "--help"],
            "second freerun fit, 10 epochs": fit,
        }
        for task, command in commands.items():

            def run(command: list[str] = command) -> None:
                subprocess.run(command, check=True, capture_output=True, env=environment)

            for timing in in_turn(task, {"freerun": (run, 1)}):
                yield Timing(timing.task, timing.method, timing.values, "s", 1.0)


def growth() -> Iterator[Timing]:
    """Seconds of an epoch against the length of the series and the number of units."""
    for steps in (1_000, 10_000, 100_000, 1_000_000):
        yield from in_turn(f"{steps} steps, 64 units", {"freerun": (descent("simple", 64, steps, 10), 10)}, rounds=3)
    for hidden in (8, 32, 128, 512, 1024):
        yield from in_turn(
            f"1000 steps, {hidden} units", {"freerun": (descent("simple", hidden, 1000, 10), 10)}, rounds=3
        )


MEMORY = """
from pathlib import Path
import freerun
rnn = freerun.RNN(hidden=64, optimizer="adam", epochs=200, window=200, batch=32).fit({series})
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


def memory() -> Iterator[Timing]:
    """Peak memory of training in windows, 64 units: on a million steps,
    and on 200 million in a file of 1.6 GB."""
    million = freerun.systems.mackey_glass(1_000_000, seed=0).values[:, 0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npy"
        stored = np.lib.format.open_memmap(path, "w+", np.float64, (200 * len(million),))
        for i in range(200):
            stored[i * len(million) : (i + 1) * len(million)] = million
        sources = {
            "10^6 steps, 64 units, windows": "freerun.systems.mackey_glass(1_000_000, seed=0)",
            "2 10^8 steps in a file, 64 units, windows": repr(str(path)),
        }
        for task, series in sources.items():
            script = MEMORY.format(series=series)
            done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
            yield Timing(task, "freerun", [float(done.stdout)], "GB", 1e-9)


HOLDS = """
import freerun
series = freerun.systems.mackey_glass(2700, seed=0)
rnn = freerun.RNN({parameters}).fit(series.split(1500)[0])
print(rnn.evaluate(series, 1500).vpt)
"""

BY_HAND = "300, cell='memoryless', delays=20, input_scale=0.3, l2=1e-10, restarts=1"


def holds() -> Iterator[Timing]:
    """From the start of a process to a free run that holds, on the tutorial's series."""
    ours = {
        "freerun, one recipe by hand": HOLDS.format(parameters=BY_HAND),
        "freerun, the default": HOLDS.format(parameters=""),
    }
    for method, script in {**ours, **racers.FREE_RUNNERS}.items():
        seconds, held = [], []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as folder:
                environment = racers.OUTSIDE | {"FREERUN_CACHE": folder}
                began = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment
                )
                seconds.append(time.perf_counter() - began)
                held.append(done.stdout.strip())
        yield Timing(f"held {', '.join(dict.fromkeys(held))} steps", method, seconds, "s", 1.0)


WORKS = {
    "epoch": Work(
        "Loss, gradient and update: 1500 steps x 15 tanh units, one sequence, single precision",
        "3 times a plain scan, 3 times PyTensor, 80 times PyTorch; within 3 times of C",
        epoch,
    ),
    "batches": Work("The same for batches: sequences x steps x units", "faster than PyTorch in every line", batches),
    "gpu": Work("One long series on a GPU, pieces side by side", "faster than the sequential scan", gpu, True),
    "gpu-batches": Work(
        "Batches on a GPU: sequences x steps x units", "faster than on the processor", gpu_batches, True
    ),
    "members": Work("64 networks at once", "8 times the throughput of single fits", members),
    "gpu-members": Work(
        "64 networks at once on a GPU", "8 times the throughput of single fits", partial(members, "gpu"), True
    ),
    "levenberg": Work(
        "An iteration of Levenberg-Marquardt, 1500 steps, double precision", "5 times optimistix", levenberg
    ),
    "gpu-levenberg": Work("The same on a GPU", "faster than on the processor from some size on", gpu_levenberg, True),
    "free": Work("Free runs", "2 million steps/s; within 2 times of a matrix-vector product", free),
    "startup": Work("From the start of a process", "import 0.2 s, --help 0.3 s, second fit 2 s", startup),
    "growth": Work("How an epoch grows", "linear in steps, at most quadratic in units", growth),
    "memory": Work("Peak memory", "1.5 GB", memory),
    "holds": Work(
        "From the start of a process to a free run that holds, on the tutorial's series, nothing compiled before",
        "150 steps sooner than Keras and PyTorch hold 15",
        holds,
    ),
}
"""The works by name."""
