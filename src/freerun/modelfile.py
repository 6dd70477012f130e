"""One safe file for a model: arrays in safetensors, everything else as JSON in its header. No pickle, no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from freerun._version import __version__
from freerun.cells import SimpleCell
from freerun.errors import FreerunError, ModelFileError
from freerun.model import Model, Moment
from freerun.network import Network
from freerun.scaling import Scaling
from freerun.series import Series
from freerun.settings import Settings
from freerun.training import History
from freerun.writing import replacing

FORMAT = 1
"""Version of the layout; a file with a higher one is refused."""

KEY = "freerun"
"""The entry of the safetensors metadata that holds the JSON."""

_CURVES = ("objective", "epochs", "training_mse", "validation_mse")


def save_model(model: Model, path: str | Path) -> None:
    """Write `model` to `path`, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    network, recent = model.network, model.recent
    arrays = {
        "network.cell.input": network.cell.input,
        "network.cell.recurrent": network.cell.recurrent,
        "network.cell.bias": network.cell.bias,
        "network.readout": network.readout,
        "network.bias": network.bias,
        "scaling.mean": model.scaling.mean,
        "scaling.scale": model.scaling.scale,
        "recent.values": recent.values,
        "recent.times": recent.times.view(np.int64) if recent.times.dtype.kind == "M" else recent.times,
        "ending.value": model.ending.value,
    }
    if network.direct is not None:
        arrays["network.direct"] = network.direct
    arrays |= {f"ending.carry.{i}": entry for i, entry in enumerate(model.ending.carry)}
    arrays |= {f"history.{name}": np.asarray(getattr(model.history, name), np.float64) for name in _CURVES}
    dated = isinstance(recent.dt, np.timedelta64)
    header = {
        "format": FORMAT,
        "version": __version__,
        "settings": model.settings.model_dump(),
        "channels": list(recent.channels),
        "dt": recent.dt.astype(np.int64).item() if dated else float(recent.dt),
        "dt_unit": np.datetime_data(recent.dt)[0] if dated else None,
        "times_unit": np.datetime_data(recent.times.dtype)[0] if recent.times.dtype.kind == "M" else None,
        "stopped": model.history.stopped,
        "seconds": model.history.seconds,
    }
    # safetensors writes the memory of an array as it lies, so each has to be contiguous
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = safetensors.numpy.save(contiguous, metadata={KEY: json.dumps(header)})
    with replacing(path) as beside:
        beside.write_bytes(content)


def load_model(path: str | Path) -> Model:
    """Read a model that `save_model` wrote.

    Raises:
        ModelFileError: no such file, truncated, of a newer version, or not a model file.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; give the path of a model file"
        )
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path}: truncated, or not a freerun model file ({error})") from error
    try:
        header = json.loads(metadata[KEY])
        newer = header["format"] > FORMAT
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: a safetensors file, but not a freerun model file") from error
    if newer:
        raise ModelFileError(
            f"{path}: written by freerun {header.get('version')} in format {header['format']}, "
            f"and this freerun {__version__} reads up to {FORMAT}; upgrade freerun"
        )
    try:
        return _model(header, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, FreerunError) as error:
        raise ModelFileError(f"{path}: the model file is damaged ({error})") from error


def _model(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Model:
    settings = Settings.checked(**header["settings"])
    channels, hidden = len(header["channels"]), settings.hidden

    def take(name: str, *shape: int) -> np.ndarray:
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
        return arrays[name]

    network = Network(
        SimpleCell(
            take("network.cell.input", channels, hidden),
            take("network.cell.recurrent", hidden, hidden),
            take("network.cell.bias", hidden),
            settings.nonlinearity,
        ),
        take("network.readout", hidden, channels),
        take("network.bias", channels),
        take("network.direct", channels, channels) if settings.direct else None,
    )
    times = arrays["recent.times"]
    if header["times_unit"]:
        times = times.view(f"datetime64[{header['times_unit']}]")
    dt = np.timedelta64(header["dt"], header["dt_unit"]) if header["dt_unit"] else header["dt"]
    curves = {name: arrays[f"history.{name}"].tolist() for name in _CURVES}
    curves["epochs"] = [int(epoch) for epoch in curves["epochs"]]
    return Model(
        settings,
        network,
        Scaling(take("scaling.mean", channels), take("scaling.scale", channels)),
        Series(arrays["recent.values"], tuple(header["channels"]), times, dt),
        Moment((take("ending.carry.0", hidden),), take("ending.value", channels)),
        History(**curves, stopped=header["stopped"], seconds=header["seconds"]),
    )
