"""Registers networks and cells with JAX as pytrees, whose leaves are the weights."""

from __future__ import annotations

from dataclasses import fields

from jax.tree_util import register_dataclass

from freerun.network.cells import CELLS
from freerun.network.network import Network

for _kind in (*dict.fromkeys(CELLS.values()), Network):
    _names = [field.name for field in fields(_kind)]
    register_dataclass(_kind, [n for n in _names if n not in _kind.static], [n for n in _names if n in _kind.static])
