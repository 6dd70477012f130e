"""Describe models in words: the kind of network, what it reads, and the criterion that chose it."""

from __future__ import annotations

from freerun.forecasting.model import Model
from freerun.selection.policies import AUTO, WHY

SHOWN_LAGS = 6
"""Most lags of a window that are listed."""


def counted(count: int, name: str) -> str:
    """Format a number with its noun: `1 month`, `12 months`."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def to_sentence(text: str) -> str:
    """Turn the text of a message into a sentence."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "?")) else ".")


def network_in_words(model: Model) -> str:
    """Describe the best network of a model: its kind, its size and what it reads."""
    best = model.best
    settings, units = best.settings, best.plan.shape.hidden
    if settings.cell == "smoothing":
        season = f"seasons of {', '.join(map(str, settings.seasons))} steps" if settings.seasons else "no season"
        return f"{units} exponential smoothers, {season}"
    lags = ", ".join(map(str, settings.lags))
    if len(settings.lags) > SHOWN_LAGS:
        lags = f"{settings.lags[0]}, {settings.lags[1]}, ..., {settings.lags[-1]}"
    kind = "monomial" if settings.cell == "polynomial" else "hidden unit"
    return f"{settings.cell}, {counted(units, kind)}, reads lags {lags}"


def why_chosen(model: Model) -> str | None:
    """Name the criterion by which the networks of a model were chosen;
    None if there was no choice."""
    settings = model.best.settings
    if settings.cell == "smoothing":
        return "exponential smoothing; networks take its place where they are better beyond chance"
    if settings.select not in WHY:
        return None
    return WHY[settings.select] + (f" ({AUTO[settings.select]})" if model.settings.select == "auto" else "")
