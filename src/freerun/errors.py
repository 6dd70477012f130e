"""Exceptions and warnings of freerun. All exceptions derive from `FreerunError`.

Each message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import sys
import warnings


class FreerunError(Exception):
    """Base class of all errors that freerun raises on purpose."""


class SeriesError(FreerunError, ValueError):
    """The values of a series cannot be used: wrong shape, missing, infinite,
    constant or too few."""


class SeriesWarning(UserWarning):
    """The data are ambiguous, and the message says how they were read: order of rows, gaps,
    unusual values."""


class SeriesFileError(SeriesError):
    """A series cannot be read from its file: missing, empty, ragged,
    or text in place of a number."""


class SettingError(FreerunError, ValueError):
    """A parameter of a network, an optimizer or a command is unknown or out of range."""


class MachineError(SettingError):
    """A fit cannot run on this machine, though it may on another: there is no GPU,
    or too little memory."""


class ForkError(FreerunError):
    """A computation is requested in a process that was forked after JAX was used,
    where JAX would deadlock."""


class NotFittedError(FreerunError):
    """A method needs a trained network, and `fit` has not been called."""


class TrainingDiverged(FreerunError):  # noqa: N818 - it names an event, not a fault of the caller
    """The objective diverged or became non-finite; the last good weights are kept."""


class ModelFileError(FreerunError):
    """A model file cannot be read: it is truncated, of a newer version, or not a model file."""


class CheckpointError(FreerunError):
    """A fit cannot resume from a checkpoint: the file is damaged, or belongs to another fit."""


class SearchError(FreerunError):
    """Many tasks cannot go on: their study or cluster cannot be reached,
    or the study belongs to another search."""


class OutputError(FreerunError, OSError):
    """A result cannot be written to the given path."""


class MissingExtraError(FreerunError, ImportError):
    """An optional package that is needed is not installed."""


def warn(message: str) -> None:
    """Give a `SeriesWarning` that points to the line outside freerun that called it."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "freerun":
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, SeriesWarning, stacklevel=depth)
