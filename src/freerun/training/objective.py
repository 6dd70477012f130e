"""The objective that training minimises: the mean squared error under a forcing,
plus penalties on the weights."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PRNGKeyArray

from freerun.network.cells import RecurrentCell
from freerun.network.network import Network, State
from freerun.network.updates import Array
from freerun.training.forcing import Errors, Forcing
from freerun.training.sensitivity import by_passes, by_pieces
from freerun.training.supervised import SupervisedData

STARTS_PER_WINDOW = 4
"""Stateful windows start at multiples of their length divided by this,
so that few initial states are computed."""

VECTOR_BYTES = 32
"""Bytes of a SIMD register of a CPU (AVX2)."""

UNITS_PER_IDLE = 7
"""Minimum number of hidden units for each idle unit that pads
them to a multiple of the SIMD width."""

SMOOTHING = 1e-6
"""In residuals the L1 penalty has sqrt(w^2 + SMOOTHING^2) in place of |w|,
since |w| has no derivative at zero."""


class Noise(eqx.Module):
    """Gaussian noise in training (An, 1996; Jim, Giles and Horne, 1996),
    for one network or M stacked networks.

    Attributes:
        weights: standard deviation of the noise on every weight.
        inputs: standard deviation of the noise on the standardised inputs.
    """

    weights: Float[Array, "*M"]
    inputs: Float[Array, "*M"]


class Regularization(eqx.Module):
    """The regularization of one network, shape (), or of M stacked networks, shape (M,).

    Attributes:
        l1: factor of the sum of absolute weights; None for no such penalty.
        l2: factor of the sum of squared weights; None for no such penalty.
        noise: noise on weights and inputs; None for no noise.
    """

    l1: Float[Array, "*M"] | None = None
    l2: Float[Array, "*M"] | None = None
    noise: Noise | None = None


class Objective(eqx.Module):
    """mean squared error + l2 * (sum of squared weights) + l1 * (sum of absolute weights),
    biases included.

    Attributes:
        data: the training data; if `length` is positive, the series from which windows are cut.
        forcing: what the network reads.
        length: number of steps of the random windows; 0 for the whole series.
        batch: number of windows in each update.
        washout: number of first errors of each window that do not count.
        stateful: whether windows start in the states that the network reaches there,
            not in the zero state.
        states: the states in which windows may start; see `primed`.
    """

    data: SupervisedData
    forcing: Forcing
    length: int = eqx.field(static=True, default=0)
    batch: int = eqx.field(static=True, default=1)
    washout: int = eqx.field(static=True, default=0)
    stateful: bool = eqx.field(static=True, default=False)
    states: State | None = None

    @property
    def of_one_sequence(self) -> bool:
        """Whether the errors are computed along a single series, as a whole."""
        return not self.length and not self.data.stacked

    @property
    def sequences(self) -> int:
        """The number of sequences along which errors are computed."""
        if self.length:
            return self.batch
        return len(self.data.inputs) if self.data.stacked else 1

    @property
    def spacing(self) -> int:
        """The number of steps between two steps at which a window may start."""
        return max(1, self.length // STARTS_PER_WINDOW) if self.stateful else 1

    def primed(self, network: Network) -> Objective:
        """The same objective, with the states that `network` reaches if windows are stateful."""
        return replace(self, states=self.data.states(network, self.spacing)) if self.stateful else self

    def __call__(self, network: Network, regularization: Regularization, key: PRNGKeyArray) -> Float[jax.Array, ""]:
        """Compute the objective.

        Args:
            network: the weights.
            regularization: penalties and noise.
            key: for the noise, the forcing and the windows.
        """
        errors, weight = self._errors(network, regularization.noise, key)
        return (errors**2 * weight).sum() / weight.sum() + penalty(network, regularization)

    def residuals(self, network: Network, regularization: Regularization, key: PRNGKeyArray) -> Float[jax.Array, " N"]:
        """Compute the residuals, whose squares sum to the objective.

        Args:
            network: the weights.
            regularization: penalties and noise.
            key: for the noise, the forcing and the windows.

        Returns:
            One entry for each error, then one for each weight and penalty.
        """
        errors, weight = self._errors(network, regularization.noise, key)
        theta, _ = ravel_pytree(network)
        return jnp.concatenate([(errors * jnp.sqrt(weight / weight.sum())).ravel(), *_penalties(theta, regularization)])

    def jacobian(self, network: Network, regularization: Regularization, key: PRNGKeyArray) -> Float[jax.Array, "N P"]:
        """Compute the Jacobian of the residuals with respect to the P weights.

        Args:
            network: the weights, ravelled to the columns of the Jacobian.
            regularization: penalties and noise.
            key: for the noise, the forcing and the windows.
        """
        theta, unravel = ravel_pytree(network)
        if self.data.observed is not None:
            hidden = network.readout.shape[0]
            return by_passes(lambda theta: self.residuals(unravel(theta), regularization, key), theta, hidden)
        _, weight = self._errors(network, regularization.noise, key)
        network, data, forcing_key = self.read(network, regularization.noise, key)
        noisy, _ = ravel_pytree(network)

        def network_of(weights: jax.Array) -> Network:
            return _padded(unravel(weights), data)

        def rows(one: SupervisedData) -> jax.Array:
            return by_pieces(self.forcing.pieces(one, network_of(noisy), forcing_key), network_of, noisy)

        every = jax.vmap(rows)(data) if data.stacked else rows(data)[None]
        every = every.reshape(len(every), -1, theta.size)[:, : weight.size // len(every)].reshape(-1, theta.size)
        slopes = jax.jvp(lambda theta: _penalties(theta, regularization), (theta,), (jnp.ones_like(theta),))[1]
        return jnp.concatenate([every * jnp.sqrt(weight / weight.sum()).reshape(-1, 1), *map(jnp.diag, slopes)])

    def _errors(self, network: Network, noise: Noise | None, key: PRNGKeyArray) -> Errors:
        network, data, forcing_key = self.read(network, noise, key)
        network = _padded(network, data)
        return self.forcing.errors(network, data.completed(network), forcing_key)

    def read(
        self, network: Network, noise: Noise | None, key: PRNGKeyArray
    ) -> tuple[Network, SupervisedData, PRNGKeyArray]:
        """Draw what an update reads.

        Args:
            network: the weights.
            noise: noise on weights and inputs; None for no noise.
            key: for the noise, the forcing and the windows.

        Returns:
            The weights with noise; the data with noise, in windows if `length` is positive;
            the key of the forcing.
        """
        data = self.data
        keys = jax.random.split(key, 4)
        if noise is not None:
            leaves, tree = jax.tree.flatten(network)
            noisy = [
                w + noise.weights * jax.random.normal(k, w.shape, w.dtype)
                for w, k in zip(leaves, jax.random.split(keys[0], len(leaves)), strict=True)
            ]
            network = jax.tree.unflatten(tree, noisy)
            inputs = data.inputs + noise.inputs * jax.random.normal(keys[1], data.inputs.shape, data.inputs.dtype)
            data = eqx.tree_at(lambda p: p.inputs, data, inputs)
        if self.length:
            data = data.windows(keys[3], self.batch, self.length, self.washout, self.states, self.spacing)
        return network, data, keys[2]


def penalty(network: Network, regularization: Regularization) -> Float[jax.Array, ""]:
    """Compute the penalties that the objective adds to the mean squared error."""
    weights = jax.tree.leaves(network)
    squares = 0.0 if regularization.l2 is None else regularization.l2 * sum(jnp.sum(w**2) for w in weights)
    sizes = 0.0 if regularization.l1 is None else regularization.l1 * sum(jnp.sum(jnp.abs(w)) for w in weights)
    return jnp.asarray(squares + sizes, network.bias.dtype)


def _padded(network: Network, data: SupervisedData) -> Network:
    """Pad the hidden units to a multiple of the SIMD width with idle units, if few are needed.

    A loop over a single sequence is then faster. A network with several layers, or with gates,
    is not padded.
    """
    (cell, *others), units = network.cells, network.readout.shape[0]
    idle = -units % (VECTOR_BYTES // network.bias.dtype.itemsize)
    if data.stacked or others or not isinstance(cell, RecurrentCell) or cell.gates > 1 or idle * UNITS_PER_IDLE > units:
        return network
    wide = jax.tree.map(lambda a: jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, idle)]), cell)
    wide = replace(wide, recurrent=jnp.pad(cell.recurrent, (0, idle)))
    return replace(network, cells=(wide,), readout=jnp.pad(network.readout, [(0, idle), (0, 0)]))


def _penalties(theta: Float[Array, " P"], regularization: Regularization) -> list[Float[Array, " P"]]:
    """The residuals of each penalty, shape (P,)."""
    rows = []
    if regularization.l2 is not None:
        rows.append(jnp.sqrt(regularization.l2) * theta)
    if regularization.l1 is not None:
        rows.append(jnp.sqrt(regularization.l1) * (theta**2 + SMOOTHING**2) ** 0.25)
    return rows
