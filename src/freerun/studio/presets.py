"""What the controls of the page are: the parameters of a network, in groups, and presets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from freerun.demo import DESCENT
from freerun.errors import SettingError
from freerun.settings import Group, Kind, Settings

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "the tutorial": DESCENT,
    "15 units": {"hidden": 15},
    "echo state": {"hidden": 500, "cell": "leaky", "leak": 0.3, "spectral_radius": 0.9, "delays": 1},
}
"""What is set in each; all else is at its default."""

GROUPS: dict[Group, tuple[str, ...]] = {
    group: Settings.named(group=group) for group in get_args(Group) if group != "Computing"
}
"""The parameters that have a control, in the order of the page."""


@dataclass(frozen=True)
class Control:
    """What a control needs to know.

    Attributes:
        name: of the parameter.
        kind: how a value is entered.
        default: None where it is chosen by the fit.
        options: of a choice.
        whole: whether a number has no fraction.
        help: one sentence.
    """

    name: str
    kind: Kind
    default: Any
    options: tuple[Any, ...]
    whole: bool
    help: str


def control(name: str) -> Control:
    """The control of a parameter, by its type."""
    field, kind = Settings.model_fields[name], Settings.kind_of(name)
    options = Settings.choices_of(name) if kind == "choice" else ()
    whole = int in (field.annotation, *get_args(field.annotation))
    return Control(name, kind, field.default, options, whole, str(field.description))


def settings_of(entries: dict[str, Any]) -> dict[str, Any]:
    """The parameters that entries of the controls come to, those at their default left out.

    Raises:
        SettingError: one cannot be used; the message names it.
    """
    given: dict[str, Any] = {}
    for name, entry in entries.items():
        what = control(name)
        if entry is None or entry in ("", what.default):
            continue
        given[name] = int(entry) if what.kind == "number" and what.whole and float(entry).is_integer() else entry
    try:
        checked = Settings.checked(**given)
    except (ValueError, OverflowError) as error:
        raise SettingError(str(error)) from error
    return {name: getattr(checked, name) for name in given}
