"""Make the OpenAPI document (version 3.1) from the messages and the operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from freerun._version import __version__
from freerun.files.writing import JSON
from freerun.serving.messages import Health, ModelInfo, Models, Problem, Request
from freerun.serving.negotiation import MEDIA_TYPES
from freerun.serving.operations import OPERATIONS, Operation
from freerun.serving.pool import Limits
from freerun.serving.problems import MEDIA_TYPE
from freerun.serving.reading import TABLES
from freerun.serving.work import WARNING

REFERENCE = "#/components/schemas/{model}"

REFUSALS = {
    "400": "The body is not JSON, or an option is given twice.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from a page of another site, or has an unknown host name.",
    "404": "There is no such model.",
    "406": "The answer has no format that the client accepts.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is neither JSON nor CSV.",
    "422": "An option is out of range, or the data cannot be used.",
    "429": "Too many requests are computed or wait. `Retry-After` says when to try again.",
    "503": "The computation took too long, or there is not enough memory.",
}
"""Meaning of each status code of a refusal."""

COMMON = ("401", "403", "406")
"""Status codes of refusals that every address except `/health` may give."""

NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "Name of the model.",
    "schema": {"type": "string", "minLength": 1},
}

STEPS = ("horizon", "steps")
"""Options whose largest value is a limit of the service."""


def make_document(limits: Limits, secured: bool) -> JSON:
    """Make the OpenAPI document of a service.

    Args:
        limits: limits of requests.
        secured: whether requests must have a token.
    """
    schemas = _schemas(limits)
    paths: JSON = {
        "/health": {"get": _describe_get("health", "Whether the service works", Health, ()) | {"security": []}},
        "/models": {"get": _describe_get("models", "The models of the service", Models, COMMON)},
        "/models/{name}": {
            "parameters": [NAME],
            "get": _describe_get("model", "What a model is", ModelInfo, (*COMMON, "404")),
        },
    }
    for name, operation in OPERATIONS.items():
        options = _options(schemas[operation.request.__name__])
        entry: JSON = {"parameters": [NAME], "post": _describe_post(name, operation, options)}
        if operation.reads_only:
            entry["get"] = _describe_query(name, operation, options, ("400", "404", "422", "429", "503"))
        paths[f"/models/{{name}}/{name}"] = entry
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "freerun",
            "version": __version__,
            "summary": "Forecasts and free runs of trained networks.",
            "description": "Refusals are problem details (RFC 9457) that say what is wrong, and what to do. "
            f"A request may ask for {limits.steps} steps at most, and its body may have {limits.body / 2**20:.4g} MiB. "
            f"It may take {limits.seconds:g} seconds.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}] if secured else [],
    }


def _schemas(limits: Limits) -> JSON:
    """Return the JSON schemas of all messages, with the limits of the service."""
    requests = [operation.request for operation in OPERATIONS.values()]
    answers = dict.fromkeys(operation.answer for operation in OPERATIONS.values())
    shown: list[Any] = [(kind, "validation") for kind in requests]
    shown += [(kind, "serialization") for kind in (*answers, Health, Models, ModelInfo, Problem)]
    _, definitions = models_json_schema(shown, ref_template=REFERENCE)
    schemas = definitions["$defs"]
    for kind in requests:
        for name in STEPS:
            if name in kind.model_fields:
                schemas[kind.__name__]["properties"][name]["maximum"] = limits.steps
    return schemas


def _options(schema: JSON) -> list[JSON]:
    """Return the fields of a request that may stand in the query, as parameters."""
    parameters = []
    for name, given in schema["properties"].items():
        if name not in TABLES:
            kept = {key: value for key, value in given.items() if key not in ("description", "title")}
            parameters.append(
                {
                    "name": name,
                    "in": "query",
                    "description": given.get("description", ""),
                    "schema": _without_null(kept),
                }
            )
    return parameters


def _without_null(schema: JSON) -> JSON:
    """Return the schema of an option in a query, where it cannot be null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"]
    bare = {key: value for key, value in schema.items() if key not in ("anyOf", "default") or value is not None}
    if kinds:
        del bare["anyOf"]
        bare |= kinds[0]
    if "enum" in bare:
        bare["enum"] = [word for word in bare["enum"] if word is not None]
    return bare


def _describe_get(name: str, summary: str, answer: type[BaseModel], refusals: Sequence[str]) -> JSON:
    content = {MEDIA_TYPES["json"]: {"schema": _reference(answer)}}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}} | _refusals(refusals),
    }


def _describe_query(name: str, operation: Operation, options: Sequence[JSON], refusals: Sequence[str]) -> JSON:
    """Describe an operation without a body. The query must give the options that are required."""
    content: JSON = {MEDIA_TYPES["json"]: {"schema": _reference(operation.answer)}}
    headers = {}
    if "csv" in operation.formats:
        content[MEDIA_TYPES["csv"]] = {"schema": {"type": "string"}}
        headers = {WARNING: {"description": "Warnings, of an answer in CSV.", "schema": {"type": "string"}}}
    required = {key for key, field in operation.request.model_fields.items() if field.is_required()}
    return {
        "operationId": f"{name}_by_query",
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [{**option, "required": option["name"] in required} for option in options],
        "responses": {"200": {"description": operation.answer.__doc__, "headers": headers, "content": content}}
        | _refusals(sorted({*COMMON, *refusals})),
    }


def _describe_post(name: str, operation: Operation, options: Sequence[JSON]) -> JSON:
    """Describe an operation with a body. The query may give options that the body does not have."""
    query = _describe_query(name, operation, options, [key for key in REFUSALS if key not in COMMON])
    body = {
        MEDIA_TYPES["json"]: {"schema": _reference(operation.request)},
        MEDIA_TYPES["csv"]: {"schema": {"type": "string", "description": "The series; the options are in the query."}},
    }
    parameters = [{**option, "required": False} for option in options]
    return query | {"operationId": name, "parameters": parameters, "requestBody": {"content": body}}


def _refusals(codes: Sequence[str]) -> JSON:
    content = {MEDIA_TYPE: {"schema": _reference(Problem)}}
    found: JSON = {code: {"description": REFUSALS[code], "content": content} for code in codes}
    if "429" in found:
        seconds = {"description": "Seconds.", "schema": {"type": "integer"}}
        found["429"] = found["429"] | {"headers": {"Retry-After": seconds}}
    return found


def _reference(kind: type[BaseModel] | type[Request]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=kind.__name__)}
