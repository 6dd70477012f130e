"""Fields of requests and answers, as pydantic models.

The functions that check the arguments of `freerun.RNN` check the values.
Messages are therefore the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from freerun.arguments import LARGEST, one_of, percentages, share, whole_number
from freerun.data.io.json import to_table
from freerun.data.numerals import Decimals
from freerun.data.table import Table
from freerun.errors import SeriesError, SettingError
from freerun.settings import Ensemble, Missing

MOST_LEVELS = 10
"""Most levels of intervals that a request may ask for. Each takes time."""

HORIZON = "horizon"
"""Key of the context of a validation: the largest number of steps that may be asked for."""

_CELL = {"type": ["number", "string", "boolean", "null"]}
_TABLE = {
    "anyOf": [
        {"type": "array", "items": {"type": "object", "additionalProperties": _CELL}, "minItems": 1},
        {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1},
        {
            "type": "object",
            "additionalProperties": {"anyOf": [_CELL, {"type": "array", "items": _CELL, "minItems": 1}]},
            "minProperties": 1,
        },
    ]
}
"""JSON schema of a table: one object for each row, the numbers of one channel,
or one list for each column."""


def _check_table(value: Any, info: ValidationInfo) -> Table:
    if isinstance(value, Table):  # read from CSV
        return value
    if not isinstance(value, list | dict):
        raise SeriesError(f"{info.field_name}: give a list of objects, one for each row, or an object of columns")
    return to_table(value, info.field_name or "")


def _check_steps(value: Any, info: ValidationInfo) -> int:
    return whole_number(info.field_name or "", value, 1, (info.context or {}).get(HORIZON, LARGEST))


def _check_levels(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise SettingError(f"levels={value!r}: give a list of percentages, such as [80, 95]")
    if len(value) > MOST_LEVELS:
        raise SettingError(f"levels: {len(value)} are given; give {MOST_LEVELS} at most")
    return percentages("levels", value)


def _one_of(*choices: str | None) -> PlainValidator:
    """Make a validator: a value is one of several words, or None if that is a choice."""

    def check(value: Any, info: ValidationInfo) -> Any:
        words = [choice for choice in choices if choice is not None]
        return None if value is None and None in choices else one_of(info.field_name or "", value, words)

    return PlainValidator(check)


if TYPE_CHECKING:
    SeriesTable = Table
else:  # as a dataclass, pydantic would validate its fields
    SeriesTable = Annotated[Any, PlainValidator(_check_table), WithJsonSchema(_TABLE)]
Steps = Annotated[int, PlainValidator(_check_steps), WithJsonSchema({"type": "integer", "minimum": 1})]
Levels = Annotated[
    tuple[float, ...],
    PlainValidator(_check_levels),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number", "minimum": 1, "exclusiveMaximum": 100},
            "maxItems": MOST_LEVELS,
            "uniqueItems": True,
        }
    ),
]
Share = Annotated[
    float,
    PlainValidator(lambda value, info: share(info.field_name or "", value)),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]

EnsembleChoice = Annotated[
    Ensemble, _one_of(*get_args(Ensemble)), WithJsonSchema({"type": "string", "enum": list(get_args(Ensemble))})
]
MissingChoice = Annotated[
    Missing, _one_of(*get_args(Missing)), WithJsonSchema({"type": "string", "enum": list(get_args(Missing))})
]
DecimalChoice = Annotated[
    Decimals | None,
    _one_of(*get_args(Decimals), None),
    WithJsonSchema({"enum": [*get_args(Decimals), None]}),
]


class Request(BaseModel):
    """A request. Values of other types are refused, not converted, and so are unknown names."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)


class Reading(Request):
    """How the columns of a series are read, as by the options of `freerun predict`."""

    columns: list[str] | None = Field(None, description="Columns that are channels; all columns of numbers if null.")
    time: str | None = Field(
        None, description="Column of the times. If null: a column of dates, or a first column named time, date, ..."
    )
    id: str | None = Field(
        None, description="Of a table of several series in long format, the one to read: `column=name`."
    )
    zone: str | None = Field(None, description="Time zone of local times without an offset, such as Europe/Berlin.")
    decimal: DecimalChoice = Field(None, description="Decimal sign of numbers in text, if ambiguous.")
    missing: MissingChoice = Field(
        "mask",
        description="Missing values: the network reads its own output there (mask), or they are interpolated linearly, "
        "or refused (error).",
    )
    resample: str | None = Field(
        None, description="Average over steps of this length: D, h, MS, ... for dates, or a number."
    )

    def given_options(self) -> list[str]:
        """Return the names of the options of a series that were given."""
        return sorted(set(Reading.model_fields) & self.model_fields_set)


