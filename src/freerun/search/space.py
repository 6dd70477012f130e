"""Search spaces: their dimensions, and the settings that belong to a proposal.

A proposal is a dict of values by name: parameters of `Settings`, and `spacing`,
the number of steps between two delays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freerun.data.profile import Profile
from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.plan import settled
from freerun.selection.candidates import candidates_of
from freerun.selection.policies import FORECAST, differences_of
from freerun.settings import GRADIENT_METHODS, Settings, Value

if TYPE_CHECKING:
    import optuna

SEEDS = 4
"""Number of seeds in the default space, from the given seed on."""

STEP = 0.1
"""Standard deviation of a local move, as a share of the range of the dimension."""

CHANGED = 0.4
"""Probability that a local move changes a value."""

MOST_FIRST = 24
"""Most initial proposals from the grid of `freerun fit`; a longer grid is thinned evenly."""

FIRST = ("optimizer", "forcing", "cell", "initial", "delays")
"""Dimensions that are proposed first. Their values decide which others have an effect."""


@dataclass(frozen=True)
class Range:
    """A range of numbers.

    Attributes:
        low: smallest value.
        high: largest value. If both bounds are integers, the range holds integers alone.
        log: whether values are distributed evenly on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: Value) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"

    def move(self, value: float, rng: np.random.Generator) -> float:
        """Draw a value near another one, from a normal distribution clipped to the range;
        see `STEP`."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        moved = np.clip(at + STEP * (high - low) * rng.normal(), low, high)
        drawn = float(np.clip(math.exp(moved) if self.log else moved, self.low, self.high))
        return round(drawn) if self.whole else drawn

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Propose a value for a trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Among:
    """A choice among values.

    Attributes:
        values: numbers, names, or lists as text (`0,1,2`).
    """

    values: tuple[Value, ...]

    def __contains__(self, value: Value) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return " ".join(map(str, self.values))

    def move(self, value: Value, rng: np.random.Generator) -> Value:
        """Draw any of the values, whatever `value` is: they have no order."""
        del value
        return self.values[rng.integers(len(self.values))]

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Propose a value for a trial."""
        return trial.suggest_categorical(name, list(self.values))


Dimension = Range | Among


def parse_dimension(option: str) -> tuple[str, Dimension]:
    """Parse a dimension, `learning_rate=1e-4..1e-1` or `cell=gru,lstm`.

    A range that spans a factor of ten or more is logarithmic.

    Returns:
        The name and the dimension.

    Raises:
        SettingError: it has neither form.
    """
    name, equals, text = option.partition("=")
    example = "give a range, learning_rate=1e-4..1e-1, or values, cell=gru,lstm"
    if not equals or not text:
        raise SettingError(f"--try {option}: {example}")
    if ".." not in text:
        return name, Among(tuple(_parse_number(part) for part in text.split(",")))
    low, high = (_parse_number(part) for part in text.split("..", 1))
    if isinstance(low, str) or isinstance(high, str) or not low < high:
        raise SettingError(f"--try {option}: the bounds of a range are two numbers, the smaller one first; {example}")
    return name, Range(low, high, log=low > 0 and high >= 10 * low)


