"""Elements of both pages: messages, text, tables and charts, with names for screen readers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from freerun.studio.charts import Options


def remove_options(text: str) -> str:
    """Remove hints at command-line options and Python arguments from a message.
    A page has neither."""
    return re.sub(r" \((?:\w+=[^()]*, )?--[^()]*\)", "", text)


def show_error(error: Exception) -> None:
    """Show an error on the page until the user closes it."""
    text = remove_options(str(error))
    ui.notify(text, type="negative", position="top", multi_line=True, timeout=0, close_button="Close")


def redraw(picture: ui.echart, options: Options) -> None:
    """Replace the options of a chart."""
    picture.options.clear()
    picture.options.update(options)
    picture.update()


def add_chart(options: Options, name: str, enable_3d: bool = False) -> ui.echart:
    """Add a chart with a name for screen readers."""
    return ui.echart(options, enable_3d=enable_3d).classes("w-full").props(f'role=img aria-label="{name}"')


def add_text(tag: str, words: str) -> TextElement:
    """Add text in an element of HTML, such as `h2`, `p` or `td`."""
    return TextElement(tag=tag, text=words)


def add_code(text: str, language: str) -> None:
    """Add code with a button that copies it."""
    ui.code(text, language=language).classes("w-full").copy_button.props('aria-label="Copy"')


def add_facts(facts: Sequence[Sequence[str]]) -> None:
    """Add a list of facts, pairs of a name and a text."""
    with ui.element("dl").classes("facts"):
        for name, words in facts:
            add_text("dt", name)
            add_text("dd", words)


def add_table(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Add a table whose first column names its rows; it scrolls inside of itself.

    Args:
        name: name for screen readers.
        head: the header.
        rows: cells of each row.
    """
    with ui.element("div").classes("rows").props(f'role=region tabindex=0 aria-label="{name}"'), ui.element("table"):
        with ui.element("thead"), ui.element("tr"):
            for cell in head:
                add_text("th", cell).props("scope=col")
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for place, cell in enumerate(row):
                        add_text("td" if place else "th", cell).props("" if place else "scope=row")