class Start(Reading):
    """Where a run begins: after the steps that the model has read, or after those of a series."""

    series: SeriesTable | None = Field(
        None,
        description="The recent past, as a table: one object for each row, one list for each column, or the numbers "
        "of one channel; null is a missing value. The run continues this series. If null, it continues the steps that "
        "the model has read. Columns named like external inputs of the model are external inputs; last rows in which "
        "only these have values are future steps.",
    )
    append: bool = Field(
        False,
        description="The rows of `series` follow the steps that the model has read, and may overlap with them. The "
        "model on the server does not change. If false, the network reads `series` alone, from the zero state.",
    )
    inputs: SeriesTable | None = Field(
        None,
        description="External inputs of the steps to come, one row for each, if the model reads any and `series` does "
        "not have them.",
    )

    @model_validator(mode="after")
    def _require_series(self) -> Start:
        named = ["append"] if self.append else self.given_options()
        if self.series is None and named:
            raise SettingError(f"{named[0]} has no effect without series; give rows, or leave it out")
        return self


class ForecastRequest(Start):
    """What to forecast."""

    horizon: Steps = Field(description="Number of steps to forecast.")
    levels: Levels = Field((), description="Levels of prediction intervals, in percent.", examples=[[80, 95]])


class GenerateRequest(Start):
    """What to generate."""

    steps: Steps = Field(description="Number of steps to generate.")
    ensemble: EnsembleChoice = Field(
        "best", description="The free run of the best network, or all runs combined at each step."
    )


class PredictRequest(Reading):
    """What to predict."""

    series: SeriesTable = Field(description="The series to predict, as a table.")


class UpdateRequest(Reading):
    """What a model reads from now on."""

    series: SeriesTable = Field(
        description="The steps that follow those read before, as a table. They may overlap with steps that were read."
    )
    learn: bool = Field(
        False, description="Whether the readouts learn from these steps; the model was fitted with online=True."
    )
    forgetting: Share = Field(
        1.0, description="With `learn`: factor by which the weight of a step falls with each step that follows."
    )


class Run(BaseModel):
    """Steps with their times."""

    times: list[str | float] = Field(description="The time of each step: ISO 8601, or a number.")
    values: dict[str, list[float | None]] = Field(description="The values of the steps, by channel.")
    warnings: list[str] = Field(description="What looked odd in the data, and how it was read.")


class Interval(BaseModel):
    """The bounds of prediction intervals of one level."""

    level: float = Field(description="Level in percent.")
    low: dict[str, list[float | None]] = Field(description="Lower bounds, by channel.")
    high: dict[str, list[float | None]] = Field(description="Upper bounds, by channel.")


class Forecast(Run):
    """A point forecast with its intervals."""

    intervals: list[Interval] = Field(description="One entry for each level.")


class ModelSummary(BaseModel):
    """A model, and how far it has read."""

    name: str = Field(description="The name of its file without the suffix.")
    channels: list[str]
    inputs: list[str] = Field(description="External inputs that it reads.")
    step: str = Field(description="Time between two steps.")
    read_to: str = Field(description="Time of the last step that it has read.")
    next: str = Field(description="Time of the next step, which forecasts begin with.")


class Models(BaseModel):
    """The models of the service."""

    models: list[ModelSummary]


class ModelInfo(ModelSummary):
    """What a model is."""

    network: str = Field(description="The best network, in words.")
    chosen_by: str | None = Field(description="By what it was chosen; null where it was not.")
    members: int = Field(description="Number of networks.")
    weights: int = Field(description="Number of weights of the best network.")
    trained_on: int = Field(description="Number of training series.")
    shortest: int = Field(description="Fewest steps of a `series` that the networks can start from.")
    learns: bool = Field(description="Whether an update can learn (`learn`).")
    updates: int = Field(description="Number of updates since the service started.")
    settings: dict[str, Any] = Field(description="The settings of the best network, without those that are null.")


class Updated(ModelSummary):
    """How far a model has read after an update."""

    updates: int = Field(description="Number of updates since the service started.")
    kept: str = Field(description="Where the updated model is kept: `memory`, or `file` if the service keeps models.")
    warnings: list[str] = Field(description="What looked odd in the data, and how it was read.")


class Health(BaseModel):
    """Whether the service works."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="Version of freerun.")
    models: int = Field(description="Number of models.")
    computing: int = Field(description="Requests that are computed now.")
    waiting: int = Field(description="Requests that wait for a process.")


class Fault(BaseModel):
    """What is wrong with one part of a request."""

    pointer: str = Field(description="JSON pointer to the part, in the body or in the query.")
    detail: str


class Problem(BaseModel):
    """Why a request was refused: problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The phrase of the status.")
    status: int
    detail: str = Field(description="What is wrong, where, and what to do.")
    errors: list[Fault] = Field([], description="Each part of the request that is wrong, if these are known.")
