"""Words of users in pictures: drawn as they are, never as formulas, in fonts that have their letters."""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

MISSING_GLYPH = r"Glyph \d+|Matplotlib currently does not support"
"""How matplotlib's own warnings begin, one for each letter and each time it is drawn."""

LAST_RESORT = "Last Resort"
"""A font that has a box for every letter."""

LINES = 3
"""Most lines of a label; the middle of what does not fit is left out."""

WIDTH, BOLD = 0.6, 0.68
"""Widths of letters on average, in ems; an ideograph takes one em."""

AROUND = 1.2
"""Inches of the height of a figure that title, legend and labels of the abscissa take."""

NAMED = 20
"""Most letters that a warning names."""

_told: set[str] = set()
"""Letters that were warned of."""


class Lettered(Figure):
    """A figure that draws a box for a letter that no font has, without a word: `as_written` has warned of it."""

    boxes = False

    def draw(self, renderer: Any) -> None:
        """Draw it."""
        with self._without_warnings():
            super().draw(renderer)

    def get_tightbbox(self, *args: Any, **settings: Any) -> Any:
        """The box around all that is drawn."""
        with self._without_warnings():
            return super().get_tightbbox(*args, **settings)

    @contextmanager
    def _without_warnings(self) -> Iterator[None]:
        if not self.boxes:
            yield
            return
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", MISSING_GLYPH)
            yield


def as_written(figure: Lettered) -> Lettered:
    """Let the words in a figure stand as they are, and hand the figure back.

    Labels, titles, notes and legends are no formulas, are broken into lines where they are too long, and use other
    fonts on this machine for letters that the default font lacks. Where there is none, one warning names the letters.
    Labels of ticks are numbers and dates, and stay formulas.
    """
    words = list(_words(figure))
    for text, inches in words:
        text.set_parse_math(False)
        text.set_usetex(False)
        width = BOLD if text.get_fontweight() == "bold" else WIDTH
        ems = inches * 72 / float(text.get_fontsize())
        text.set_text(_in_lines(_characters(text.get_text()), ems, width))
    texts = [text for text, _ in words]
    if lacking := frozenset().union(*map(_lacking, texts)):
        families = _families_with(lacking)
        for text in filter(_lacking, texts):
            text.set_fontfamily([*text.get_fontfamily(), *families])
        lacking = frozenset().union(*map(_lacking, texts))
    figure.boxes = bool(lacking)
    _warn_of(lacking)
    return figure


def _words(figure: Lettered) -> Iterator[tuple[Text, float]]:
    """All texts but labels of ticks, and how many inches there are for each."""
    width, height = figure.get_size_inches()
    margins = figure.subplotpars  # of the boxes below; less is left out where all is drawn
    for text in figure.texts:
        yield text, 0.97 * width
    for axes in figure.axes:
        box = axes.get_position()
        wide = 0.9 * width * box.width / (margins.right - margins.left)
        yield axes.title, wide
        yield axes.xaxis.label, wide
        yield axes.yaxis.label, (height - AROUND) * box.height / (margins.top - margins.bottom)
        legend = axes.get_legend()
        for text in [*axes.texts, *(legend.get_texts() if legend is not None else [])]:
            yield text, width


def _characters(words: str) -> str:
    """Words without halves of characters, which the name of a file can have and no font can draw."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) == "Cs" else c for c in words)


def _in_lines(words: str, ems: float, width: float) -> str:
    """Words in lines of so many ems, if they need more than one."""
    needed = sum(1.0 if unicodedata.east_asian_width(c) in "FW" else width for c in words)
    if needed <= ems:
        return words
    most, lines = max(8, int(len(words) * ems / needed)), [""]
    for piece in re.findall(r"[^\s_/.,;-]+[\s_/.,;-]*|[\s_/.,;-]+", words):
        for part in (piece[i : i + most] for i in range(0, len(piece), most)):
            if len(lines[-1]) + len(part.rstrip()) > most:
                lines.append("")
            lines[-1] += part
    if len(lines) > LINES:
        lines[LINES - 1 :] = ["…" + words[1 - most :]]
    return "\n".join(line.rstrip() for line in lines)


def _lacking(text: Text) -> frozenset[str]:
    """Letters that none of the fonts of a text has."""
    letters = frozenset(c for c in text.get_text() if not c.isascii() and _is_seen(c))
    for family in text.get_fontfamily() if letters else ():
        letters -= _known(family, text.get_fontproperties(), letters)
    return letters


def _is_seen(letter: str) -> bool:
    """Whether something is to be drawn: no space, and no sign that only tells how to draw its neighbour."""
    is_selector = "\N{VARIATION SELECTOR-1}" <= letter <= "\N{VARIATION SELECTOR-16}"
    return not (letter.isspace() or is_selector or unicodedata.category(letter) in ("Cc", "Cf"))


def _known(family: str, properties: font_manager.FontProperties, letters: frozenset[str]) -> frozenset[str]:
    """Those of the letters that a family has in the weight and style of `properties`."""
    properties = properties.copy()
    properties.set_family(family)
    log = logging.getLogger(font_manager.__name__)
    level = log.level
    log.setLevel(logging.ERROR)  # it would say that a family has no bold letters
    try:
        return _in_font(font_manager.findfont(properties, fallback_to_default=False), letters)
    except ValueError:  # there is no such family
        return frozenset()
    finally:
        log.setLevel(level)


@lru_cache(4096)
def _in_font(path: str, letters: frozenset[str]) -> frozenset[str]:
    try:
        known = font_manager.get_font(path).get_charmap()
    except (OSError, RuntimeError):  # it is gone, or damaged
        return frozenset()
    return frozenset(letter for letter in letters if ord(letter) in known)


def _families_with(letters: frozenset[str]) -> list[str]:
    """As few families on this machine as have the letters between them, or most of them; the plainest first."""
    _look_for_new_fonts()
    fonts = sorted((font for font in font_manager.fontManager.ttflist if LAST_RESORT not in font.name), key=_fancy)
    families: list[str] = []
    while letters:
        best, found = None, frozenset[str]()
        for font in fonts:
            here = _in_font(font.fname, letters)
            if len(here) > len(found):
                best, found = font, here
            if here == letters:
                break
        if best is None:
            break
        families.append(best.name)
        letters -= found
    return families


def _fancy(font: font_manager.FontEntry) -> tuple[bool, bool, bool, int, str]:
    """How little a font suits the labels of a picture."""
    return (
        font.style != "normal",
        "Mono" in font.name,
        "Sans" not in font.name,
        abs(int(font.weight) - 400) if str(font.weight).isdigit() else 0,
        font.name,
    )


@cache
def _look_for_new_fonts() -> None:
    """Let matplotlib know fonts that were installed after it made its list."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(Exception):  # fonts that matplotlib cannot read have many ways to say so
            font_manager.fontManager.addfont(path)


def _warn_of(letters: Iterable[str]) -> None:
    """Say which letters no font has, once for each."""
    new = sorted(set(letters) - _told)
    if new:
        _told.update(new)
        named = " ".join(new[:NAMED]) + (" ..." if len(new) > NAMED else "")
        warnings.warn(
            f"no font that matplotlib can use here has the letters {named}, so boxes stand for them in pictures; "
            "install a font that has them, for instance one of https://fonts.google.com/noto",
            stacklevel=4,
        )
