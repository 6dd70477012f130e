"""`Report`: one HTML page of headings, text, tables and pictures, all in a single file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from freerun._version import __version__
from freerun.files.writing import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2.5rem auto;
       padding: 0 1.25rem; }
h1 { font-size: 1.9rem; margin-bottom: .2rem; } h2 { font-size: 1.3rem; margin-top: 2.6rem; }
p { max-width: 46rem; } figure { margin: 1.2rem 0; }
pre { background: #f4f4f4; padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9rem; }
img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: 1.2rem 0; }
th, td { padding: .45rem .9rem; text-align: right; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } th { border-bottom: 2px solid #222; font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1.4rem; }
dt { color: #595959; } dd { margin: 0; max-width: 40rem; overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: #595959; font-size: .875rem; }
"""


@dataclass
class Report:
    """A page that is built part by part, then saved. All text is escaped.

    Attributes:
        title: heading of the page and title of the browser window.
    """

    title: str
    _parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Add the heading of a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def code(self, text: str) -> None:
        """Add a block of code."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table with a header row, whose first column holds the names of the rows."""
        top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        self._parts.append(f'<div class="scroll">{table}</div>')

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Add a list of facts: a name and a text each."""
        rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in facts)
        self._parts.append(f"<dl>{rows}</dl>")

    def picture(self, figure: Figure, description: str) -> None:
        """Add a figure, with a description for screen readers."""
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
        source = base64.b64encode(content.getvalue()).decode("ascii")
        alt = html.escape(description, quote=True)
        self._parts.append(f'<figure><img src="data:image/png;base64,{source}" alt="{alt}"></figure>')

    def to_html(self) -> str:
        """Return the page."""
        title = html.escape(self.title)
        return (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
            + "\n".join(self._parts)
            + f"\n</main>\n<footer>Made by freerun {__version__}.</footer>\n</body>\n</html>\n"
        )

    def save(self, path: str | Path) -> None:
        """Write the page; an existing file is replaced only when the new one is complete.

        Raises:
            OutputError: it cannot be written.
        """
        with replacing(path) as temporary:
            temporary.write_text(self.to_html(), encoding="utf-8", errors="replace")  # a path may hold surrogates
