"""Model files: archives of arrays and JSON, which are safe to read; see `freerun.files.archive`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from freerun._version import __version__
from freerun.data.arrays import default_channels
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.data.timeline import Calendar
from freerun.errors import FreerunError, ModelFileError, SettingError
from freerun.files.archive import ArchiveError, read_archive, write_archive
from freerun.files.writing import JSON
from freerun.forecasting.model import ErrorGrowth, Member, Model, RunStart, ShortRuns
from freerun.known import KnownModel
from freerun.network.assimilation import Noise
from freerun.network.network import Network, State, assemble
from freerun.network.ridge import Triangle
from freerun.network.smoothing import SmootherErrors
from freerun.network.sparse import Sparse
from freerun.plan import plan_of
from freerun.settings import Settings
from freerun.training.history import History

FORMAT = 8
"""Version of the layout of model files."""

OLDEST = 2
"""Oldest version that can be read; files of version 2 have no checksum."""

FIRST_WITH_LIMITS = 7
"""Version from which on smoothers have limits of their errors."""

EXCESS = 3
"""Place of the excess in the carry of smoothers; see `freerun.network.cells.SmoothingCell`."""

_SCALING = ("mean", "scale", "slope", "input_mean", "input_scale")
"""The arrays of a scaling."""

_SPARSE = ("data", "rows", "pointers")
"""The arrays of a sparse matrix."""

_CURVES = ("objective", "epochs", "training_mse", "validation_mse", "free_run_error")
"""The curves of a history."""


def save_model(model: Model, path: str | Path) -> None:
    """Write a model file. An error leaves an existing file as it was.

    Raises:
        OutputError: the file cannot be written.
    """
    recent = model.recent
    arrays = {
        "recent.values": recent.values,
        "recent.inputs": recent.inputs,
        "errors": model.errors,
        "recent.times": recent.times.view(np.int64) if recent.times.dtype.kind == "M" else recent.times,
    }
    if model.growth is not None:
        arrays |= {"growth.scale": model.growth.scale, "growth.exponent": model.growth.exponent}
    if model.short_runs is not None:
        arrays |= {"short.one_step": model.short_runs.one_step, "short.runs": model.short_runs.runs}
    for i, member in enumerate(model.members):
        arrays |= {f"{i}.{name}": array for name, array in _arrays(member).items()}
    dated = isinstance(recent.dt, np.timedelta64)
    header = {
        "format": FORMAT,
        "version": __version__,
        "settings": model.settings.model_dump(mode="json"),
        "members": [
            {
                "settings": m.settings.model_dump(mode="json"),
                "log": m.scaling.log,
                "nonnegative": m.scaling.nonnegative.tolist(),
                "origin": m.scaling.origin,
                "stopped": m.history.stopped,
                "seconds": m.history.seconds,
                "groups": _groups_of(m.statistics),
            }
            for m in model.members
        ],
        "trained_on": model.trained_on,
        "freedom": None if model.growth is None else model.growth.freedom,
        "channels": list(recent.channels),
        "inputs": list(recent.input_names),
        "given": sorted(recent.given or ()),
        "irregular": recent.irregular,
        "calendar": asdict(recent.calendar),
        "dt": recent.dt.astype(np.int64).item() if dated else float(recent.dt),
        "dt_unit": np.datetime_data(recent.dt)[0] if dated else None,
        "times_unit": np.datetime_data(recent.times.dtype)[0] if recent.times.dtype.kind == "M" else None,
    }
    write_archive(path, header, arrays)


def load_model(path: str | Path, known: KnownModel | None = None) -> Model:
    """Read a model file that `save_model` wrote.

    Args:
        path: path of the file.
        known: the known model, if the networks were fitted with one. Without its function,
            they cannot be run.

    Raises:
        SettingError: a known model is given, and the networks were fitted without one.
        ModelFileError: the file does not exist, is damaged, is of another version,
            or is not a model file.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; give the path of a model file"
        )
    try:
        header, arrays = read_archive(path, without_checksum=2)
        other = not OLDEST <= header["format"] <= FORMAT
    except (ArchiveError, TypeError) as error:
        raise ModelFileError(f"{path}: {error}; give the path of a model file") from error
    if other:
        remedy = "upgrade freerun" if header["format"] > FORMAT else "fit the network again"
        raise ModelFileError(
            f"{path}: written by freerun {header.get('version')} in format {header['format']}, "
            f"and this freerun {__version__} reads formats {OLDEST} to {FORMAT}; {remedy}"
        )
    try:
        model = _model(header, arrays)
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        MemoryError,
        OSError,
        FreerunError,
    ) as error:
        raise ModelFileError(f"{path}: the model file is damaged ({error})") from error
    return model if known is None else _with_known(model, known, path)


