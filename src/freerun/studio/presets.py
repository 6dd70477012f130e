"""What the controls of the page are: the parameters of a network, in groups, and presets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from freerun.demo import DESCENT
from freerun.errors import SettingError
from freerun.settings import Settings

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "the tutorial": DESCENT,
    "15 units": {"hidden": 15},
    "echo state": {"hidden": 500, "cell": "leaky", "leak": 0.3, "spectral_radius": 0.9, "delays": 1},
}
"""What is set in each; all else is at its default."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Network": ("hidden", "cell", "nonlinearity", "delays", "direct", "layers"),
    "Initial weights": ("initial", "spectral_radius", "input_scale", "leak", "seed"),
    "Training": ("optimizer", "epochs", "learning_rate", "schedule", "window", "washout"),
    "Penalties and noise": ("l1", "l2", "weight_noise", "input_noise"),
    "Forcing": ("forcing", "forcing_strength", "forcing_interval", "segment_lengths"),
    "Choice": ("restarts", "members", "holdout", "difference", "detrend", "log"),
}
"""The parameters that have a control, in the order of the page."""


@dataclass(frozen=True)
class Control:
    """What a control needs to know.

    Attributes:
        name: of the parameter.
        kind: `choice`, `switch`, `number` or `text` (one value or several with commas).
        default: None where it is chosen by the fit.
        options: of a choice.
        whole: whether a number has no fraction.
        help: one sentence.
    """

    name: str
    kind: Literal["choice", "switch", "number", "text"]
    default: Any
    options: tuple[Any, ...]
    whole: bool
    help: str


def control(name: str) -> Control:
    """The control of a parameter, by its type."""
    field = Settings.model_fields[name]
    kinds = [k for k in (get_args(field.annotation) or (field.annotation,)) if k is not type(None)]
    options: tuple[Any, ...] = ()
    if field.annotation is bool:
        kind = "switch"
    elif get_origin(field.annotation) is Literal:
        kind, options = "choice", tuple(kinds)
    elif len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        kind, options = "choice", get_args(kinds[0])
    elif all(k in (int, float) for k in kinds):
        kind = "number"
    else:
        kind = "text"
    return Control(name, kind, field.default, options, kinds == [int], str(field.description))


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
