"""Options that several commands share, and the functions that check and read what they describe."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freerun.data.rows import ReadOptions, Rows
from freerun.known import KnownModel
from freerun.settings import Missing, Settings, Together

if TYPE_CHECKING:
    from freerun.cli.console import Console
    from freerun.data.series import Series
    from freerun.data.stored import StoredSeries
    from freerun.data.table import Table
    from freerun.many import Summary
    from freerun.many.tables import LongTable

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
        help="Training series: a CSV, Parquet, npy, npz, xlsx or JSON file, or - for standard input. Several "
        "series train one network.",
        show_default=False,
        metavar="SERIES...",
    ),
]
Column = Annotated[
    list[str],
    typer.Option("--column", "--target", "-c", help="Channel to read, by name; repeat for several. Default: all."),
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time",
        help="Column of the times. Default: a column of dates, or a first column named time, date or the like.",
    ),
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        help="Column that identifies the series in long format; COLUMN=NAME reads one of them. Default: unique_id.",
    ),
]
Zone = Annotated[
    str | None, typer.Option("--zone", help="Time zone of local times without an offset, such as Europe/Berlin.")
]
Decimal = Annotated[
    str | None, typer.Option("--decimal", help="Decimal sign, . or , for files in which it is ambiguous.")
]
MissingValues = Annotated[
    Missing,
    typer.Option(
        "--missing",
        help="Missing values: mask (no error is counted, and the network reads its own output there), interpolate "
        "linearly, or raise an error.",
    ),
]
Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        help="Column of an external input, known ahead and not predicted; repeat for several. Last rows in which only "
        "inputs have values are future steps.",
    ),
]
Resample = Annotated[
    str | None,
    typer.Option(
        "--resample",
        help="Average over steps of this length: D, h, MS, 15min, ... for dates, or a number; rows: a row is a step.",
    ),
]
Irregular = Annotated[
    bool,
    typer.Option(
        "--irregular", help="Keep times as they are, regular or not: the network reads the length of each step."
    ),
]
Times = Annotated[
    str | None,
    typer.Option(
        "--times", help="After irregular times: the times of the steps, separated by commas, in place of their number."
    ),
]
Levels = Annotated[
    str | None,
    typer.Option(help="Levels of prediction intervals in percent, separated by commas: 80,95. Default: none."),
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Picture to write: PNG, SVG or PDF.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Number of processes on this machine. Default: one.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler whose workers to use instead: tcp://host:8786.")
]
Processes = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Of many series: number of processes on this machine. Default: all cores."),
]
TogetherOption = Annotated[
    Together | None,
    typer.Option(
        "--together",
        help="Of many series: local fits each alone; shared forecasts by one readout for all, without fits; auto takes "
        "the weighted mean of both where 30 series or more go together. Default: auto.",
    ),
]
Static = Annotated[
    list[str],
    typer.Option(
        "--static",
        help="Of many series: column with one value for each series, a number or a category, that the shared readout "
        "reads. Repeatable.",
    ),
]
SharedFile = Annotated[
    Path | None,
    typer.Option(
        "--shared-model",
        help="Of many series: file of shared readouts. It is read if it exists; otherwise, readouts are solved and "
        "written.",
    ),
]
Refused = Annotated[
    Path | None,
    typer.Option(
        "--refused",
        help="Of many series: CSV or Parquet file of those that were refused, and why. Default: beside the output.",
    ),
]
KnownFunction = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Known model that the network corrects, if it was fitted with one: package.module:function.",
    ),
]
Set = Annotated[list[str], typer.Option("--set", help="A setting of `freerun fit`, such as hidden=100. Repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON on stdout, all else on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]


MODEL = ".freerun"
"""Suffix of model files."""


@dataclass(frozen=True)
class Reading:
    """How to read a file of series, as its options say.

    Attributes:
        options: columns, times, missing values and resampling.
        inputs: names of the columns that are external inputs.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    inputs: tuple[str, ...] = ()

    @property
    def of_many(self) -> dict[str, Any]:
        """The arguments of `freerun.forecast_many` that say how to read a table.

        Raises:
            SettingError: irregular times are to be kept.
        """
        from freerun.errors import SettingError

        if self.options.irregular:
            raise SettingError(
                "--irregular: many series are forecast on regular steps; resample them (--resample), or select one "
                "(--id COLUMN=NAME)"
            )
        given = {name: getattr(self.options, name) for name in ("id", "time", "missing", "resample", "zone", "decimal")}
        targets = tuple(name for name in self.options.columns if name not in self.inputs)
        return given | {"target": targets, "inputs": self.inputs}


