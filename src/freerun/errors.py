"""The errors that freerun raises: one small tree, so that one `except FreerunError` catches them all.

Each message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

import sys
import warnings


class FreerunError(Exception):
    """The root of all errors that freerun raises on purpose."""


class SeriesError(FreerunError, ValueError):
    """The values of a series cannot be used: wrong shape, missing, infinite, constant or too few."""


class SeriesWarning(UserWarning):
    """What freerun made of data that could be meant in another way: order of rows, gaps, odd readings."""


class SeriesFileError(SeriesError):
    """A series cannot be read from its file: absent, empty, ragged, or text where a number belongs."""


class SettingError(FreerunError, ValueError):
    """A parameter of a network, an optimiser or a command is outside its range or not known."""


class MachineError(SettingError):
    """A fit does not go on this machine, though it may on another: it has no GPU, or too little memory."""


class ForkError(FreerunError):
    """A process that was forked after JAX had computed, in which JAX would wait for ever, is asked to compute."""


class NotFittedError(FreerunError):
    """A trained network is needed, and `fit` has not been called."""


class TrainingDiverged(FreerunError):  # noqa: N818 - it names an event, not a fault of the caller
    """The objective grew without bound or became non-finite; the last good weights were kept."""


class ModelFileError(FreerunError):
    """A model file cannot be read: truncated, of a newer version, or not a model file at all."""


class CheckpointError(FreerunError):
    """A fit cannot go on from a checkpoint: the file is damaged, or that of another fit."""


class SearchError(FreerunError):
    """A search cannot go on: its study or its cluster cannot be reached, or is not for this search."""


class OutputError(FreerunError, OSError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(FreerunError, ImportError):
    """An optional package is needed for this and is not installed."""


def warn(message: str) -> None:
    """Give a `SeriesWarning`, as of the line outside freerun that called it."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "freerun":
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, SeriesWarning, stacklevel=depth)
