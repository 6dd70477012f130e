"""`Console`: prints results on stdout, and everything else on stderr."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from freerun.errors import SeriesWarning
from freerun.files.writing import json_text

if TYPE_CHECKING:
    from rich.console import Console as Terminal

    from freerun.many.results import Results
    from freerun.search import Standing
    from freerun.training.history import Progress

MOST_WARNINGS = 5
"""Most kinds of warnings that are noted after a run over many series."""

LINES_EVERY = 5.0
"""Seconds between two lines of progress when stderr is not a terminal,
so that log files stay short."""


class Console:
    """Prints the output of a command.

    Args:
        as_json: print results as one JSON object instead of text.
        quiet: print neither notes nor progress.
    """

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self.as_json, self._quiet = as_json, quiet

    def note(self, text: str) -> None:
        """Print a line on stderr."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def result(self, values: Mapping[str, object], table: Mapping[str, object] | None = None) -> None:
        """Print the results.

        Args:
            values: by name; printed with `as_json`.
            table: the same for people, printed as two columns otherwise; None prints `values`.
        """
        if self.as_json:
            print(json_text(dict(values)))
            return
        rows = values if table is None else table
        width = max(map(len, rows), default=0)
        for name, value in rows.items():
            print(f"{name:<{width}}  {_text(value)}")

    def table(self, head: list[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table with a header row; nothing with `as_json`."""
        if self.as_json:
            return
        cells = [head, *([_text(value) for value in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for number, row in enumerate(cells):
            left, *right = row
            print("  ".join([left.ljust(widths[0]), *map(str.rjust, right, widths[1:])]))
            if number == 0:
                print("  ".join("-" * width for width in widths))

    def summary(self, found: Results, done: str, more: Mapping[str, object] | None = None) -> None:
        """Print what was done with many series, and note the commonest warnings.

        Args:
            found: the result. Its summary is printed on stdout if there is a file of results or
                with `as_json`, and noted otherwise.
            done: what was done, in one word: `forecast`.
            more: further results, for JSON.
        """
        summary = found.summary
        shares = {name: f"{100 * count / summary.done:.3g} %" for name, count in summary.methods.items()}
        refused = f"{summary.refused}: {found.refused_output}" if found.refused_output else str(summary.refused)
        rows: dict[str, object] = {
            "series": summary.series,
            done: f"{summary.done} ({summary.resumed} before)" if summary.resumed else summary.done,
            "refused": refused,
            "seconds": round(summary.seconds, 1),
        }
        if shares:
            rows["methods"] = ", ".join(f"{share} {name}" for name, share in shares.items())
        if found.output is not None:
            rows["file"] = str(found.output)
        if self.as_json:
            values = asdict(summary) | {"refused": summary.refused, "output": _path(found.output)}
            self.result(values | {"refused_output": _path(found.refused_output)} | dict(more or {}))
        elif found.output is not None:
            self.result(rows)
        else:
            self.note(", ".join(f"{name}: {value}" for name, value in rows.items()))
        for text, count in list(summary.warnings.items())[:MOST_WARNINGS]:
            self.note(f"{count} {'warning' if count == 1 else 'warnings, such as'}: {text}")
        if len(summary.warnings) > MOST_WARNINGS:
            self.note(f"and {len(summary.warnings) - MOST_WARNINGS} other kinds of warnings (--json lists all)")

    @contextmanager
    def noticed(self) -> Iterator[list[str]]:
        """Collect the warnings on data, and show them at the end.

        Yields:
            The list that the warnings are added to at the end.
        """
        notes: list[str] = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SeriesWarning)
            yield notes
        for warning in caught:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            notes.append(str(warning.message))

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None]]:
        """Show the progress of training: a live line on a terminal, plain lines otherwise.

        Yields:
            The callback that shows a `Progress`.
        """
        if self._quiet:
            yield lambda progress: None
        elif sys.stderr.isatty():
            with self._live() as show:
                yield show
        else:
            yield _Lines(self.note)

    @contextmanager
    def search(self) -> Iterator[tuple[Callable[[Standing], None], Callable[[Progress], None]]]:
        """Show the progress of a search: a live table of the best trials on a terminal,
        plain lines otherwise.

        Yields:
            The callbacks for the trials, and for the fit of the winner.
        """
        if self._quiet:
            yield lambda standing: None, lambda progress: None
        elif sys.stderr.isatty():
            with self._live_table() as show:
                yield show, lambda progress: None
        else:
            lines = _Lines(self.note)
            yield (lambda standing: lines(standing.progress)), lambda progress: None

    @contextmanager
    def _live_table(self) -> Iterator[Callable[[Standing], None]]:
        from rich.live import Live
        from rich.table import Table

        with Live(console=_terminal(), transient=True, auto_refresh=False) as live:

            def show(standing: Standing) -> None:
                progress = standing.progress
                table = Table(
                    "",
                    "error",
                    "settings",
                    title=f"{progress.done} of {progress.total} trials  {progress.pace}",
                    title_justify="left",
                )
                for place, candidate in enumerate(standing.best, 1):
                    table.add_row(str(place), f"{candidate.error:.3e}", candidate.settings.described)
                live.update(table, refresh=True)

            yield show

    @contextmanager
    def _live(self) -> Iterator[Callable[[Progress], None]]:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
        with Bar(*columns, console=_terminal(), transient=True) as bar:
            task = bar.add_task("training", total=None)

            def show(progress: Progress) -> None:
                bar.update(task, total=progress.total, completed=progress.done, description=_line(progress))

            yield show


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _terminal() -> Terminal:
    """A rich console on stderr that prints square brackets and colons as they are,
    since names may hold them."""
    from rich.console import Console as Terminal

    return Terminal(stderr=True, markup=False, emoji=False)


class _Lines:
    """Prints a line of progress every `LINES_EVERY` seconds, and the last one."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._next = note, 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next or progress.done == progress.total:
            self._next = now + LINES_EVERY
            self._note(_line(progress))


def _line(progress: Progress) -> str:
    measured = {
        "training MSE": progress.training_mse,
        "validation MSE": progress.validation_mse,
        "free-run error": progress.free_run_error,
    }
    parts = [f"{name} {value:.3e}" for name, value in measured.items() if value is not None]
    return "  ".join([f"{progress.task} {progress.done}/{progress.total}", *parts, progress.pace]).rstrip()


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