NO_OPTIONS = Reading()
"""All options of a file at their defaults."""


def reads_series(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options of a file of series;
    it receives them as one argument `reading`."""
    options = {
        "column": (Column, []),
        "time": (TimeColumn, None),
        "id": (Id, None),
        "zone": (Zone, None),
        "decimal": (Decimal, None),
        "missing": (MissingValues, "mask"),
        "inputs": (Inputs, []),
        "resample": (Resample, None),
        "irregular": (Irregular, False),
    }

    def reading(**given: Any) -> Reading:
        column, inputs = given.pop("column"), given.pop("inputs")
        chosen = (*column, *(name for name in inputs if name not in column)) if column else ()
        return Reading(ReadOptions.checked(chosen, **given), tuple(inputs))

    return _with_options(command, "reading", options, reading)


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with an option for each field of `Settings`;
    it receives them as one argument `settings`."""
    options = {name: (_option(name), field.default) for name, field in Settings.model_fields.items()}
    return _with_options(command, "settings", options, settings_of)


def settings_of(**given: Any) -> Settings:
    """Settings from the values of options; a known model is imported.

    Raises:
        SettingError: a value is out of range, or the known model cannot be imported.
    """
    model = given.get("model")
    return Settings.checked(**given | ({} if model is None else {"model": known_function(model)}))


def known_function(path: str | None) -> Callable[..., object] | None:
    """Import a known model by `package.module:function`,
    from the working directory or an installed package.

    Raises:
        SettingError: there is no such module or function.
    """
    if path is None:
        return None
    if "" not in sys.path:
        sys.path.insert(0, "")
    return KnownModel.imported(path).function


def _option(name: str) -> Any:
    """Build the option of a parameter; one that takes a number or a list is read as text."""
    field, kind, flag = Settings.model_fields[name], Settings.kind_of(name), name.replace("_", "-")
    flags = [f"--{flag}/--no-{flag}"] if kind == "switch" else []
    option = typer.Option(*flags, help=field.description, rich_help_panel=Settings.parameter(name).group)
    return Annotated[str | None if kind in ("text", "function") else field.annotation, option]


def _with_options(
    command: Callable[..., None], name: str, options: dict[str, tuple[Any, Any]], gather: Callable[..., Any]
) -> Callable[..., None]:
    """Replace one argument of a command by several options.

    Args:
        command: the command.
        name: the argument to replace.
        options: the type and the default of each option, by name.
        gather: makes the argument from the values of the options.

    Returns:
        A function with the options in its signature, from which Typer makes a command.
    """
    own = inspect.signature(command, eval_str=True).parameters
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(n, keyword, default=default, annotation=kind) for n, (kind, default) in options.items()]
    parameters: list[inspect.Parameter] = []
    for parameter in own.values():
        parameters += added if parameter.name == name else [parameter.replace(kind=keyword)]

    def with_options(**given: Any) -> None:
        argument = gather(**{option: given.pop(option) for option in options})
        command(**given, **{name: argument})

    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] - typer reads it
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    return with_options


def is_model(path: Path) -> bool:
    """Whether a file is a model file by its content, or by its name if it cannot be read."""
    from freerun.files.archive import looks_like_archive

    return path.suffix.lower() == MODEL or looks_like_archive(path)


