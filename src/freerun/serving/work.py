"""Compute the answer to a request, in a process of the pool.

A process keeps the models that it was sent. A job holds the model
only if the process does not have it yet.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from freerun.errors import FreerunError, SeriesWarning
from freerun.forecasting.model import Model
from freerun.serving.negotiation import MEDIA_TYPES, Format
from freerun.serving.operations import OPERATIONS, Outcome, to_message
from freerun.serving.problems import MEDIA_TYPE, Refusal, refusal_of
from freerun.serving.reading import read_request

WARNING = "Freerun-Warning"
"""Header of an answer in CSV with the warnings about the data.
An answer in JSON has them in its body."""

INTERNAL = "This is a fault of freerun. The log of the service has its traceback."
"""Detail of an answer to a request that failed by a fault of freerun."""


@dataclass(frozen=True)
class Job:
    """A request to a model.

    Attributes:
        operation: key of `OPERATIONS`.
        name: name of the model.
        query: options in the address.
        body: the body as it came.
        body_format: its format; None without a body.
        answer_format: format of the answer.
        most_steps: largest number of steps that may be asked for.
        model: the model, if the process does not have it as it is now.
    """

    operation: str
    name: str
    query: Sequence[tuple[str, str]]
    body: bytes
    body_format: Format | None
    answer_format: Format
    most_steps: int
    model: Model | None = None


@dataclass(frozen=True)
class Answer:
    """An answer to a request.

    Attributes:
        status: status code.
        media_type: of the body.
        body: empty after an update, whose answer depends on where the model is kept.
        headers: further headers.
        warnings: warnings about the data.
        model: the updated model; None if the model stays as it was.
        bug: traceback of a fault of freerun; None if there was none.
    """

    status: int
    media_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    model: Model | None = None
    bug: str | None = None


_models: dict[str, Model] = {}
"""The newest model that this process was sent, by name."""


def prepare(search_path: Sequence[str]) -> None:
    """Prepare a process of the pool: import the modules that operations need.

    Args:
        search_path: folders in which functions of known models are found.
    """
    import scipy.special  # noqa: F401 - intervals need it, and the first request should not wait for it

    sys.path += [folder for folder in search_path if folder not in sys.path]


def perform(job: Job) -> Answer:
    """Answer a request. All errors become answers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = _perform(job)
            said = tuple(str(entry.message) for entry in caught if issubclass(entry.category, SeriesWarning))
            return _to_answer(job, outcome, said)
        except Refusal as refusal:
            return _refuse(refusal)
        except (FreerunError, ValidationError, MemoryError) as error:
            return _refuse(refusal_of(error))
        except Exception:  # the process goes on
            return _refuse(Refusal(500, INTERNAL), traceback.format_exc())


def _refuse(refusal: Refusal, bug: str | None = None) -> Answer:
    """Make the answer of a refusal."""
    return Answer(refusal.status, MEDIA_TYPE, refusal.body, refusal.headers, bug=bug)


def _perform(job: Job) -> Outcome:
    if job.model is not None:
        _models[job.name] = job.model
    operation = OPERATIONS[job.operation]
    request = read_request(operation.request, job.query, job.body, job.body_format, job.most_steps)
    return operation.perform(_models[job.name], request)


def _to_answer(job: Job, outcome: Outcome, said: tuple[str, ...]) -> Answer:
    media_type = MEDIA_TYPES[job.answer_format]
    if outcome.model is not None:
        return Answer(200, media_type, b"", warnings=said, model=outcome.model)
    assert outcome.table is not None
    if job.answer_format == "csv":
        text = outcome.table.to_csv(index_label="time", lineterminator="\n")
        headers = {WARNING: "; ".join(map(_escape, said))} if said else {}
        return Answer(200, f"{media_type}; charset=utf-8", text.encode(), headers)
    return Answer(200, media_type, to_message(outcome, list(said)).model_dump_json().encode())


def _escape(text: str) -> str:
    """Escape a text for a header: characters other than printable ASCII become their numbers."""
    return text.encode("unicode_escape").decode("ascii")
