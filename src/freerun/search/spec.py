"""Read the TOML file that describes a sweep, and check its fields."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from freerun import systems
from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.settings import Ensemble, Missing, Value


class SeriesTable(BaseModel):
    """A table `[[series]]` of the file: files of series, or a synthetic series.

    Attributes:
        file: path or pattern such as `data/*.csv`, relative to the folder of the TOML file.
        system: name of a synthetic series; see `freerun data --help`.
        name: name in the results; by default that of the file or system.
        columns: channels to read; by default all.
        inputs: columns of external inputs.
        apart: whether each channel becomes a series of its own.
        time, missing, resample: see `freerun.Series.read`.
        steps: length of a synthetic series.
        parameters: parameters of a synthetic series, such as `seed` or `tau`.
    """

    model_config = ConfigDict(extra="forbid")

    file: str | None = None
    system: str | None = None
    name: str | None = None
    columns: list[str] = []
    inputs: list[str] = []
    apart: bool = False
    time: str | None = None
    missing: Missing = "mask"
    resample: str | None = None
    steps: Annotated[int, Field(ge=1)] = 2000
    parameters: dict[str, Value] = {}

    def load(self, folder: Path) -> dict[str, Series]:
        """Read or generate the series, by name.

        Args:
            folder: the folder of the TOML file.

        Raises:
            SettingError: both or neither of `file` and `system` are given, or no file matches.
            SeriesError: a file cannot be read.
        """
        if (self.file is None) == (self.system is None):
            raise SettingError("series: give each one either a file or a system")
        if self.system is not None:
            return self._named(self.name or self.system, systems.make(self.system, self.steps, **self.parameters))
        assert self.file is not None
        paths = sorted(folder.glob(self.file)) if not Path(self.file).is_absolute() else [Path(self.file)]
        if not paths:
            raise SettingError(f"series: no file matches {folder / self.file}")
        found: dict[str, Series] = {}
        for path in paths:
            name = path.stem if self.name is None else self.name if len(paths) == 1 else f"{self.name} {path.stem}"
            series = Series.read(path, self.columns, self.time, self.missing, self.resample)
            found |= self._named(name, series.with_inputs(self.inputs) if self.inputs else series)
        return found

    def _named(self, name: str, series: Series) -> dict[str, Series]:
        """Return the series by name, or its channels if each becomes a series of its own."""
        return {f"{name} {c}": series.channel(c) for c in series.channels} if self.apart else {name: series}


class Spec(BaseModel):
    """The contents of the file.

    Attributes:
        series: at least one table.
        train, test, seeds, ensembles, settings, grid: see `freerun.search.sweep`.
    """

    model_config = ConfigDict(extra="forbid")

    series: Annotated[list[SeriesTable], Field(min_length=1)]
    train: Annotated[float, Field(gt=0)]
    test: Annotated[int, Field(ge=1)] | None = None
    seeds: Annotated[int, Field(ge=1)] | list[Annotated[int, Field(ge=0)]] = 1
    ensembles: list[Ensemble] = ["best"]
    settings: dict[str, Value] = {}
    grid: dict[str, Annotated[list[Value], Field(min_length=1)]] = {}
    version: Literal[1] = 1

    def load_series(self, folder: Path) -> dict[str, Series]:
        """Read or generate all series, by name.

        Args:
            folder: the folder of the TOML file.

        Raises:
            SettingError: two series have the same name; see also `SeriesTable.load`.
        """
        found: dict[str, Series] = {}
        for table in self.series:
            for name, series in table.load(folder).items():
                if name in found:
                    raise SettingError(f"series: two are named {name!r}; give each its own name")
                found[name] = series
        return found


def read_spec(path: Path) -> Spec:
    """Read the description of a sweep.

    Args:
        path: a TOML file.

    Raises:
        SettingError: there is no such file, it is not TOML, or a key is unknown or out of range.
    """
    try:
        return Spec(**tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise SettingError(f"{path}: there is no such file; give the TOML file of a sweep") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"{path}: cannot be read as TOML ({error})") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in error.errors())
        raise SettingError(f"{path}: {faults}") from error