def read(path: Path, reading: Reading) -> Series:
    """Read one series.

    Args:
        path: the file, or `-` for standard input.
        reading: how to read it.

    Raises:
        SeriesError: the file cannot be read or used.
    """
    from freerun.data.series import Series

    return Series.from_options(path, reading.options, reading.inputs)


def open_data(path: Path, reading: Reading) -> LongTable | Path | Table | Rows:
    """Open a file, and tell whether it holds many series in long format.

    Args:
        path: the file, `-` for standard input, or a folder of Parquet files.
        reading: how to read it.

    Returns:
        The table of many series, if `--id` names a column or the file has the column `unique_id`.
        Otherwise, what a
        single series is read from: see `read_opened`.

    Raises:
        SeriesError: the file cannot be read.
    """
    from freerun.data.io import read_table
    from freerun.data.stored import READERS
    from freerun.data.table import Table
    from freerun.many.columns import find_id
    from freerun.many.tables import open_table

    in_parts = path.is_dir() or (path.is_file() and path.suffix.lower() in READERS)
    found = path if in_parts else read_table(path)
    if path.suffix.lower() == ".npy" or not (in_parts or isinstance(found, Table)):
        return found
    table = open_table(found)
    name = find_id(list(table.head.columns), reading.options.id)
    selects = name is not None and name not in table.head.columns and "=" in name
    return found if name is None or selects else table


def read_opened(found: Path | Table | Rows, reading: Reading) -> Series | StoredSeries:
    """Read the one series of a file that `open_data` has opened;
    one that is too large for memory is read in parts.

    Args:
        found: what `open_data` returned.
        reading: how to read it.

    Raises:
        SettingError, SeriesError: see `read_training`.
    """
    from freerun.data.series import Series

    if isinstance(found, Path):
        training, _ = read_training([found], None, reading)
        return training[0] if isinstance(training, list) else training
    return Series.from_options(found, reading.options, reading.inputs)


def refuse_given(options: Mapping[str, object], why: str) -> None:
    """Refuse options that do not apply.

    Args:
        options: their values by name; None, False and empty values were not given.
        why: why they do not apply, and what to do.

    Raises:
        SettingError: one was given.
    """
    from freerun.errors import SettingError

    given = [name for name, value in options.items() if value]
    if given:
        raise SettingError(f"{given[0]}: {why}")


def read_training(
    paths: list[Path], split: int | None, reading: Reading
) -> tuple[Series | StoredSeries | list[Series], Series | None]:
    """Read the training series and the validation series.

    A single npy or Parquet file that is too large for memory becomes a `StoredSeries`,
    which is read in parts.

    Args:
        paths: the files.
        split: the first step of the validation series; None means no validation series.
        reading: how to read the files.

    Returns:
        The training series (one, or a list of them), and the validation series or None.

    Raises:
        SettingError: `split` with several series, or an option that needs the whole of a large
            file.
        SeriesError: a file cannot be read or used.
    """
    from freerun.data.series import Series
    from freerun.data.stored import ENDING, StoredSeries
    from freerun.errors import SettingError

    options = reading.options
    stored = StoredSeries.if_large(paths[0], options.columns, options.time) if len(paths) == 1 else None
    if stored is not None:
        for option, given in (
            ("--missing interpolate", options.missing != "mask"),
            ("--input", reading.inputs),
            ("--resample", options.resample),
            ("--irregular", options.irregular),
            ("--id", options.id),
            ("--zone", options.zone),
        ):
            if given:
                raise SettingError(
                    f"{option}: {paths[0]} is too large to be read whole, which this option needs; leave the option "
                    "out, or give a shorter file"
                )
        return (stored, None) if split is None else (stored.until(split), stored.between(split, split + ENDING))
    found = [Series.all_from_options(path, options, reading.inputs) for path in paths]
    panel = [series for several in found for series in several.values()]
    if split is None:
        return panel, None
    if len(panel) > 1:
        raise SettingError("--split divides a single series; leave it out with several series")
    return panel[0].split(split)


