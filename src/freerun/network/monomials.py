"""Monomials of numbers: how many there are, and their values.

The monomials of degree d in K numbers x_1, ..., x_K are the products x_i x_j ... of d of them, with
repetition, in lexicographic order: x_1 x_1, x_1 x_2, ..., x_K x_K for d = 2. Those of degree d that
begin with x_i are x_i times those of degree d - 1 that begin with x_i or a later number, which
stand side by side at the end of their block.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from freerun.network.updates import Array


def count(numbers: int, degree: int) -> int:
    """The number of monomials of degree 2 to `degree` in K = `numbers` numbers: C(K + degree,
    degree) - K - 1."""
    return comb(numbers + degree, degree) - numbers - 1


@cache
def products(numbers: int, degree: int) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """How the monomials of each degree from 2 on follow from those of the degree before.

    Returns:
        For each degree, triples (factor, first, last): the next monomials are number `factor` times
        the monomials `first` to `last` - 1. The K numbers themselves are monomials 0 to K - 1.
    """
    found = list[tuple[tuple[int, int, int], ...]]()
    first, last = 0, numbers
    sizes = [1] * numbers  # of the monomials of the degree before that begin with each number
    for _ in range(degree - 1):
        begins = [first + sum(sizes[:factor]) for factor in range(numbers)]
        found.append(tuple((factor, begin, last) for factor, begin in enumerate(begins)))
        sizes = [last - begin for begin in begins]
        first, last = last, last + sum(sizes)
    return tuple(found)


def values(numbers: Array, degree: int) -> np.ndarray:
    """The monomials of degree 2 to `degree`, shape (*S, H), of numbers of shape (*S, K)."""
    width = numbers.shape[-1]
    found = np.empty((*numbers.shape[:-1], width + count(width, degree)), numbers.dtype)
    found[..., :width] = numbers
    at = width
    for factor, first, last in chain.from_iterable(products(width, degree)):
        block = found[..., at : at + last - first]
        np.multiply(numbers[..., factor : factor + 1], found[..., first:last], out=block)
        at += last - first
    return found[..., width:]


def pulled_back(numbers: np.ndarray, found: np.ndarray, gradient: np.ndarray, degree: int) -> np.ndarray:
    """Carry derivatives by monomials back to the numbers that they are made of,
    from the last product to the first.

    Args:
        numbers: shape (*S, K).
        found: their monomials, shape (*S, H); see `values`.
        gradient: the derivatives of something by the monomials, shape (*S, H).
        degree: highest degree of the monomials.

    Returns:
        The derivatives by the numbers, shape (*S, K).
    """
    width = numbers.shape[-1]
    made = np.concatenate([numbers, found], axis=-1)
    back = np.concatenate([np.zeros_like(numbers), np.broadcast_to(gradient, found.shape)], axis=-1)
    at = made.shape[-1]
    for factor, first, last in reversed(list(chain.from_iterable(products(width, degree)))):
        block = back[..., at - (last - first) : at].copy()
        at -= last - first
        back[..., first:last] += block * numbers[..., factor : factor + 1]
        back[..., factor] += (block * made[..., first:last]).sum(axis=-1)
    return back[..., :width]
