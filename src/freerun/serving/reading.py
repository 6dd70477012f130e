"""Read a request from its query and its body, and the series in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from pydantic_core import from_json

from freerun.data.io import csv
from freerun.data.io.source import Source
from freerun.data.rows import ReadOptions
from freerun.data.series import Series
from freerun.data.table import Table
from freerun.files.writing import JSON, JSONValue
from freerun.forecasting.model import Model
from freerun.serving.messages import HORIZON, Reading, Request
from freerun.serving.negotiation import Format
from freerun.serving.problems import Refusal

Kind = TypeVar("Kind", bound=Request)

TABLES = ("series", "inputs")
"""Fields of requests that hold tables. They cannot stand in the query."""


def read_request(
    kind: type[Kind], query: Sequence[tuple[str, str]], body: bytes, form: Format | None, most_steps: int
) -> Kind:
    """Read a request.

    Args:
        kind: type of the request.
        query: options in the address.
        body: JSON with all fields, or CSV, which is the series.
        form: the format of the body; None without a body.
        most_steps: largest number of steps that may be asked for.

    Raises:
        Refusal: the body is not JSON, or an option is given twice.
        ValidationError: an option is missing, unknown or out of range.
        SeriesError: the CSV is not a table.
    """
    given: dict[str, object] = {}
    if form == "json":
        given = _parse_object(body)
    elif form == "csv":
        given = {"series": csv.read(Source("series", ".csv", None, body))}
    options = _parse_query(_fields_of(kind), query)
    twice = sorted(set(given) & set(options))
    if twice:
        raise Refusal(400, f"{twice[0]} stands in the query and in the body; give it once.")
    return kind.model_validate(given | options, context={HORIZON: most_steps})


def read_series(request: Reading, table: Table, model: Model) -> Series:
    """Convert a table of a request to a series for a model.
    External inputs of the model are found by name.

    Raises:
        SeriesError: the table holds no such series.
        SettingError: an option has an unknown value.
    """
    inputs = [name for name in model.recent.input_names if name in table.columns]
    columns = request.columns or []
    chosen = (*columns, *(name for name in inputs if name not in columns)) if columns else ()
    given = {name: getattr(request, name) for name in Reading.model_fields if name != "columns"}
    return Series.from_options(table, ReadOptions.checked(chosen, **given), inputs)


def _parse_object(body: bytes) -> JSON:
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"The body is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Refusal(422, "The body is not an object; give one with the options by name.")
    return found


@cache
def _fields_of(kind: type[Request]) -> JSON:
    """Return the JSON schemas of the fields of a request. They are cached:
    pydantic makes them slowly."""
    return kind.model_json_schema()["properties"]


def _parse_query(fields: JSON, query: Sequence[tuple[str, str]]) -> JSON:
    """Convert the options of a query to values of JSON."""
    texts: dict[str, list[str]] = {}
    for name, text in query:
        if name in TABLES:
            raise Refusal(422, f"{name} is a table; give it in the body.")
        texts.setdefault(name, []).append(text)
    return {name: _convert(fields.get(name, {}), given) for name, given in texts.items()}


def _convert(schema: JSON, texts: list[str]) -> JSONValue:
    """Convert the texts of an option to the type in its JSON schema. Invalid ones stay text,
    to be refused later."""
    kinds = [schema, *schema.get("anyOf", [])]
    listed = next((kind for kind in kinds if kind.get("type") == "array"), None)
    if listed is not None:
        items = listed["items"]
        split = texts if items["type"] == "string" else [part for text in texts for part in text.split(",")]
        return [_convert(items, [text]) for text in split]
    if len(texts) > 1:
        return texts
    match next((kind["type"] for kind in kinds if "type" in kind), "string"):
        case "boolean":
            return {"true": True, "false": False}.get(texts[0], texts[0])
        case "integer":
            return _parse_number(int, texts[0])
        case "number":
            return _parse_number(float, texts[0])
    return texts[0]


def _parse_number(kind: type[int] | type[float], text: str) -> int | float | str:
    try:
        return kind(text)
    except ValueError:
        return text