def _parse_number(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@dataclass(frozen=True)
class Space:
    """The search space for a training series.

    Attributes:
        given: settings that stay fixed, including the optimizer unless it is a dimension.
        dimensions: by name, in the order in which values are proposed.
        steps: length of the longest training series.
    """

    given: Settings
    dimensions: dict[str, Dimension]
    steps: int

    @classmethod
    def of(cls, given: Settings, training: Sequence[Series], wanted: Mapping[str, Dimension]) -> Space:
        """Build the default space for parameters that are not given, and add or replace dimensions.

        Args:
            given: settings that stay fixed.
            training: the training series.
            wanted: dimensions to add or replace, by name.

        Raises:
            SettingError: a dimension is no parameter, is fixed as well,
                or has a value out of range.
        """
        steps = max(map(len, training))
        for name, dimension in wanted.items():
            _check_dimension(given, name, dimension)
        methods = [given.method]
        if isinstance(optimizers := wanted.get("optimizer"), Among):
            methods = list(optimizers.values)
        usual: dict[str, Dimension] = {}
        for method in methods:
            with_method = given.with_(optimizer=method)
            usual = _default_dimensions(with_method, training) | usual
        free = {n: d for n, d in usual.items() if n in ("seed", "spacing") or getattr(given, n) is None}
        if given.delays is not None or isinstance(wanted.get("delays"), Among):
            free.pop("spacing", None)
        dimensions = free | dict(wanted)
        ordered = [*(n for n in FIRST if n in dimensions), *(n for n in dimensions if n not in FIRST)]
        method = None if "optimizer" in dimensions else given.method
        return cls(given.with_(optimizer=method), {name: dimensions[name] for name in ordered}, steps)

    def suggest(self, trial: optuna.Trial) -> dict[str, Value]:
        """Propose a value for each dimension that has an effect, given the values before it."""
        proposal: dict[str, Value] = {}
        for name, dimension in self.dimensions.items():
            if self._has_effect(name, proposal):
                proposal[name] = dimension.suggest(trial, name)
        return proposal

    def move(self, proposal: Mapping[str, Value], names: Iterable[str], rng: np.random.Generator) -> dict[str, Value]:
        """Draw a proposal near another: each named value is moved with probability `CHANGED`."""
        changed = {name for name in names if rng.random() < CHANGED}
        return {n: self.dimensions[n].move(v, rng) if n in changed else v for n, v in proposal.items()}

    def to_settings(self, proposal: Mapping[str, Value]) -> Settings:
        """Turn a proposal into complete settings.

        Only the penalty of a solved readout stays None, unless it is proposed:
        it is chosen when the trial is scored.
        """
        values = {name: value for name, value in proposal.items() if name != "spacing"}
        spacing = proposal.get("spacing", 1)
        count = values.get("delays", self.given.delays)
        if isinstance(count, int):
            fitting = max(1, min(count, (max(1, self.steps // 4) - 1) // spacing + 1))
            values["delays"] = tuple(range(0, fitting * spacing, spacing))
        if "seed" in values:
            values["seed"] += self.given.seed
        settings = settled(self.given.with_(**values, restarts=1, members=1), self.steps)
        return settings.with_(l2=values.get("l2", self.given.l2)) if settings.method == "ridge" else settings

    def first_proposals(self, training: Sequence[Series]) -> list[dict[str, Value]]:
        """Return the candidates of `freerun fit` that lie in this space,
        at most `MOST_FIRST` of them.

        There are none unless the readout is solved.
        """
        if self.given.method != "ridge" or "optimizer" in self.dimensions:
            return []
        proposals: dict[tuple[Value, ...], dict[str, Value]] = {}
        for candidate in candidates_of(
            self.given.with_(restarts=1, members=1), FORECAST, Profile.of(training, self.given)
        ):
            lags = candidate.lags
            values = {name: getattr(candidate, name) for name in self.dimensions if name not in ("spacing", "delays")}
            values |= {"delays": len(lags), "spacing": lags[1] if len(lags) > 1 else 1, "seed": 0}
            values["difference"] = _format_lags(candidate.differences)
            proposal = {n: v for n, v in values.items() if n in self.dimensions and v is not None}
            if all(value in self.dimensions[name] for name, value in proposal.items()):
                proposals[tuple(proposal.items())] = proposal
        unique = list(proposals.values())
        return unique[:: math.ceil(len(unique) / MOST_FIRST)] if unique else []

    def program_values(self, proposal: Mapping[str, Value]) -> dict[str, Value]:
        """Return the part of a proposal that decides which program is compiled."""
        shared = {"spacing", *Settings.named(varies_in_program=False)}
        return {name: value for name, value in proposal.items() if name in shared}

    def describe(self) -> dict[str, str]:
        """Return the dimensions as text. A study keeps it,
        and refuses a search in another space."""
        return {name: str(dimension) for name, dimension in self.dimensions.items()}

    def _has_effect(self, name: str, proposal: Mapping[str, Value]) -> bool:
        """Whether a dimension has an effect, given the values that were proposed before it."""
        values = {n: v for n, v in proposal.items() if n not in ("spacing", "delays")}
        if name == "spacing":
            return proposal.get("delays", 1) != 1
        if name == "delays" and isinstance(self.dimensions[name], Range) and self.given.method == "ridge":
            return proposal.get("cell", self.given.cell) == "memoryless"
        return self.given.with_(**values).has_effect(name)


def _check_dimension(given: Settings, name: str, dimension: Dimension) -> None:
    """Check that a dimension can be searched.

    Raises:
        SettingError: it is no searchable parameter, a value is out of range,
            or the parameter is fixed as well.
    """
    if name in Settings.named(searchable=False):
        raise SettingError(f"--try {name}: this parameter cannot be searched; fix it with --set {name}=...")
    if name == "spacing":
        return
    for value in dimension.values if isinstance(dimension, Among) else (dimension.low, dimension.high):
        Settings.require_range(name, value)
    if getattr(given, name) != Settings.model_fields[name].default:
        raise SettingError(f"--try {name}: it is fixed to {getattr(given, name)} as well; give only one of them")


def _default_dimensions(given: Settings, training: Sequence[Series]) -> dict[str, Dimension]:
    """Return the default dimensions for the optimizer of `given`."""
    steps = max(map(len, training))
    longest = max(2, min(64, steps // 4))
    gradient = given.method in GRADIENT_METHODS
    usual: dict[str, Dimension]
    if given.method == "ridge":
        usual = {
            "cell": Among(("memoryless", "leaky")),
            "delays": Range(2, longest, log=True),
            "spacing": Range(1, 8),
            "input_scale": Range(0.05, 10.0, log=True),
            "leak": Range(0.05, 0.95),
            "spectral_radius": Range(0.2, 1.4),
            "input_noise": Among((0.0, 1e-3, 3e-3, 1e-2)),
        }
    else:
        usual = {
            "cell": Among(("simple", "leaky", "gru", "lstm") if gradient else ("memoryless", "simple", "gru")),
            "delays": Range(1, min(32, longest), log=True),
            "hidden": Range(8, 128, log=True) if gradient else Range(5, 40, log=True),
            "initial": Among(("glorot", "orthogonal", "reservoir")),
            "l2": Range(1e-10, 1e-3, log=True),
        }
    if gradient:
        usual |= {
            "learning_rate": Range(1e-3, 1e-1, log=True),
            "weight_noise": Among((0.0, 1e-3, 1e-2)),
            "input_noise": Among((0.0, 1e-3, 1e-2)),
        }
    differences = differences_of(Profile.of(training, given))
    if len(differences) > 1:
        usual["difference"] = Among(tuple(map(_format_lags, differences)))
    return usual | {"seed": Among(tuple(range(SEEDS)))}


def _format_lags(lags: Sequence[int]) -> str:
    """Format lags of differences as on the command line."""
    return ",".join(map(str, lags)) or "0"
