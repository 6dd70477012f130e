"""The first pane: a file that is dropped, a table that is pasted, or an example."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from freerun.errors import FreerunError
from freerun.studio.elements import add_text, show_error
from freerun.studio.forecast.desk import Desk
from freerun.studio.forecast.examples import EXAMPLES
from freerun.studio.reading import Reading
from freerun.studio.uploads import DropField, suffix_of

PASTED = "pasted.csv"
"""Name of a table that was pasted."""


class TablePane:
    """Where the series comes from, on one page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        with ui.card().classes("pane").props("role=region aria-labelledby=table-title"):
            add_text("h2", "1. Your table").props("id=table-title")
            self._drop = DropField(self._take_file)
            with ui.expansion("Paste a table").classes("w-full"):
                self._text = ui.textarea("Rows, from a spreadsheet or a file").classes("w-full").props("outlined")
                ui.button("Read it", on_click=self._paste).props("outline")
            with ui.row().classes("items-center gap-2"):
                add_text("span", "Or try an example:").classes("hint")
                for example in EXAMPLES:
                    ui.button(example, on_click=partial(self._show_example, example)).props(
                        "outline dense padding='2px 10px'"
                    )

    async def _take_file(self, name: str, content: bytes) -> None:
        try:
            await self._desk.take(name, suffix_of(name), content)
        except (OSError, FreerunError) as error:
            show_error(error)

    async def _paste(self) -> None:
        text = str(self._text.value or "")
        if not text.strip():
            show_error(FreerunError("There is nothing to read: paste a table first."))
            return
        await self._take_file(PASTED, text.encode())

    async def _show_example(self, name: str) -> None:
        file, text, inputs = EXAMPLES[name]
        try:
            await self._desk.take(file, ".csv", text().encode(), Reading(inputs=inputs))
        except OSError as error:
            show_error(error)