def _with_known(model: Model, known: KnownModel, path: Path) -> Model:
    """Give the networks of a model file the function of their known model."""
    if model.settings.model is None:
        raise SettingError(
            f"model={known.name!r}: the networks in {path} were fitted without a known model; leave it out"
        )
    members = tuple(
        replace(
            member,
            settings=member.settings.with_(model=known),
            network=replace(member.network, known=member.scaling.of_model(known)),
        )
        for member in model.members
    )
    return replace(model, settings=model.settings.with_(model=known), members=members)


def _arrays(member: Member) -> dict[str, np.ndarray]:
    """The arrays of a member, by their names in the file without the number of the member."""
    arrays: dict[str, Any] = {}

    def give(name: str, size: tuple[int, ...]) -> Any:
        del size
        layer, _, field = name.removeprefix("cells.").partition(".")
        weights = getattr(member.network.cells[int(layer)], field) if field else getattr(member.network, name)
        if isinstance(weights, Sparse):
            parts = weights.data, weights.rows.astype(np.int64), weights.pointers.astype(np.int64)
            arrays.update({f"network.{name}.{part}": array for part, array in zip(_SPARSE, parts, strict=True)})
        else:
            arrays[f"network.{name}"] = weights
        return weights

    assemble(member.plan.shape, give)
    entries = [entry for carry in member.run_start.state.cells for entry in carry]
    arrays |= {f"ending.cells.{i}": entry for i, entry in enumerate(entries)}
    arrays |= {"ending.past": member.run_start.state.past, "ending.value": member.run_start.value}
    arrays |= {f"scaling.{name}": getattr(member.scaling, name) for name in _SCALING}
    if member.noise is not None:
        arrays |= {"noise.measured": member.noise.measured, "noise.model": member.noise.model}
    arrays |= {f"history.{name}": np.asarray(getattr(member.history, name), np.float64) for name in _CURVES}
    arrays |= _statistics_arrays(member.statistics)
    return {name: np.asarray(array) for name, array in arrays.items()}


def _groups_of(statistics: Triangle | SmootherErrors | None) -> list[list[int]] | None:
    """The channels of each triangular factor; None without factors."""
    return [list(group) for group in statistics.groups] if isinstance(statistics, Triangle) else None


def _statistics_arrays(statistics: Triangle | SmootherErrors | None) -> dict[str, Any]:
    """The arrays of the sums that determine a readout. Of triangular factors,
    the rows of the upper triangle."""
    match statistics:
        case None:
            return {}
        case SmootherErrors():
            return {"statistics.losses": statistics.losses, "statistics.known": statistics.known}
        case Triangle():
            factors = {f"statistics.{i}": f[np.triu_indices(len(f))] for i, f in enumerate(statistics.factors)}
            return {**factors, "statistics.counted": np.asarray(statistics.counted, np.float64)}


