"""From the proposals of a policy to settings in which only the penalty is left to choose."""

from __future__ import annotations

from freerun.data.profile import NOISY, Profile
from freerun.errors import SettingError
from freerun.network import monomials
from freerun.network.cells import CELLS
from freerun.network.shape import Shape
from freerun.plan import DEGREE, MOST_UNITS, UNITS_PER_STEP, all_units, settled
from freerun.selection.policies import Policy, Proposal
from freerun.settings import Settings

FILLED_IN = (
    *("cell", "delays", "input_scale", "leak", "spectral_radius"),
    *("input_noise", "measurement_noise", "difference", "degree", "neighbours"),
)
"""The parameters that a policy may fill in, beside the units and the penalty."""

MOST_RECURRENT = 500
"""Most units of a recurrent reservoir, whose steps cost the square of them,
unless more are asked for."""

MOST_BEHIND = 100
"""Most units of a network that learns the states behind measurements,
whose readout is solved in many rounds."""


def filled_in(settings: Settings, candidate: Proposal, steps: int) -> Settings:
    """Fill a proposal into the settings. Values that are given are kept;
    only the penalty is left to choose.

    Values without effect, such as the leak of a cell that has none, are left out.
    """
    values = {name: value for name, value in candidate.items() if settings.is_left(name)}
    penalty = values.pop("l2", settings.l2)
    alone = settings.with_(**settings.effective(**values), optimizer="ridge", restarts=1, members=1)
    return settled(alone, steps).with_(l2=penalty)


def candidates_of(settings: Settings, policy: Policy, profile: Profile) -> list[Settings]:
    """The first proposals of a policy for a series, as settings.

    Raises:
        SettingError: it proposes nothing.
    """
    possible = [one for one in policy.candidates(profile) if _can_have_cell(settings, one)]
    found = list(dict.fromkeys(filled_in(settings, one, profile.steps) for one in possible))
    if not found:
        raise SettingError(f"the policy {policy.name!r} proposes nothing for a series of {profile.steps} steps")
    return [one for one in found if has_enough_rows(one, profile)] or found


def _can_have_cell(settings: Settings, candidate: Proposal) -> bool:
    """Whether all parameters that are given have an effect with the cell of a proposal,
    as hidden units may not."""
    cell = candidate.get("cell")
    if settings.cell is not None or cell is None:
        return True
    try:
        settings.with_(cell=cell, optimizer="ridge")
    except SettingError:
        return False
    return True


def has_enough_rows(settings: Settings, profile: Profile) -> bool:
    """Whether the series has enough steps for the monomials of a candidate; True for hidden units,
    and for fields."""
    if settings.cell != "polynomial" or settings.is_field:
        return True
    known = settings.model is not None
    window = Shape(profile.channels, 0, lags=settings.lags, inputs=profile.inputs, known=known).window
    found = monomials.count(window, settings.degree or DEGREE)
    return found <= min(UNITS_PER_STEP * profile.steps, MOST_UNITS)


def units_of(settings: Settings, candidate: Settings, steps: int) -> int:
    """Hidden units of a candidate: those given, or the default."""
    units = all_units(settings, steps)
    if settings.hidden is not None:
        return units
    if candidate.measured_noise:
        return min(MOST_BEHIND, units)
    return units if CELLS[candidate.cell or "simple"].memoryless else min(MOST_RECURRENT, units)


def can_smooth(settings: Settings, series: int) -> bool:
    """Whether smoothers may take the place of networks: one series, ridge,
    and no parameter of networks is set."""
    return leaves_networks_open(settings) and series == 1


def can_estimate(settings: Settings) -> bool:
    """Whether the settings leave open that networks learn the states behind noisy measurements."""
    if settings.measurement_noise is not None or settings.input_noise or settings.differences:
        return False
    return "measurement_noise" in settings.effective(cell=settings.cell or "memoryless", measurement_noise=NOISY)


def leaves_networks_open(settings: Settings) -> bool:
    """Whether readouts are solved by ridge regression, and no parameter of networks is set.

    `measurement_noise=0` says that no noise is to be taken out of the values, with any network.
    """
    of_networks = {*Settings.named(group="Network"), *Settings.named(group="Initial weights"), *FILLED_IN}
    names = of_networks - {"seed", "measurement_noise"} | {"l2", "members", "restarts"}
    left = all(getattr(settings, name) == Settings.model_fields[name].default for name in names)
    return left and not settings.measured_noise and settings.method == "ridge"


def is_open(settings: Settings) -> bool:
    """Whether free runs have anything to choose, for a readout solved by ridge regression."""
    names = "cell", "delays", "input_scale", "leak", "spectral_radius", "l2", "neighbours"
    left = any(settings.is_left(name) and settings.has_effect(name) for name in names)
    return left or max(settings.restarts or 1, settings.members or 1) > 1
