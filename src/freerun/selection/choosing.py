"""Choose the settings that the user left open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freerun.data.series import Series
from freerun.plan import default_units, settled
from freerun.selection.candidates import is_open
from freerun.selection.judge import Candidate
from freerun.selection.policies import ATTRACTOR, FORECAST, Policy, is_clean_sample, policy_for
from freerun.selection.profile import Profile
from freerun.selection.race import RaceStopped, race
from freerun.settings import Settings
from freerun.training.checkpoint import Checkpoint
from freerun.training.history import ProgressCallback

KEPT_BY_PROBE = {
    *("seed", "holdout", "nonlinearity", "standardize", "dtype", "device", "difference", "detrend", "log"),
}
"""Parameters that a network shares with the one that probes for its delays."""

MEMBERS = 5
"""Most networks that are kept by default: those that are no worse than the best beyond chance."""

CHANCE = 2.0
"""Chance, in standard errors of the mean difference between the free runs of two candidates."""

UNITS_OF_PROBE = 300
"""Most hidden units of networks that probe for delays."""


def choose(
    settings: Settings,
    training: Sequence[Series],
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
    policy: Policy | None = None,
) -> list[Candidate]:
    """Choose settings for series, the best first; a single candidate where nothing is left to choose.

    Networks that are trained by Levenberg-Marquardt read the delays that a race of solved readouts comes to.
    """
    profile = Profile.of(training)
    steps = profile.steps
    if settings.method == "ridge" and is_open(settings):
        if policy is None:
            return _by_suitable_policy(settings, training, profile, progress, checkpoint)
        return race(settings, policy, training, profile, progress, checkpoint)
    if settings.method == "levenberg-marquardt" and settings.cell is None and settings.delays is None:
        probe = Settings(
            hidden=min(UNITS_OF_PROBE, default_units(steps)),
            cell="memoryless",
            optimizer="ridge",
            restarts=1,
            **settings.model_dump(include=KEPT_BY_PROBE),
        )
        found = race(probe, policy or FORECAST, training, profile, progress, checkpoint)[0].settings
        settings = settings.with_(cell="memoryless", delays=found.delays, difference=found.difference)
    return [Candidate(0.0, settled(settings, steps))]


def _by_suitable_policy(
    settings: Settings,
    training: Sequence[Series],
    profile: Profile,
    progress: ProgressCallback | None,
    checkpoint: Checkpoint | None,
) -> list[Candidate]:
    """The race of the policy that suits the series.

    On a long sample without noise the network that forecasts best reproduces the system as well, as a rule. Where it
    does not, a second race chooses by long runs.
    """
    policy = policy_for(settings, profile)
    found = race(settings.with_(select=policy.name), policy, training, profile, progress, checkpoint)
    if settings.select != "auto" or policy is not FORECAST or not is_clean_sample(profile):
        return found
    try:
        if ATTRACTOR.judge(settings, training).resembles(found[0].settings):
            return found
        return race(settings.with_(select=ATTRACTOR.name), ATTRACTOR, training, profile, progress, checkpoint)
    except RaceStopped:
        raise
    except KeyboardInterrupt:
        raise RaceStopped(found) from None


def members_of(settings: Settings, choices: Sequence[Candidate]) -> int:
    """The number of networks to keep: as given, or the best and those that may be as good.

    Candidates ran free from the same places, so that the difference run by run tells chance from merit.
    """
    if settings.members is not None:
        return settings.members
    best = np.array(choices[0].errors)
    count = 1
    for choice in choices[1:MEMBERS]:
        if len(choice.errors) != len(best):
            break
        difference = np.array(choice.errors) - best
        if difference.mean() > CHANCE * difference.std() / np.sqrt(len(difference)):
            break
        count += 1
    return count
