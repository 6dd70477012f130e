"""Make the page of docs: the OpenAPI document for people to read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from freerun.files.writing import JSON
from freerun.reporting.page import Report
from freerun.serving.messages import Reading
from freerun.serving.openapi import REFUSALS

CSV = "-H 'Content-Type: text/csv' --data-binary"

EXAMPLES = {
    "models": "curl $SERVICE/models",
    "model": "curl $SERVICE/models/NAME",
    "forecast": f"""# the next 12 steps as CSV, with intervals
curl -H 'Accept: text/csv' "$SERVICE/models/NAME/forecast?horizon=12&levels=80,95"

# after new rows; the model on the server stays as it is
curl {CSV} @new.csv "$SERVICE/models/NAME/forecast?horizon=12&append=true"

# all in one JSON object
curl --json '{{"horizon": 12, "levels": [80], "series": {{"x": [1.5, 1.7, null, 2.1]}}}}' \\
  $SERVICE/models/NAME/forecast""",
    "generate": 'curl "$SERVICE/models/NAME/generate?steps=100"',
    "predict": f"curl {CSV} @series.csv $SERVICE/models/NAME/predict",
    "update": f"curl {CSV} @new.csv $SERVICE/models/NAME/update",
    "health": "curl $SERVICE/health",
}
"""Commands that show how to use an address, by the identifier of its operation."""


def make_manual(document: JSON) -> str:
    """Make a page from an OpenAPI document; it loads nothing from elsewhere.

    Returns:
        The page in HTML.
    """
    page = Report("The service freerun")
    page.text("Trained networks over HTTP: forecasts with intervals, free runs, and predictions.")
    page.text(document["info"]["description"])
    page.text("openapi.json, beside this page, is the same for programs (OpenAPI 3.1).")
    page.code("SERVICE=http://127.0.0.1:8766  # where this service is")
    if document["security"]:
        page.text("Each request needs the token in a header, but for this page, openapi.json and /health:")
        page.code('curl -H "Authorization: Bearer $FREERUN_TOKEN" $SERVICE/models')
    page.text(
        "Answers are JSON, or CSV where a request has the header Accept: text/csv. A body is JSON with all options; or "
        "CSV, which is the series, with the options in the query. Without a body, the options are in the query."
    )
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        _add_address(page, path, methods, schemas)
    page.heading("How tables are read")
    page.text(
        "A table is a list with one object for each row, an object with one list for each column, or a list with the "
        "numbers of one channel. Channels are matched by name. These options say how it is read:"
    )
    page.facts(_facts(schemas["PredictRequest"], schemas, Reading.model_fields))
    page.heading("Refusals")
    page.text(
        "A refusal has the media type application/problem+json (RFC 9457). Its detail says what is wrong, and what to "
        "do. errors has each option that is wrong, by its JSON pointer."
    )
    page.facts([(code, meaning.replace("`", "")) for code, meaning in REFUSALS.items()])
    return page.to_html()


def _add_address(page: Report, path: str, methods: JSON, schemas: JSON) -> None:
    """Add the section of an address."""
    offered = [name for name in ("get", "post") if name in methods]
    operation = methods[offered[-1]]
    page.heading(f"{' or '.join(name.upper() for name in offered)} {path}")
    page.text(f"{operation['summary']}.")
    if "description" in operation:
        page.text(operation["description"].replace("`", ""))
    page.code(EXAMPLES[operation["operationId"]])
    if "requestBody" in operation:
        schema = schemas[_name_in(operation["requestBody"]["content"]["application/json"]["schema"])]
        own = [name for name in schema["properties"] if name not in Reading.model_fields]
        page.text("Options, beside those that say how tables are read:")
        page.facts(_facts(schema, schemas, sorted(own, key=lambda name: name not in schema.get("required", []))))
    answer = schemas[_name_in(operation["responses"]["200"]["content"]["application/json"]["schema"])]
    page.text("The answer has:")
    page.facts([(name, _describe(field, schemas, None)) for name, field in answer["properties"].items()])


def _facts(schema: JSON, schemas: JSON, names: Iterable[str]) -> list[tuple[str, str]]:
    """List fields of a request with their descriptions."""
    required = schema.get("required", [])
    return [(name, _describe(schema["properties"][name], schemas, name in required)) for name in names]


def _describe(field: JSON, schemas: JSON, required: bool | None) -> str:
    """Describe a field in words: its meaning, its type and its default.

    Args:
        field: its JSON schema.
        schemas: all schemas by name.
        required: whether a request must have it; None for an answer, which has all fields.
    """
    text = field.get("description", "")
    nested = field.get("items", {})
    if "$ref" in nested and required is None:
        inside = schemas[_name_in(nested)]["properties"]
        text = " ".join(
            [text, *(f"{name}: {inner.get('description', _describe_type(inner))}" for name, inner in inside.items())]
        )
    kind = _describe_type(field)
    if required:
        kind += ", required"
    elif field.get("default") is not None:
        kind += f", default {json.dumps(field['default'])}"
    return f"{text} ({kind})".replace("`", "") if text else kind


def _describe_type(schema: JSON) -> str:
    """Describe the type of a value in words."""
    if "enum" in schema:
        return " or ".join(json.dumps(word) for word in schema["enum"])
    if "$ref" in schema:
        return "object"
    kinds = schema.get("anyOf", [])
    if any("additionalProperties" in kind.get("items", {}) for kind in kinds):
        return "table"
    kind = schema.get("type", "any value")
    if kinds or isinstance(kind, list):
        return " or ".join([_describe_type(kind) for kind in kinds] or kind)
    if kind == "array":
        return f"list of {_describe_type(schema['items'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return f"{kind} from {low} to {high}" if low is not None and high is not None else kind


def _name_in(schema: Mapping[str, str]) -> str:
    return schema["$ref"].rpartition("/")[2]
