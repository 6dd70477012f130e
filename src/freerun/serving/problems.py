"""Refusals of requests, and their answers: problem details in JSON (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from freerun.errors import FreerunError, MachineError
from freerun.serving.messages import Fault, Problem

MEDIA_TYPE = "application/problem+json"
"""Media type of problem details."""


class Refusal(Exception):  # noqa: N818 - a refusal is an answer of the service
    """A request is refused.

    Attributes:
        status: status code of the answer.
        detail: what is wrong, and what to do.
        headers: headers of the answer, beside its media type.
        faults: what is wrong with each part of the request.
    """

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.faults = status, detail, dict(headers or {}), tuple(faults)

    @property
    def body(self) -> bytes:
        """The problem details."""
        title = HTTPStatus(self.status).phrase
        problem = Problem(title=title, status=self.status, detail=self.detail, errors=list(self.faults))
        return problem.model_dump_json(exclude=None if self.faults else {"errors"}).encode()


def to_response(refusal: Refusal) -> Response:
    """Convert a refusal to an answer over HTTP."""
    return Response(refusal.body, refusal.status, refusal.headers, MEDIA_TYPE)


def refusal_of(error: FreerunError | ValidationError | MemoryError) -> Refusal:
    """Convert an error to a refusal."""
    if isinstance(error, ValidationError):
        faults = [_to_fault(entry) for entry in error.errors()]
        return Refusal(422, "; ".join(fault.detail for fault in faults), faults=faults)
    if isinstance(error, MemoryError):
        return Refusal(503, "There is not enough memory for this; ask for fewer steps, or give a shorter series.")
    return Refusal(503 if isinstance(error, MachineError) else 422, str(error))


def _to_fault(entry: Any) -> Fault:
    """Describe an error of validation. A check of freerun has its own message."""
    name = str(entry["loc"][0]) if entry["loc"] else ""
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in entry["loc"])
    match entry["type"]:
        case "value_error":
            text = str(entry["ctx"]["error"])
        case "missing":
            text = f"{name} is missing; give it"
        case "extra_forbidden":
            text = f"there is no option {name!r}"
        case _:
            text = f"{name}={entry['input']!r}: {entry['msg'][:1].lower()}{entry['msg'][1:]}"
    return Fault(pointer=pointer, detail=text)
