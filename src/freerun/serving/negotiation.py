"""Choose media types: that of the body of a request, and that of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from freerun.serving.problems import Refusal

Format = Literal["json", "csv"]
"""A format of bodies."""

MEDIA_TYPES: dict[Format, str] = {"json": "application/json", "csv": "text/csv"}
"""Media type of each format."""


def format_of_body(content_type: str | None, encoding: str | None) -> Format:
    """Return the format of the body of a request.

    Args:
        content_type: header `Content-Type`.
        encoding: header `Content-Encoding`.

    Raises:
        Refusal: it is neither JSON nor CSV, or it is compressed.
    """
    if encoding not in (None, "", "identity"):
        raise Refusal(
            415, f"The body has the encoding {encoding}; send it uncompressed.", {"Accept-Encoding": "identity"}
        )
    kind = (content_type or "").partition(";")[0].strip().lower()
    for name, media_type in MEDIA_TYPES.items():
        if kind == media_type:
            return name
    accepted = ", ".join(MEDIA_TYPES.values())
    raise Refusal(
        415,
        f"The body is {kind or 'of no media type'}; send JSON (Content-Type: application/json), or CSV (text/csv) with "
        "options in the query.",
        {"Accept": accepted, "Accept-Post": accepted},
    )


def format_of_answer(accept: str, formats: Sequence[Format]) -> Format:
    """Return the format that a client prefers.

    Args:
        accept: header `Accept`; empty accepts all.
        formats: formats that there are, the default first.

    Raises:
        Refusal: the client accepts none of them.
    """
    qualities = [(_quality(accept or "*/*", MEDIA_TYPES[name]), -place) for place, name in enumerate(formats)]
    quality, place = max(qualities)
    if quality <= 0:
        there = " and ".join(MEDIA_TYPES[name] for name in formats)
        raise Refusal(406, f"There is no {accept}; accept {there}.")
    return formats[-place]


def _quality(accept: str, media_type: str) -> float:
    """Return the quality that the most specific range of a
    header `Accept` gives a media type (RFC 9110).

    It is 0 if no range covers the media type.
    """
    family = media_type.partition("/")[0]
    found = {"*/*": -1.0, f"{family}/*": -1.0, media_type: -1.0}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        if kind in found:
            try:
                found[kind] = max(found[kind], float(weight))
            except ValueError:
                found[kind] = 0.0
    return next((weight for weight in reversed(found.values()) if weight >= 0), 0.0)
