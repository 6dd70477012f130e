"""The models that are served, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from freerun.data.timeline import shown
from freerun.errors import SettingError
from freerun.estimator import load
from freerun.files.writing import require_folder
from freerun.forecasting.model import Model
from freerun.forecasting.modelfile import load_model, save_model
from freerun.forecasting.words import network_in_words, why_chosen
from freerun.known import KnownModel
from freerun.serving.messages import ModelInfo, ModelSummary


class Served:
    """A model that is served.

    Attributes:
        name: its name in addresses.
        model: the model as it is now.
        version: number of updates since the service started.
        updating: held while an update is computed, so that updates take effect one after the other.
    """

    def __init__(self, path: Path, model: Model) -> None:
        self.name, self.model, self.version = path.stem, model, 0
        self.updating = asyncio.Lock()
        self._path = path

    def require_writable(self) -> None:
        """Check that the file can be written.

        Raises:
            OutputError: it cannot.
        """
        require_folder(self._path)

    def write(self, model: Model) -> None:
        """Write an updated model to the file of this one.

        Raises:
            OutputError: it cannot be written. The file stays as it was.
        """
        save_model(model, self._path)

    def replace(self, model: Model) -> None:
        """Replace the model by its update."""
        self.model, self.version = model, self.version + 1

    @property
    def summary(self) -> ModelSummary:
        """The summary of the model: its channels, and how far it has read."""
        recent = self.model.recent
        return ModelSummary(
            name=self.name,
            channels=list(recent.channels),
            inputs=list(recent.input_names),
            step=recent.calendar.step or shown(recent.dt),
            read_to=recent.calendar.shown(recent.times[-1]),
            next=recent.calendar.shown(recent.following_times(1)[0]),
        )

    @property
    def info(self) -> ModelInfo:
        """The description of the model: its network, how it was chosen, and its settings."""
        best = self.model.best
        return ModelInfo(
            **self.summary.model_dump(),
            network=network_in_words(self.model),
            chosen_by=why_chosen(self.model),
            members=len(self.model.members),
            weights=best.network.weights,
            trained_on=self.model.trained_on,
            shortest=max(2, best.washout + 1),
            learns=all(member.statistics is not None for member in self.model.members),
            updates=self.version,
            settings=best.settings.model_dump(mode="json", exclude_none=True),
        )


def read_models(paths: Sequence[Path], functions: Sequence[Callable[..., object]] = ()) -> dict[str, Served]:
    """Read model files.

    Args:
        paths: the files. Their names without the suffix become the names of the models.
        functions: known models that networks correct, if they were fitted with any.

    Raises:
        ModelFileError: a file cannot be read.
        SettingError: two files have the same name, or a known model is missing.
    """
    known = {KnownModel.of(function).name: function for function in functions}
    found: dict[str, Served] = {}
    for path in paths:
        other = found.get(path.stem)
        if other is not None:
            raise SettingError(f"{path}: another model has the name {path.stem!r} too; rename one of the files")
        found[path.stem] = Served(path, _read(path, known))
    if known and all(served.model.settings.model is None for served in found.values()):
        raise SettingError(f"model={next(iter(known))!r}: no network was fitted with a known model; leave it out")
    return found


def _read(path: Path, known: Mapping[str, Callable[..., object]]) -> Model:
    """Read a model, with the function of its known model."""
    model = load_model(path)
    needed = model.settings.model
    if needed is None:
        return model
    only = next(iter(known.values())) if len(known) == 1 else None
    return load(path, model=known.get(needed.name, only)).model_
