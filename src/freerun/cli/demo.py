"""`freerun demo`: the tutorial from end to end, and an improved run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import Json, Quiet, make_folder


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report; created if missing.")] = Path("freerun-demo"),
    series: Annotated[
        str, typer.Option(help="Synthetic series by name (see `freerun data --help`), or a file.")
    ] = "mackey-glass",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go through the tutorial from end to end, then show one improved run,
    and leave a report with pictures.

    Example: freerun demo --out my-demo --series mackey-glass
    """
    import json

    from freerun import demo

    console = Console(as_json, quiet)
    observed = demo.demo_series(series)
    make_folder(out)
    name = series if not Path(series).suffix else Path(series).name
    with console.progress() as progress:
        chapters = demo.train_chapters(observed, console.note, progress)
    console.note("drawing the report")
    demo.write_report(chapters, observed, name, out)
    console.table(demo.HEAD, [chapter.row for chapter in chapters])
    report = (out / "report.html").resolve()
    if as_json:
        console.result(json.loads((out / "report.json").read_text(encoding="utf-8")) | {"report": str(report)})
    else:
        print(f"\nreport: {report}")
