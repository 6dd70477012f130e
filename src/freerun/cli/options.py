"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freerun.data.rows import ReadOptions
from freerun.settings import Missing, Settings

if TYPE_CHECKING:
    from freerun.data.series import Series
    from freerun.data.stored import StoredSeries

ModelFile = Annotated[Path, typer.Argument(help="Model file that `freerun fit` wrote.", show_default=False)]
SeriesFile = Annotated[
    Path,
    typer.Argument(
        help="Series: a CSV, Parquet, npy, npz, xlsx or JSON file; - reads standard input.",
        show_default=False,
        metavar="SERIES",
    ),
]
SeriesFiles = Annotated[
    list[Path],
    typer.Argument(
        help="Training series: a CSV, Parquet, npy, npz, xlsx or JSON file, or - for standard input; several are "
        "learned together.",
        show_default=False,
        metavar="SERIES...",
    ),
]
Column = Annotated[
    list[str], typer.Option("--column", "-c", help="Channel to read, by name; repeat for several. Default: all.")
]
TimeColumn = Annotated[
    str | None, typer.Option("--time", help="Column of the times. Default: one of dates, or a first one named so.")
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        help="Column that tells apart series below each other; COLUMN=NAME reads one of them. Default: unique_id.",
    ),
]
Zone = Annotated[
    str | None, typer.Option("--zone", help="Time zone of local times without an offset: Europe/Berlin, ...")
]
Decimal = Annotated[str | None, typer.Option("--decimal", help="Decimal sign, . or , where it cannot be told.")]
MissingValues = Annotated[
    Missing,
    typer.Option(
        "--missing",
        help="Missing values: leave them out, the network running on its own output over them (mask), fill them "
        "linearly, or refuse them.",
    ),
]
Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        help="Column that is known and not predicted, by name; repeat for several. Rows at the end that have no other "
        "value are steps to come.",
    ),
]
Resample = Annotated[
    str | None,
    typer.Option(
        "--resample",
        help="Average over steps of this length: D, h, MS, 15min, ... for dates, or a number; rows: a row is a step.",
    ),
]
Levels = Annotated[
    str | None, typer.Option(help="Levels of prediction intervals in percent, with commas: 80,95. Default: none.")
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write a picture here: PNG, SVG or PDF.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Work in so many processes on this machine. Default: one.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Work on the workers of this Dask scheduler instead: tcp://host:8786.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON on stdout, all else on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]


@dataclass(frozen=True)
class Reading:
    """What the options say of a file of series.

    Attributes:
        options: columns, times and the like.
        inputs: columns that are external inputs.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    inputs: tuple[str, ...] = ()


NO_OPTIONS = Reading()
"""Nothing is said of a file."""


def reads_series(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe a file of series; it takes them as one argument `reading`."""
    options = {
        "column": (Column, []),
        "time": (TimeColumn, None),
        "id": (Id, None),
        "zone": (Zone, None),
        "decimal": (Decimal, None),
        "missing": (MissingValues, "mask"),
        "inputs": (Inputs, []),
        "resample": (Resample, None),
    }

    def reading(**given: Any) -> Reading:
        column, inputs = given.pop("column"), given.pop("inputs")
        chosen = (*column, *(name for name in inputs if name not in column)) if column else ()
        return Reading(ReadOptions.checked(chosen, **given), tuple(inputs))

    return _with_options(command, "reading", options, reading)


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each parameter of a network; it takes them as one argument `settings`."""
    options = {name: (_option(name), field.default) for name, field in Settings.model_fields.items()}
    return _with_options(command, "settings", options, Settings.checked)


def _option(name: str) -> Any:
    """The option of a parameter; what may be a number or several is read as text."""
    field, kind, flag = Settings.model_fields[name], Settings.kind_of(name), name.replace("_", "-")
    flags = [f"--{flag}/--no-{flag}"] if kind == "switch" else []
    option = typer.Option(*flags, help=field.description, rich_help_panel=Settings.parameter(name).group)
    return Annotated[str | None if kind == "text" else field.annotation, option]


def _with_options(
    command: Callable[..., None], name: str, options: dict[str, tuple[Any, Any]], gathered: Callable[..., Any]
) -> Callable[..., None]:
    """A command with several options in the place of its argument `name`, which is what is `gathered` from them.

    Args:
        command: the command.
        name: of the argument.
        options: type and default of each.
        gathered: makes the argument.
    """
    own = inspect.signature(command, eval_str=True).parameters
    keyword = inspect.Parameter.KEYWORD_ONLY
    several = [
        inspect.Parameter(n, keyword, default=default, annotation=kind) for n, (kind, default) in options.items()
    ]
    parameters: list[inspect.Parameter] = []
    for parameter in own.values():
        parameters += several if parameter.name == name else [parameter.replace(kind=keyword)]

    def with_options(**given: Any) -> None:
        argument = gathered(**{option: given.pop(option) for option in options})
        command(**given, **{name: argument})

    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] - typer reads it
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    return with_options


def read(path: Path, reading: Reading) -> Series:
    """The series that the options describe."""
    from freerun.data.series import Series

    return _with_inputs(path, Series.from_options(path, reading.options), reading)


def _with_inputs(path: Path, series: Series, reading: Reading) -> Series:
    from freerun.errors import SeriesError, SeriesFileError

    try:
        return series.with_inputs(list(reading.inputs)) if reading.inputs else series
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error


def read_training(
    paths: list[Path], split: int | None, reading: Reading
) -> tuple[Series | StoredSeries | list[Series], Series | None]:
    """What is to be learned, and what is to be watched: the steps from `split` on.

    One large npy or Parquet file is not read whole.
    """
    from freerun.data.stored import ENDING, StoredSeries
    from freerun.errors import SettingError

    options = reading.options
    stored = StoredSeries.if_large(paths[0], options.columns, options.time) if len(paths) == 1 else None
    if stored is not None:
        for option, given in (
            ("--missing interpolate", options.missing != "mask"),
            ("--input", reading.inputs),
            ("--resample", options.resample),
            ("--id", options.id),
            ("--zone", options.zone),
        ):
            if given:
                raise SettingError(
                    f"{option}: {paths[0]} is too large to be read whole, which this needs; leave it out, or cut a "
                    "part out of the file"
                )
        return (stored, None) if split is None else (stored.until(split), stored.between(split, split + ENDING))
    panel = [series for path in paths for series in _read_all(path, reading)]
    if split is None:
        return panel, None
    if len(panel) > 1:
        raise SettingError("--split cuts one series in two; with several, leave it out")
    return panel[0].split(split)


def _read_all(path: Path, reading: Reading) -> list[Series]:
    """The series in a file: one, or those that a column tells apart."""
    from freerun.data.series import Series

    found = Series.all_from_options(path, reading.options)
    return [_with_inputs(path, series, reading) for series in found.values()]


def numbers(option: str, text: str | None) -> tuple[float, ...]:
    """Numbers with commas between them.

    Raises:
        SettingError: one is not a number.
    """
    from freerun.errors import SettingError

    try:
        return tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError as error:
        raise SettingError(f"{option} {text}: give numbers with commas between them: 80,95") from error


def require_one_engine(workers: int | None, scheduler: str | None) -> None:
    """Refuse two places to work in."""
    from freerun.errors import SettingError

    if scheduler is not None and workers is not None:
        raise SettingError(
            "--workers starts processes here, --scheduler uses those of a cluster; leave one of them out"
        )


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """`name=value` texts as a dict.

    Raises:
        SettingError: one is not of that form, or a name comes twice.
    """
    from freerun.errors import SettingError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise SettingError(f"{option} {text}: write {option} NAME=VALUE")
        if name in found:
            raise SettingError(f"{option} {text}: {name} is there twice; say it once")
        found[name] = value.strip()
    return found


def require_file_for(after: Path | None, reading: Reading) -> None:
    """Refuse options that describe the file of --after where there is none."""
    from freerun.errors import SettingError

    if after is None and reading != NO_OPTIONS:
        raise SettingError(
            "--column, --time, --input, --resample and their like describe the file of --after; leave them out, or "
            "name one"
        )


def require_writable(*paths: Path | None) -> None:
    """Refuse outputs that could not be written before any work is done for them."""
    from freerun.writing import require_folder

    for path in paths:
        if path is not None:
            require_folder(path)


def make_folder(path: Path) -> None:
    """Make a folder for results, unless it is there."""
    from freerun.errors import OutputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({error.strerror}); choose another folder") from error


def require_picture(path: Path | None) -> None:
    """Refuse the path of a picture that could not be written before any work is done for it."""
    from freerun import plots

    require_writable(path)
    if path is not None:
        plots.require_format(path)
