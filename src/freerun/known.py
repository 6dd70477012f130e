"""`KnownModel`: a model that a user knows beside the network,
as an imperfect equation of the system.

The network reads its estimates, and the readout corrects them (Pathak et al.,
2018, "Hybrid forecasting of chaotic processes: Using machine learning in
conjunction with a knowledge-based model").
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np

from freerun.errors import SettingError


class KnownModel:
    """A function that estimates the next values of a series from the current ones, with its name.

    Attributes:
        name: `module:function`, by which messages and model files name it.
        function: maps values of shape (..., D), in the units of the series, to an
            estimate of the next values, of the same shape. If it needs a second argument,
            it gets the external inputs of the next step, shape (..., E). None if only the
            name is known, as after reading a model file.
    """

    def __init__(self, name: str, function: Callable[..., object] | None = None) -> None:
        self.name, self.function = name, function
        self._reads_inputs = function is not None and _needs_two(function)

    @classmethod
    def of(cls, given: object) -> KnownModel:
        """Make a known model from a function, or from its name alone.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str):
            return cls(given)
        if not callable(given):
            raise ValueError("must be a function from values (..., D) to an estimate of the next values (..., D)")
        return cls(_path_of(given), given)

    @classmethod
    def imported(cls, path: str) -> KnownModel:
        """Import a function by `package.module:function`.

        Raises:
            SettingError: there is no such module or function, or it is not callable.
        """
        module, _, name = path.partition(":")
        if not module or not name:
            raise SettingError(f"model={path!r}: give package.module:function")
        try:
            found: object = import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception as error:
            raise SettingError(f"model={path!r} cannot be imported ({type(error).__name__}: {error})") from error
        if not callable(found):
            raise SettingError(f"model={path!r} is not a function; give package.module:function")
        return cls(path, found)

    def require_function(self) -> None:
        """Check that there is a function to call.

        Raises:
            SettingError: only its name is known.
        """
        if self.function is None:
            raise SettingError(
                f"model={self.name!r} is a name; give the function itself (model=function, or --model "
                "package.module:function on the command line)"
            )

    def __call__(self, values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Estimate the next values.

        Args:
            values: shape (..., D), in the units of the series.
            inputs: external inputs of the next step, shape (..., E), in their units.

        Returns:
            Shape (..., D), in the units of the series.

        Raises:
            SettingError: the function raises an error, or does not return numbers of that shape.
        """
        self.require_function()
        assert self.function is not None
        if self._reads_inputs and not inputs.shape[-1]:
            raise SettingError(f"model={self.name!r} takes external inputs, and the series has none; give inputs=...")
        try:
            with np.errstate(all="ignore"):
                found = self.function(values, inputs) if self._reads_inputs else self.function(values)
                estimate = np.array(found, np.float64)
        except Exception as error:
            raise SettingError(
                f"model={self.name!r} raised {type(error).__name__} for values of shape {values.shape}: {error}"
            ) from error
        if estimate.shape != values.shape:
            raise SettingError(
                f"model={self.name!r} returned shape {estimate.shape} for values of shape {values.shape}; it has to "
                "return an estimate of the next values, of the same shape"
            )
        return estimate

    def refuse_value(self, values: np.ndarray, estimate: np.ndarray) -> None:
        """Raise an error for values of one step, shape (D,), whose estimate is not finite."""
        raise SettingError(
            f"model={self.name!r} returned {estimate.tolist()} for the values {values.tolist()}; it has to return "
            "finite numbers wherever the series goes, positive ones with log=True"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KnownModel) and (self.name, self.function) == (other.name, other.function)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"KnownModel({self.name!r})"


def _path_of(function: Callable[..., object]) -> str:
    """The name of a function, or of the class of an object that can be called,
    as `module:function`."""
    named = function.func if isinstance(function, partial) else function
    kind = type(named)
    name = getattr(named, "__qualname__", kind.__qualname__)
    return f"{getattr(named, '__module__', None) or kind.__module__}:{name}"


def _needs_two(function: Callable[..., object]) -> bool:
    """Whether a function has two positional parameters without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions in C have no signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is inspect.Parameter.empty for one in parameters) >= 2
