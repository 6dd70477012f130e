"""Files that are dropped on a page: the field on the page, and the route that receives them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from nicegui import Client, ui
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from freerun.data.io import READ
from freerun.errors import FreerunError
from freerun.studio.elements import add_text, show_error
from freerun.studio.intake import MOST_BYTES

ROUTE = "/uploads"
"""Route of uploads, one for all pages. NiceGUI's own uploader
adds one per page and never removes it."""

ACCEPTED = (*READ, *(f"{suffix}.gz" for suffix in READ))
"""Suffixes of files that can be uploaded."""

DROP = "Drop a file here, or choose one: CSV, Excel, Parquet, JSON, npy, npz"

SCRIPT = Path(__file__).with_name("drop.js")
"""What the field does in the browser. Quasar's uploader has
controls without names for screen readers."""

Take = Callable[[str, bytes], Awaitable[None]]
"""What a pane does with a file, given its name and its content."""


class DropField:
    """A field on which a file is dropped, or from which one is chosen.

    Args:
        take: is given the name and the content of each file.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._client: Client = ui.context.client
        _FIELDS[self._client.id] = self
        with ui.element("label").classes("drop") as self._field:
            ui.icon("upload_file", size="1.6rem").props("aria-hidden=true")
            add_text("span", DROP).classes("drop-words")
            ui.element("input").props(f"type=file accept={','.join(ACCEPTED)}")
        refused = f"refused-{self._field.id}"
        ui.on(refused, lambda event: show_error(FreerunError(str(event.args))))
        begin = SCRIPT.read_text().strip()
        call = f"({begin})(getHtmlElement({self._field.id}), '{ROUTE}/{self._client.id}', {MOST_BYTES}, "
        ui.timer(0.1, lambda: ui.run_javascript(f"{call} why => emitEvent('{refused}', why))"), once=True)

    async def take(self, name: str, content: bytes) -> None:
        """Hand a file to the pane."""
        with self._client:
            await self._take(name, content)


_FIELDS: WeakValueDictionary[str, DropField] = WeakValueDictionary()
"""Fields of open pages, by client id, which is random and hard to guess."""


def suffix_of(name: str) -> str:
    """The suffix of an uploaded file.

    Raises:
        FreerunError: no format has it.
    """
    suffix = next((suffix for suffix in ACCEPTED[::-1] if name.lower().endswith(suffix)), None)
    if suffix is None:
        raise FreerunError(f"{name}: give a file that ends in {', '.join(READ)}")
    return suffix


@contextmanager
def removed_at_the_end(*paths: Path) -> Iterator[None]:
    """Context of files that are removed at its end."""
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


async def receive(request: Request) -> Response:
    """Receive a file that was dropped on a page."""
    field = _FIELDS.get(request.path_params["page"])
    if field is None:
        return PlainTextResponse("page not found", 404)
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            return PlainTextResponse("no file was sent", 400)
        await field.take(file.filename or "", await file.read())
    return PlainTextResponse("received")
