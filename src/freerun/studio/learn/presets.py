"""Controls and presets: the parameters of a network in groups, described their controls need,
and checking entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from freerun.demo import DESCENT
from freerun.errors import SettingError
from freerun.settings import Group, Kind, Settings, Value

PRESETS: dict[str, dict[str, Value]] = {
    "default": {},
    "the tutorial": DESCENT,
    "15 units": {"hidden": 15},
    "echo state": {"hidden": 500, "cell": "leaky", "leak": 0.3, "spectral_radius": 0.9, "delays": 1},
}
"""Parameters of each preset; all others have their defaults."""

GROUPS: dict[Group, tuple[str, ...]] = {
    group: tuple(name for name in Settings.named(group=group) if Settings.kind_of(name) != "function")
    for group in get_args(Group)
    if group != "Computing"
}
"""Parameters with a control, by group, in the order of the page; a page imports no functions."""


@dataclass(frozen=True)
class Control:
    """The description of a control.

    Attributes:
        name: name of the parameter.
        kind: kind of entry.
        default: default value; None if the fit chooses it.
        options: values to choose from, for a choice.
        whole: whether a number must be an integer.
        help: one sentence of help.
    """

    name: str
    kind: Kind
    default: Value
    options: tuple[Value, ...]
    whole: bool
    help: str


def control(name: str) -> Control:
    """Describe the control of a parameter."""
    field, kind = Settings.model_fields[name], Settings.kind_of(name)
    options = Settings.choices_of(name) if kind == "choice" else ()
    whole = int in (field.annotation, *get_args(field.annotation))
    return Control(name, kind, field.default, options, whole, str(field.description))


def settings_of(entries: dict[str, Value]) -> dict[str, Value]:
    """Convert the entries of the controls to parameters, without those at their defaults.

    Args:
        entries: the value of each control, by parameter.

    Raises:
        SettingError: a value is invalid; the message names the parameter.
    """
    given: dict[str, Value] = {}
    for name, entry in entries.items():
        described = control(name)
        if entry is None or entry in ("", described.default):
            continue
        given[name] = (
            int(entry) if described.kind == "number" and described.whole and float(entry).is_integer() else entry
        )
    try:
        checked = Settings.checked(**given)
    except (ValueError, OverflowError) as error:
        raise SettingError(str(error)) from error
    return {name: getattr(checked, name) for name in given}
