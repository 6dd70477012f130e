"""Text in pictures: names of channels and files are drawn as they are,
in fonts that have their characters.

Matplotlib would read `$` as the start of a formula,
and draw a box for a character that its default font lacks.
"""

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
"""Beginning of Matplotlib's warnings on missing characters,
of which it gives one per character and drawing."""

LAST_RESORT = "Last Resort"
"""Name of a font that has a box for every character, and is therefore no help."""

LINES = 3
"""Most lines of a label; in a longer one, the middle is replaced by an ellipsis."""

WIDTH = 0.6
"""Average width of a character in ems, except ideographs, which take one."""

BOLD = 0.68
"""Average width of a bold character in ems."""

AROUND = 1.2
"""Height of title, legend and x labels of a figure, in inches."""

MOST_LETTERS = 20
"""Most characters that a warning lists."""

_warned: set[str] = set()
"""Characters that a warning was given for, so that each is reported once."""


class Lettered(Figure):
    """A figure that draws boxes for missing characters without a warning,
    since `as_written` has given one."""

    boxes = False

    def draw(self, renderer: Any) -> None:
        """Draw the figure."""
        with self._without_warnings():
            super().draw(renderer)

    def get_tightbbox(self, *args: Any, **settings: Any) -> Any:
        """Compute the bounding box of all that is drawn."""
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
    """Prepare all texts of a figure to be drawn as they are written.

    Labels, titles, annotations and legends are not read as formulas. Long ones are
    broken into lines. Characters that the default font lacks are drawn in other fonts of
    this machine; if no font has them, one warning lists them. Tick labels are not
    changed, since they are numbers and dates.

    Args:
        figure: changed in place.

    Returns:
        The same figure.
    """
    words = list(_iterate_texts(figure))
    for text, inches in words:
        text.set_parse_math(False)
        text.set_usetex(False)
        width = BOLD if text.get_fontweight() == "bold" else WIDTH
        ems = inches * 72 / float(text.get_fontsize())
        text.set_text(_wrap(_replace_surrogates(text.get_text()), ems, width))
    texts = [text for text, _ in words]
    if lacking := frozenset().union(*map(_find_missing, texts)):
        families = _choose_families(lacking)
        for text in filter(_find_missing, texts):
            text.set_fontfamily([*text.get_fontfamily(), *families])
        lacking = frozenset().union(*map(_find_missing, texts))
    figure.boxes = bool(lacking)
    _warn_of(lacking)
    return figure


def _iterate_texts(figure: Lettered) -> Iterator[tuple[Text, float]]:
    """Yield all texts except tick labels, each with the space that it has, in inches."""
    width, height = figure.get_size_inches()
    margins = figure.subplotpars  # positions of axes are relative to these; the final layout has smaller margins
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


def _replace_surrogates(words: str) -> str:
    """Replace surrogates, which a file name can contain and no font can draw."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) == "Cs" else c for c in words)


def _wrap(words: str, ems: float, width: float) -> str:
    """Break a text into at most `LINES` lines.

    Args:
        words: the text.
        ems: length of a line, in ems.
        width: average width of a character, in ems.
    """
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


def _find_missing(text: Text) -> frozenset[str]:
    """Find the characters of a text that none of its fonts has."""
    letters = frozenset(c for c in text.get_text() if not c.isascii() and _is_visible(c))
    for family in text.get_fontfamily() if letters else ():
        letters -= _find_in_family(family, text.get_fontproperties(), letters)
    return letters


def _is_visible(letter: str) -> bool:
    """Whether a character is visible: no space, control or format character,
    and no variation selector."""
    is_selector = "\N{VARIATION SELECTOR-1}" <= letter <= "\N{VARIATION SELECTOR-16}"
    return not (letter.isspace() or is_selector or unicodedata.category(letter) in ("Cc", "Cf"))


def _find_in_family(family: str, properties: font_manager.FontProperties, letters: frozenset[str]) -> frozenset[str]:
    """Find the characters that a font family has, in the weight and style of `properties`."""
    properties = properties.copy()
    properties.set_family(family)
    log = logging.getLogger(font_manager.__name__)
    level = log.level
    log.setLevel(logging.ERROR)  # it would warn that a family has no bold font
    try:
        return _find_in_font(font_manager.findfont(properties, fallback_to_default=False), letters)
    except ValueError:  # unknown family
        return frozenset()
    finally:
        log.setLevel(level)


@lru_cache(4096)
def _find_in_font(path: str, letters: frozenset[str]) -> frozenset[str]:
    """Find the characters that a font file has; none if it cannot be read."""
    try:
        known = font_manager.get_font(path).get_charmap()
    except (OSError, RuntimeError):  # deleted or damaged
        return frozenset()
    return frozenset(letter for letter in letters if ord(letter) in known)


def _choose_families(letters: frozenset[str]) -> list[str]:
    """Choose few font families that together have as many of the characters as possible,
    by greedy set cover."""
    _register_new_fonts()
    fonts = sorted((font for font in font_manager.fontManager.ttflist if LAST_RESORT not in font.name), key=_rank_font)
    families: list[str] = []
    while letters:
        best, found = None, frozenset[str]()
        for font in fonts:
            here = _find_in_font(font.fname, letters)
            if len(here) > len(found):
                best, found = font, here
            if here == letters:
                break
        if best is None:
            break
        families.append(best.name)
        letters -= found
    return families


def _rank_font(font: font_manager.FontEntry) -> tuple[bool, bool, bool, int, str]:
    """Sort key of fonts: upright before italic, proportional
    sans-serif fonts of normal weight first."""
    return (
        font.style != "normal",
        "Mono" in font.name,
        "Sans" not in font.name,
        abs(int(font.weight) - 400) if str(font.weight).isdigit() else 0,
        font.name,
    )


@cache
def _register_new_fonts() -> None:
    """Add fonts to Matplotlib that were installed after it cached its list."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(Exception):  # unreadable fonts raise many kinds of errors
            font_manager.fontManager.addfont(path)


def _warn_of(letters: Iterable[str]) -> None:
    """Warn of characters that no font has, once per character."""
    new = sorted(set(letters) - _warned)
    if new:
        _warned.update(new)
        named = " ".join(new[:MOST_LETTERS]) + (" ..." if len(new) > MOST_LETTERS else "")
        warnings.warn(
            f"no font that matplotlib can use here has the letters {named}, so pictures show boxes instead; "
            "install a font that has them, for instance one of https://fonts.google.com/noto",
            stacklevel=4,
        )
