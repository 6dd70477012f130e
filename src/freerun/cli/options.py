"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freerun.settings import Missing

if TYPE_CHECKING:
    from freerun.series import Series

ModelFile = Annotated[Path, typer.Argument(help="Model file that `freerun fit` wrote.", show_default=False)]
SeriesFile = Annotated[
    Path, typer.Argument(help="Series: a CSV, Parquet, npy or npz file.", show_default=False, metavar="SERIES")
]
Column = Annotated[
    list[str], typer.Option("--column", "-c", help="Channel to read, by name; repeat for several. Default: all.")
]
TimeColumn = Annotated[
    str | None, typer.Option("--time", help="Column of the times. Default: a first column of dates or named so.")
]
MissingValues = Annotated[
    Missing, typer.Option("--missing", help="Missing or infinite values: refuse them, or fill them linearly.")
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write a picture here: PNG, SVG or PDF.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON on stdout, all else on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]


def read(path: Path, column: list[str], time: str | None, missing: Missing) -> Series:
    """The series that the options describe."""
    from freerun.series import Series

    return Series.read(path, column, time, missing)


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