class _Part(BaseModel):
    """A part of the JSON. Other types and unknown names are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _MemberPart(_Part):
    """The JSON of a member."""

    settings: dict[str, Any]
    log: bool
    nonnegative: bool | list[bool] = False
    origin: FiniteFloat
    stopped: str
    seconds: FiniteFloat
    groups: list[list[int]] | None = None


class _CalendarPart(_Part):
    """The JSON of a calendar; see `freerun.data.timeline.Calendar`."""

    frequency: str | None
    zone: str | None
    periods: bool
    day: int = Field(0, ge=0, le=31)
    spans: bool = False


class _Header(_Part):
    """The JSON of a model file."""

    format: int
    version: str
    settings: dict[str, Any]
    members: list[_MemberPart] = Field(min_length=1)
    trained_on: int = Field(ge=1)
    freedom: FiniteFloat | None = None
    channels: list[str] = Field(min_length=1)
    inputs: list[str]
    given: list[Literal["channels", "times", "input_names"]] | None = None
    irregular: bool = False
    calendar: _CalendarPart
    dt: FiniteFloat | int
    dt_unit: str | None
    times_unit: str | None


def _model(given: JSON, arrays: dict[str, np.ndarray]) -> Model:
    """Make the model from the JSON and the arrays of a file, and check them."""
    header = _Header(**given)
    channels, inputs = len(header.channels), len(header.inputs)
    times = arrays["recent.times"]
    if header.times_unit is not None:
        times = times.view(f"datetime64[{header.times_unit}]")
    dt = header.dt if header.dt_unit is None else np.timedelta64(int(header.dt), header.dt_unit)  # pyright: ignore[reportArgumentType, reportCallIssue] - the unit is checked by NumPy
    if header.format < FIRST_WITH_LIMITS:
        arrays = _without_limits(arrays, len(header.members))
    members = [_member(part, arrays, f"{i}.", channels, inputs) for i, part in enumerate(header.members)]
    recent = Series(
        arrays["recent.values"],
        tuple(header.channels),
        times,
        dt,
        Calendar(**header.calendar.model_dump()),
        arrays["recent.inputs"],
        tuple(header.inputs),
        _given(header, times, dt),
        header.irregular,
    )
    recent.following_times(1)  # refuses times that cannot be continued
    common = members[0].network.lattice is not None
    alike = 1 if common else channels
    errors = _checked_array(arrays, "errors", *arrays["errors"].shape[:2], alike)
    short_runs = None
    if "short.runs" in arrays:
        one_step = _checked_array(arrays, "short.one_step", len(arrays["short.one_step"]), alike)
        runs = _checked_array(arrays, "short.runs", *arrays["short.runs"].shape[:2], alike)
        short_runs = ShortRuns(one_step, runs)
    growth = None
    if header.freedom is not None:
        scale, exponent = (_finite_array(arrays, f"growth.{name}", channels) for name in ("scale", "exponent"))
        growth = ErrorGrowth(scale, exponent, header.freedom)
    settings = Settings.checked(**header.settings)
    return Model(settings, tuple(members), recent, header.trained_on, errors, growth, short_runs)


def _given(header: _Header, times: np.ndarray, dt: Any) -> frozenset[str]:
    """Which of the names and times the user gave. Before format 4,
    these are those that differ from the defaults."""
    if header.given is not None:
        return frozenset(header.given)
    named = {
        "channels": tuple(header.channels) != default_channels(len(header.channels)),
        "input_names": tuple(header.inputs) != default_channels(len(header.inputs), "u"),
        "times": times.dtype.kind == "M" or not (times[0] % 1 == 0 and dt == 1),
    }
    return frozenset(name for name, there in named.items() if there)


def _without_limits(arrays: dict[str, np.ndarray], members: int) -> dict[str, np.ndarray]:
    """Add to the arrays of an older file the limits of its smoothers, which are none,
    and their excess of zero."""
    arrays = dict(arrays)
    for prefix in (f"{i}." for i in range(members)):
        gains = arrays.get(f"{prefix}network.cells.0.level")
        if gains is None:
            continue
        arrays[f"{prefix}network.cells.0.limit"] = np.full_like(gains, np.finfo(gains.dtype).max)
        carry = [name for name in arrays if name.startswith(f"{prefix}ending.cells.")]
        for entry in reversed(range(EXCESS, len(carry))):
            arrays[f"{prefix}ending.cells.{entry + 1}"] = arrays[f"{prefix}ending.cells.{entry}"]
        arrays[f"{prefix}ending.cells.{EXCESS}"] = np.zeros_like(gains)
    return arrays


def _by_channel(given: bool | list[bool], channels: int) -> np.ndarray:
    """Whether each channel is nonnegative, shape (D,). Before format 8,
    one answer is that of all."""
    if isinstance(given, list) and len(given) != channels:
        raise ValueError(f"nonnegative has {len(given)} answers for {channels} channels")
    return np.broadcast_to(given, channels)


def _member(part: _MemberPart, arrays: dict[str, np.ndarray], prefix: str, channels: int, inputs: int) -> Member:
    """Make a member from its JSON and its arrays, whose names begin with `prefix`."""
    settings = Settings.checked(**part.settings)

    def weights(name: str, size: tuple[int, ...]) -> Any:
        path = f"{prefix}network.{name}"
        return _sparse(arrays, path, size) if f"{path}.data" in arrays else _finite_array(arrays, path, *size)

    network = assemble(plan_of(settings, channels, inputs).shape, weights)
    cells, sites = [], () if network.lattice is None else (channels,)
    for cell in network.cells:
        first, entries = sum(map(len, cells)), len(cell.rest())
        cells.append(
            tuple(
                _finite_array(arrays, f"{prefix}ending.cells.{first + k}", *sites, cell.hidden) for k in range(entries)
            )
        )
    past = _checked_array(arrays, f"{prefix}ending.past", network.depth, channels + inputs)
    sizes = {name: inputs if name.startswith("input") else channels for name in _SCALING}
    scaling = Scaling(
        **{name: _finite_array(arrays, f"{prefix}scaling.{name}", size) for name, size in sizes.items()},
        origin=part.origin,
        log=part.log,
        nonnegative=_by_channel(part.nonnegative, channels),
    )
    return Member(
        settings,
        replace(network, known=scaling.of_model(settings.model)),
        scaling,
        RunStart(State(tuple(cells), past), _checked_array(arrays, f"{prefix}ending.value", channels)),
        _history(arrays, prefix, part),
        _statistics(arrays, f"{prefix}statistics.", part.groups, network),
        _noise(arrays, prefix, channels) if settings.measured_noise else None,
    )


def _statistics(
    arrays: dict[str, np.ndarray], prefix: str, groups: list[list[int]] | None, network: Network
) -> Triangle | SmootherErrors | None:
    """Make the sums that determine the readout of a network, and check them;
    None if the file has none."""
    hidden, channels = network.readout.shape
    if groups is None:
        if f"{prefix}losses" not in arrays:
            return None
        losses, known = (_finite_array(arrays, f"{prefix}{name}", hidden) for name in ("losses", "known"))
        return SmootherErrors(losses, known)
    if sorted(channel for group in groups for channel in group) != list(range(channels)):
        raise ValueError("the channels of the triangular factors are not those of the series")
    features = hidden + 1 + (0 if network.direct is None else len(network.direct))
    factors = [_upper(arrays, f"{prefix}{i}", features + len(group)) for i, group in enumerate(groups)]
    counted = _finite_array(arrays, f"{prefix}counted", channels)
    if (counted <= 0).any():
        raise ValueError(f"{prefix}counted is not positive")
    return Triangle(tuple(map(tuple, groups)), tuple(factors), counted)


def _upper(arrays: dict[str, np.ndarray], name: str, size: int) -> np.ndarray:
    """An upper triangular matrix, of whose triangle the file has the rows,
    in the order that LAPACK reads."""
    rows = _finite_array(arrays, name, size * (size + 1) // 2)
    factor = np.zeros((size, size), rows.dtype, order="F")
    factor[np.triu_indices(size)] = rows
    return factor


def _sparse(arrays: dict[str, np.ndarray], name: str, size: tuple[int, ...]) -> Sparse:
    """Make a sparse matrix from its arrays, and check them."""
    height, width = size
    _, rows, pointers = (arrays[f"{name}.{part}"] for part in _SPARSE)
    data = _finite_array(arrays, f"{name}.data", len(rows))
    whole = rows.dtype == pointers.dtype == np.int64 and rows.ndim == 1 and pointers.shape == (width + 1,)
    if not whole or pointers[0] or pointers[-1] != len(rows) or (np.diff(pointers) < 0).any():
        raise ValueError(f"the columns of {name} do not fit its entries")
    if len(rows) and not 0 <= rows.min() <= rows.max() < height:
        raise ValueError(f"{name} has entries outside of its {height} rows")
    return Sparse(data, rows, pointers, height)


def _noise(arrays: dict[str, np.ndarray], prefix: str, channels: int) -> Noise:
    """Make the noise of a member, and check that there is some."""
    measured, model = (_finite_array(arrays, f"{prefix}noise.{name}", channels) for name in ("measured", "model"))
    if min(measured.min(), model.min()) <= 0:
        raise ValueError("a variance of the noise is not positive")
    return Noise(measured, model)


def _history(arrays: dict[str, np.ndarray], prefix: str, part: _MemberPart) -> History:
    """Make the training history of a member, and check the lengths of its curves."""
    curves = {name: arrays[f"{prefix}history.{name}"] for name in _CURVES}
    if any(curve.ndim != 1 for curve in curves.values()):
        raise ValueError("a curve of the history does not have one dimension")
    measured = len(curves["epochs"])
    if not measured or len(curves["training_mse"]) != measured or len(curves["validation_mse"]) not in (0, measured):
        raise ValueError("the curves of the history differ in length")
    epochs = [int(epoch) for epoch in curves.pop("epochs")]
    values = {name: curve.astype(np.float64).tolist() for name, curve in curves.items()}
    return History(epochs=epochs, **values, stopped=part.stopped, seconds=part.seconds)


def _finite_array(arrays: dict[str, np.ndarray], name: str, *shape: int) -> np.ndarray:
    """Get an array, and check its shape, its type, and that all numbers are finite."""
    array = _checked_array(arrays, name, *shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
    return array


def _checked_array(arrays: dict[str, np.ndarray], name: str, *shape: int) -> np.ndarray:
    """Get an array, and check its shape and its type."""
    if arrays[name].shape != shape:
        raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
    if arrays[name].dtype not in (np.float64, np.float32):
        raise ValueError(f"{name} holds {arrays[name].dtype}, not floating-point numbers")
    return arrays[name]
