"""`Recipe`: the command and the Python code that repeat a fit and its report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from freerun.data.rows import ReadOptions
from freerun.reporting.outlook import LEVELS
from freerun.settings import Value, as_option


@dataclass(frozen=True)
class Recipe:
    """How a series is read, fitted and forecast.

    Attributes:
        file: path of the file of the series.
        options: how the file is read.
        inputs: columns that are external inputs.
        settings: settings of the network that differ from their defaults.
        horizon: number of steps of the forecast; None means the default of the report.
        levels: levels of the prediction intervals, in percent.
    """

    file: str
    options: ReadOptions = field(default_factory=ReadOptions)
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, Value] = field(default_factory=dict)
    horizon: int | None = None
    levels: tuple[float, ...] = LEVELS

    @property
    def stem(self) -> str:
        """The name of result files without a suffix: the series in a file of several,
        else the file."""
        _, _, series = (self.options.id or "").partition("=")
        return re.sub(r"[^\w-]+", "-", series or Path(self.file).name.partition(".")[0]).strip("-") or "series"

    @property
    def read_options(self) -> str:
        """The options of `freerun` that say how the file is read; empty if none is given."""
        targets = [name for name in self.options.columns if name not in self.inputs]
        words = [f"--column {shlex.quote(name)}" for name in targets]
        words += [f"--input {shlex.quote(name)}" for name in self.inputs]
        words += [as_option(name, value) for name, value in self._given_options().items()]
        return " ".join(words)

    @property
    def command(self) -> str:
        """The command that fits and writes a model file and a report."""
        words = [f"freerun fit {shlex.quote(self.file)}", self.read_options]
        words += [as_option(name, value) for name, value in self.settings.items()]
        words += [f"-o {shlex.quote(f'{self.stem}.freerun')} --report {shlex.quote(f'{self.stem}.html')}"]
        words += [] if self.horizon is None else [as_option("horizon", self.horizon)]
        words += [] if self.levels == LEVELS else [as_option("levels", [f"{level:g}" for level in self.levels])]
        return " ".join(filter(None, words))

    @property
    def series_code(self) -> str:
        """The Python expression that reads the series."""
        given = {"columns": list(self.options.columns)} if self.options.columns else {}
        read = f"freerun.Series.read({_arguments(self.file, **given, **self._given_options())})"
        return read + (f".with_inputs({list(self.inputs)!r})" if self.inputs else "")

    @property
    def code(self) -> str:
        """The Python code that fits, forecasts and writes the report."""
        asked = {} if self.horizon is None else {"horizon": self.horizon}
        asked |= {} if self.levels == LEVELS else {"levels": self.levels}
        lines = [
            "import freerun",
            "",
            f"series = {self.series_code}",
            f"rnn = freerun.RNN({_arguments(**self.settings)}).fit(series)",
        ]
        if self.horizon is not None:
            lines.append(f"forecast = rnn.forecast({self.horizon}, levels={self.levels!r})")
        report = _arguments(f"{self.stem}.html", name=Path(self.file).name, **asked)
        return "\n".join([*lines, f"freerun.report(rnn, series, {report})"])

    def _given_options(self) -> dict[str, Value]:
        """Return the options of reading that differ from their defaults, without `columns`."""
        named = [(part.name, part.default) for part in fields(ReadOptions) if part.name != "columns"]
        return {name: value for name, default in named if (value := getattr(self.options, name)) != default}


def _arguments(*values: Value, **named: Value) -> str:
    """Format the arguments of a call."""
    return ", ".join([*map(repr, values), *(f"{name}={value!r}" for name, value in named.items())])
