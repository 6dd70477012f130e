"""What training minimises: the mean squared error under a forcing, and penalties on the weights."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PRNGKeyArray

from freerun.forcing import Errors, Forcing
from freerun.network.cells import RecurrentCell
from freerun.network.network import Network, State
from freerun.network.updates import Array
from freerun.pairs import Pairs
from freerun.sensitivity import by_passes, by_pieces

STARTS = 4
"""Windows that carry states may begin at this share of their length, and at its multiples."""

VECTOR, MOST_IDLE = 32, 7
"""Bytes of a vector of a processor; and idle units that fill it up are one for so many others at most."""

SMOOTHING = 1e-6
"""Where residuals are squared, |w| of the L1 penalty is sqrt(w^2 + SMOOTHING^2), which has a derivative at zero."""


class Noise(eqx.Module):
    """Noise while training (An, 1996; Jim, Giles and Horne, 1996).

    Attributes:
        weights: standard deviation of noise added to every weight.
        inputs: standard deviation of noise added to the standardised values that are read.
    """

    weights: Float[Array, "*M"]
    inputs: Float[Array, "*M"]


class Terms(eqx.Module):
    """What each network has for itself in an objective: of shape (), or stacked, (M,), for M networks.

    Attributes:
        l1, l2: the factors of the penalties, or None.
        noise: noise on weights and inputs, or None.
    """

    l1: Float[Array, "*M"] | None = None
    l2: Float[Array, "*M"] | None = None
    noise: Noise | None = None


class Objective(eqx.Module):
    """mean squared error + l2 * (sum of squared weights) + l1 * (sum of absolute weights), biases included.

    Attributes:
        pairs: the training data; with `length`, the series that windows are cut from.
        forcing: what the network reads.
        length, batch, washout: train on `batch` random windows of `length` steps, whose first `washout` errors do
            not count; a length of 0 means the whole series.
        stateful: whether windows begin in the states that the network reaches there, see `primed`, or at rest.
        states: those states.
    """

    pairs: Pairs
    forcing: Forcing
    length: int = eqx.field(static=True, default=0)
    batch: int = eqx.field(static=True, default=1)
    washout: int = eqx.field(static=True, default=0)
    stateful: bool = eqx.field(static=True, default=False)
    states: State | None = None

    @property
    def of_one_sequence(self) -> bool:
        """Whether the errors are those along a single series, read as a whole."""
        return not self.length and not self.pairs.stacked

    @property
    def sequences(self) -> int:
        """How many sequences there are errors along."""
        if self.length:
            return self.batch
        return len(self.pairs.inputs) if self.pairs.stacked else 1

    @property
    def apart(self) -> int:
        """Steps from one place where a window may begin to the next."""
        return max(1, self.length // STARTS) if self.stateful else 1

    def primed(self, network: Network) -> Objective:
        """The same with the states in which windows begin, where they carry any: those that `network` reaches."""
        return replace(self, states=self.pairs.states(network, self.apart)) if self.stateful else self

    def __call__(self, network: Network, terms: Terms, key: PRNGKeyArray) -> Float[jax.Array, ""]:
        """The objective at the weights of `network`; `key` decides noise, chance and windows."""
        errors, weight = self._errors(network, terms.noise, key)
        return (errors**2 * weight).sum() / weight.sum() + penalty(network, terms)

    def residuals(self, network: Network, terms: Terms, key: PRNGKeyArray) -> Float[jax.Array, " N"]:
        """A vector whose squares sum to the objective: one entry for each error, and for each penalised weight."""
        errors, weight = self._errors(network, terms.noise, key)
        theta, _ = ravel_pytree(network)
        return jnp.concatenate([(errors * jnp.sqrt(weight / weight.sum())).ravel(), *_penalties(theta, terms)])

    def jacobian(self, network: Network, terms: Terms, key: PRNGKeyArray) -> Float[jax.Array, "N P"]:
        """The derivatives of the residuals with respect to the weights, ravelled."""
        theta, unravel = ravel_pytree(network)
        if self.pairs.observed is not None:
            hidden = network.readout.shape[0]
            return by_passes(lambda theta: self.residuals(unravel(theta), terms, key), theta, hidden)
        _, weight = self._errors(network, terms.noise, key)
        network, pairs, chance = self.read(network, terms.noise, key)
        shaken, _ = ravel_pytree(network)

        def network_of(weights: jax.Array) -> Network:
            return _widened(unravel(weights), pairs)

        def rows(one: Pairs) -> jax.Array:
            return by_pieces(self.forcing.pieces(one, network_of(shaken), chance), network_of, shaken)

        every = jax.vmap(rows)(pairs) if pairs.stacked else rows(pairs)[None]
        every = every.reshape(len(every), -1, theta.size)[:, : weight.size // len(every)].reshape(-1, theta.size)
        slopes = jax.jvp(lambda theta: _penalties(theta, terms), (theta,), (jnp.ones_like(theta),))[1]
        return jnp.concatenate([every * jnp.sqrt(weight / weight.sum()).reshape(-1, 1), *map(jnp.diag, slopes)])

    def _errors(self, network: Network, noise: Noise | None, key: PRNGKeyArray) -> Errors:
        network, pairs, chance = self.read(network, noise, key)
        network = _widened(network, pairs)
        return self.forcing.errors(network, pairs.completed(network), chance)

    def read(self, network: Network, noise: Noise | None, key: PRNGKeyArray) -> tuple[Network, Pairs, PRNGKeyArray]:
        """The weights and the data, with their noise, and in windows; and the key of the forcing."""
        pairs = self.pairs
        keys = jax.random.split(key, 4)
        if noise is not None:
            leaves, tree = jax.tree.flatten(network)
            shaken = [
                w + noise.weights * jax.random.normal(k, w.shape, w.dtype)
                for w, k in zip(leaves, jax.random.split(keys[0], len(leaves)), strict=True)
            ]
            network = jax.tree.unflatten(tree, shaken)
            inputs = pairs.inputs + noise.inputs * jax.random.normal(keys[1], pairs.inputs.shape, pairs.inputs.dtype)
            pairs = eqx.tree_at(lambda p: p.inputs, pairs, inputs)
        if self.length:
            pairs = pairs.windows(keys[3], self.batch, self.length, self.washout, self.states, self.apart)
        return network, pairs, keys[2]


def penalty(network: Network, terms: Terms) -> Float[jax.Array, ""]:
    """What the objective adds to the mean squared error."""
    weights = jax.tree.leaves(network)
    squares = 0.0 if terms.l2 is None else terms.l2 * sum(jnp.sum(w**2) for w in weights)
    sizes = 0.0 if terms.l1 is None else terms.l1 * sum(jnp.sum(jnp.abs(w)) for w in weights)
    return jnp.asarray(squares + sizes, network.bias.dtype)


def _widened(network: Network, pairs: Pairs) -> Network:
    """The same network with idle units that fill up the vectors of a processor, where they are few.

    A loop over a single sequence is faster then. A network of several layers, or with gates, is left as it is.
    """
    (cell, *others), units = network.cells, network.readout.shape[0]
    idle = -units % (VECTOR // network.bias.dtype.itemsize)
    if pairs.stacked or others or not isinstance(cell, RecurrentCell) or cell.gates > 1 or idle * MOST_IDLE > units:
        return network
    wide = jax.tree.map(lambda a: jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, idle)]), cell)
    wide = replace(wide, recurrent=jnp.pad(cell.recurrent, (0, idle)))
    return replace(network, cells=(wide,), readout=jnp.pad(network.readout, [(0, idle), (0, 0)]))


def _penalties(theta: Float[Array, " P"], terms: Terms) -> list[Float[Array, " P"]]:
    """The residuals of the penalties, one for each weight."""
    rows = []
    if terms.l2 is not None:
        rows.append(jnp.sqrt(terms.l2) * theta)
    if terms.l1 is not None:
        rows.append(jnp.sqrt(terms.l1) * (theta**2 + SMOOTHING**2) ** 0.25)
    return rows
