"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freerun.settings import Missing

if TYPE_CHECKING:
    from freerun.data.series import Series
    from freerun.data.stored import StoredSeries

ModelFile = Annotated[Path, typer.Argument(help="Model file that `freerun fit` wrote.", show_default=False)]
SeriesFile = Annotated[
    Path, typer.Argument(help="Series: a CSV, Parquet, npy or npz file.", show_default=False, metavar="SERIES")
]
SeriesFiles = Annotated[
    list[Path],
    typer.Argument(
        help="Training series: a CSV, Parquet, npy or npz file; several are learned together.",
        show_default=False,
        metavar="SERIES...",
    ),
]
Column = Annotated[
    list[str], typer.Option("--column", "-c", help="Channel to read, by name; repeat for several. Default: all.")
]
TimeColumn = Annotated[
    str | None, typer.Option("--time", help="Column of the times. Default: a first column of dates or named so.")
]
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
    typer.Option(help="Average over steps of this length: D, h, MS, 15min, ... for dates, or a number."),
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


def read(
    path: Path, column: list[str], time: str | None, missing: Missing, inputs: list[str], resample: str | None
) -> Series:
    """The series that the options describe."""
    from freerun.data.series import Series
    from freerun.errors import SeriesError, SeriesFileError

    columns = [*column, *(name for name in inputs if name not in column)] if column else []
    series = Series.read(path, columns, time, missing, resample)
    try:
        return series.with_inputs(inputs) if inputs else series
    except SeriesError as error:
        raise SeriesFileError(f"{path}: {error}") from error


def read_training(
    paths: list[Path],
    split: int | None,
    column: list[str],
    time: str | None,
    missing: Missing,
    inputs: list[str],
    resample: str | None,
) -> tuple[Series | StoredSeries | list[Series], Series | None]:
    """What is to be learned, and what is to be watched: the steps from `split` on.

    One large npy or Parquet file is not read whole.
    """
    from freerun.data.stored import ENDING, StoredSeries
    from freerun.errors import SettingError

    stored = StoredSeries.if_large(paths[0], column, time) if len(paths) == 1 else None
    if stored is not None:
        for option, given in (
            ("--missing interpolate", missing != "mask"),
            ("--input", inputs),
            ("--resample", resample),
        ):
            if given:
                raise SettingError(
                    f"{option}: {paths[0]} is too large to be read whole, which this needs; leave it out, or cut a "
                    "part out of the file"
                )
        return (stored, None) if split is None else (stored.until(split), stored.between(split, split + ENDING))
    panel = [read(path, column, time, missing, inputs, resample) for path in paths]
    if split is None:
        return panel, None
    if len(panel) > 1:
        raise SettingError("--split cuts one series in two; with several, leave it out")
    return panel[0].split(split)


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


def require_file_for(after: Path | None, *described_by: object) -> None:
    """Refuse options that describe the file of --after where there is none."""
    from freerun.errors import SettingError

    if after is None and any(described_by):
        raise SettingError(
            "--column, --time, --input and --resample describe the file of --after; leave them out, or name one"
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
