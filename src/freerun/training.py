"""Training networks on a series: sets up the objective, watches the errors, keeps the best or the last good weights."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freerun.cells import CELLS
from freerun.computing import computing, physical_memory
from freerun.errors import SeriesError, SettingError
from freerun.forcing import Forcing, Full, Pairs, filled_up, stages
from freerun.history import Trained, Watcher
from freerun.initial import Start, initial_network
from freerun.network import Network, Shape
from freerun.objective import Noise, Objective
from freerun.optimizers import BFGS, Gradient, LevenbergMarquardt, Optimizer, Readout, Ridge, stack
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import PIECEWISE_LINEAR, SHORT, Settings
from freerun.validation import Validation
from freerun.watch import AllDivergedError, Watch

EPOCHS = {"levenberg-marquardt": 100}
"""Default epochs of an optimiser; 1000 for those not named."""

UNTHINNED = 2
"""Stages of a forcing after which the worse half of the networks is dropped before each further stage."""

RESERVOIR_PENALTY = 1e-8
"""The penalty with which the readout of a reservoir is solved before all of it is trained."""


def train(
    settings: Settings,
    training: Sequence[Series],
    validation: Series | None,
    scaling: Scaling,
    network: Network | None = None,
    held_out: int = 0,
    progress: Watcher | None = None,
) -> list[Trained]:
    """Train networks of one shape at once, watching the one-step error on `validation`, whose state starts at zero.

    Args:
        settings: of the networks and their training, with nothing left to choose; `restarts` is their number.
        training: one series, or several that are learned together, in their own units.
        validation: in its own units. On a validation series that is shorter than the washout, the error of its last
            step counts.
        scaling: to the units of the network.
        network: the weights to start from, of all of them; None draws fresh ones, from seeds that follow each other.
        held_out: last steps of each training series that are not trained on; free runs over them decide which weights
            are kept, and which networks are worth the later stages of a forcing.
        progress: called about a hundred times.

    Returns:
        The networks, the best free run first where steps are held out; those that diverged last.

    Raises:
        SettingError: a window or a schedule that does not fit the series, or a Jacobian that does not fit the memory.
        SeriesError: too few steps are left after washout and held-out steps.
        TrainingDiverged: no network has a finite objective at the weights to start from; there is nothing to keep.
    """
    washout = settings.washout or 0
    shortest = min(map(len, training))
    if settings.window is not None and not washout < settings.window < shortest - held_out:
        raise SettingError(
            f"window={settings.window}: must be longer than the washout of {washout} and shorter than the "
            f"{shortest - held_out} steps to train on"
        )
    if shortest - held_out < washout + 2:
        raise SeriesError(
            f"of the {shortest} steps of the training series {held_out} are held out; with a washout of {washout} "
            "nothing is left to train on; give a longer series, or a smaller holdout or washout"
        )
    if settings.method != "ridge":
        _require_memory(settings, sum(len(series) - held_out for series in training))
    channels = training[0].shape[1]
    with computing(settings.dtype, settings.device):
        panel = [scaling.apply(series) for series in training]
        pairs = pairs_of([values[: len(values) - held_out] for values in panel], channels, settings)
        seeds = [settings.seed + i for i in range(settings.restarts or 1)]
        penalties = [jnp.asarray(factor) if factor else None for factor in (settings.l1, settings.l2)]
        noise = noise_of(settings)
        key = jax.random.key(settings.seed)

        def start(seed: int) -> Network:
            if network is not None:
                return jax.tree.map(lambda w: jnp.asarray(w, settings.dtype), network)
            return _fresh(settings.with_(seed=seed), training[0], pairs, key)

        def objective(forcing: Forcing) -> Objective:
            length, batch = settings.window or 0, settings.batch or 16
            return Objective(pairs, forcing, penalties[0], penalties[1], noise, length, batch, washout)

        networks = stack([start(seed) for seed in seeds])
        plan = stages(
            settings,
            Pairs.of([panel[0][: settings.window + 1]], channels, washout) if settings.window else pairs,
            settings.washout or 0,
        )
        epochs = 1 if settings.method == "ridge" else settings.epochs or EPOCHS.get(settings.method, 1000)
        optimizer = optimizer_for(settings, max(1, epochs // len(plan)), epochs)
        watch = Watch(
            [settings.with_(seed=seed, restarts=1, members=1) for seed in seeds],
            pairs,
            None if validation is None else pairs_of([scaling.apply(validation)], channels, settings),
            Validation.of(panel, channels, held_out, settings.dtype) if held_out else None,
            jnp.asarray(scaling.scale),
            max(1, epochs // len(plan)) * len(plan),
            progress,
        )
        watch.begin(networks, objective(Full()), key)
        try:
            for number, stage in enumerate(plan):
                if not watch.running:
                    break
                if number >= UNTHINNED and held_out:
                    watch.drop_worse_half(settings.members or 1)
                now = watch.begin_stage()
                watch.end_stage(optimizer.minimize(objective(stage(now)), now, jax.random.fold_in(key, number), watch))
        except AllDivergedError:
            pass  # every failure is in the results
        except KeyboardInterrupt as interrupt:
            watch.interrupt(interrupt)
        return watch.results()


def _require_memory(settings: Settings, steps: int) -> None:
    """Refuse to train on more at a time than fits in memory: the states of every step are kept for the gradient."""
    kind = CELLS.get(settings.cell or "simple")
    gates = 1 if kind is None else kind.gates
    width = {"float64": 8, "float32": 4}[settings.dtype]
    one = (settings.window or steps) * settings.layers * (settings.hidden or 1) * (4 * gates + 4) * width
    together = (settings.batch or 16) if settings.window else 1
    memory = physical_memory()
    if one * together <= memory:
        return
    fits = memory // one
    advice = (
        f"choose batch={fits} or less"
        if settings.window and fits
        else f"choose window={max(2, int((settings.window or steps) * memory / one / together))} or less"
    )
    what = f"batch={together} windows of {settings.window} steps" if settings.window else f"all {steps} steps at once"
    raise SettingError(
        f"training on {what} with {settings.hidden} units takes {one * together / 2**30:.1f} GiB, and this machine has "
        f"{memory / 2**30:.1f} GiB; {advice}"
    )


def require_steps(name: str, series: Series, washout: int) -> None:
    """Refuse a series in which no error would count.

    Raises:
        SeriesError: the series is not longer than the washout and one step to predict.
    """
    if len(series) < washout + 2:
        raise SeriesError(
            f"the {name} series has {len(series)} steps; with a washout of {washout} it needs {washout + 2} or more"
        )


def shape_of(settings: Settings, channels: int, inputs: int) -> Shape:
    """The shape of the networks that the settings describe, with nothing left to choose, for D channels, E inputs."""
    hidden = settings.hidden or 1
    latent = settings.latent or max(channels, hidden // 4)
    return Shape(
        channels,
        hidden,
        settings.cell or "simple",
        settings.lags,
        settings.layers,
        settings.direct,
        settings.nonlinearity,
        latent if settings.cell in PIECEWISE_LINEAR else 0,
        inputs,
        settings.differences,
    )


def drawn(settings: Settings, series: Series) -> Network:
    """A network as the settings draw it for such a series."""
    scale = 0.5 if settings.input_scale is None else settings.input_scale
    start = Start(
        settings.initial or "glorot",
        settings.seed,
        0.9 if settings.spectral_radius is None else settings.spectral_radius,
        scale,
        max(1.0, scale) if settings.bias_scale is None else settings.bias_scale,
        0.3 if settings.leak is None else settings.leak,
    )
    return initial_network(shape_of(settings, series.shape[1], series.inputs.shape[1]), start)


def optimizer_for(settings: Settings, epochs: int, total: int) -> Optimizer:
    """The optimiser that the settings name, with so many epochs in each stage and in all."""
    if settings.method == "ridge":
        return Ridge()
    if settings.method == "levenberg-marquardt":
        return LevenbergMarquardt(epochs)
    if settings.method in ("bfgs", "lbfgs"):
        return BFGS(epochs, limited=settings.method == "lbfgs")
    rate = 0.01 if settings.learning_rate is None else settings.learning_rate
    return Gradient(settings.method, rate, epochs, total, settings.schedule or "constant")


def pairs_of(panel: Sequence[np.ndarray], channels: int, settings: Settings) -> Pairs:
    """With the washout, or as much of it as leaves one error to count.

    Short series are filled up to one of a few lengths, so that a fit of a slightly longer one compiles nothing anew.
    """
    shortest, longest = min(map(len, panel)), max(map(len, panel)) - 1
    filled = filled_up(longest) if longest < SHORT else 0
    return Pairs.of(panel, channels, min(settings.washout or 0, shortest - 2), filled)


def noise_of(settings: Settings) -> Noise | None:
    """The noise that the settings ask for."""
    if not settings.weight_noise and not settings.input_noise:
        return None
    return Noise(jnp.asarray(settings.weight_noise), jnp.asarray(settings.input_noise or 0.0))


def _fresh(settings: Settings, series: Series, pairs: Pairs, key: Array) -> Network:
    network = drawn(settings, series)
    if settings.initial != "reservoir" or settings.method == "ridge":
        return network
    return Readout.of(network, pairs, None, key).solve(RESERVOIR_PENALTY)