def numbers(option: str, text: str | None) -> tuple[float, ...]:
    """Parse numbers separated by commas.

    Args:
        option: the option that was given, for the message.
        text: its value; None or empty gives no numbers.

    Raises:
        SettingError: a part is not a number.
    """
    from freerun.errors import SettingError

    try:
        return tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError as error:
        raise SettingError(f"{option} {text}: give numbers separated by commas, such as 80,95") from error


def require_one_engine(workers: int | None, scheduler: str | None) -> None:
    """Refuse `--workers` together with `--scheduler`.

    Raises:
        SettingError: both are given.
    """
    from freerun.errors import SettingError

    if scheduler is not None and workers is not None:
        raise SettingError(
            "--workers starts processes on this machine, --scheduler uses those of a cluster; give only one of them"
        )


@contextmanager
def interruptible(console: Console, left: str) -> Iterator[None]:
    """After Ctrl-C, say what is left, and end with status 130.

    Args:
        console: prints it.
        left: what is left, in words.
    """
    try:
        yield
    except KeyboardInterrupt:
        console.note(f"interrupted; {left}")
        raise typer.Exit(130) from None


def left_of_many(output: Path | None) -> str:
    """What is left of an interrupted run over many series, in words."""
    if output is None:
        return "nothing is kept without an --output"
    return f"what was reached is in {output}, and the same command resumes"


def require_any_done(summary: Summary, done: str) -> None:
    """Refuse a run over many series in which all of them were refused.

    Args:
        summary: what was done.
        done: what was meant to be done with them.

    Raises:
        SeriesError: they were; the message has the commonest reason.
    """
    from freerun.errors import SeriesError

    if not summary.done:
        reason, count = next(iter(summary.reasons.items()))
        raise SeriesError(f"none of {summary.series} series could be {done}; the commonest reason ({count}): {reason}")


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Parse `NAME=VALUE` texts into a dict.

    Args:
        option: the option that was given, for the message.
        texts: its values.

    Raises:
        SettingError: a text is not of that form, or a name occurs twice.
    """
    from freerun.errors import SettingError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise SettingError(f"{option} {text}: write {option} NAME=VALUE")
        if name in found:
            raise SettingError(f"{option} {text}: {name} is given twice; give it once")
        found[name] = value.strip()
    return found


def times_of(text: str | None) -> list[float] | list[str] | None:
    """The times of `--times`: numbers, or dates as text; None without the option."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return [float(part) for part in parts]
    except ValueError:
        return parts


def require_file_for(after: Path | None, reading: Reading) -> None:
    """Refuse options of a file when `--after` names none.

    Raises:
        SettingError: there are such options.
    """
    from freerun.errors import SettingError

    if after is None and reading != NO_OPTIONS:
        raise SettingError(
            "--column, --time, --input, --resample and the like apply to the file of --after; give --after, or leave "
            "them out"
        )


def require_writable(*paths: Path | None, read: Sequence[Path | None] = ()) -> None:
    """Check that outputs can be written, before any work is done.

    Args:
        paths: of the outputs.
        read: files that are read, which no output may overwrite.

    Raises:
        OutputError: the folder of a path is missing, the path is a folder,
            or it is a file that is read.
    """
    from freerun.files.writing import refuse_overwriting, require_folder

    for path in paths:
        if path is not None:
            require_folder(path)
            refuse_overwriting(path, read)


def make_folder(path: Path) -> None:
    """Create a folder for results if it is missing.

    Raises:
        OutputError: it cannot be created.
    """
    from freerun.errors import OutputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be created ({error.strerror}); choose another folder") from error


def require_picture(path: Path | None) -> None:
    """Check that a picture can be written, before any work is done.

    Raises:
        OutputError: an unknown format, or no such folder.
    """
    from freerun import plots

    require_writable(path)
    if path is not None:
        plots.require_format(path)
