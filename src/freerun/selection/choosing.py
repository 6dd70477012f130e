"""Choose the settings that the user left open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from freerun.data.profile import Profile
from freerun.data.series import Series
from freerun.plan import default_units, settled
from freerun.selection.candidates import can_estimate, can_smooth, is_open
from freerun.selection.judge import Candidate
from freerun.selection.policies import (
    ATTRACTOR,
    FORECAST,
    STATES,
    Policy,
    is_clean_sample,
    may_be_smooth,
    may_have_states,
    policy_for,
)
from freerun.selection.race import Contest, RaceStopped, finalists_first, ranked
from freerun.selection.smoothers import smoothers_of
from freerun.settings import Settings
from freerun.training.checkpoint import Checkpoint
from freerun.training.history import ProgressCallback

KEPT_BY_PROBE = {
    *("seed", "holdout", "nonlinearity", "standardize", "dtype", "device", "difference", "detrend", "log"),
}
"""Parameters that a network shares with the one that probes for its delays."""

MEMBERS = 5
"""Most networks that are kept by default: those that are no worse than the best beyond chance."""

ENOUGH = 20
"""Steps of a series from which on networks stand against smoothers."""

MERIT, MERIT_OF_DATED, MERIT_OF_UNSOUND = 2.0, 6.0, 1.5
"""How much better than smoothers networks must be, as a share times the root of the number of
steps. It is more on series with dates, as those of business are, which follow no law for long. It
is less on series on which a smoother fails, as on population cycles."""

CHANCE = 2.0
"""Chance, in standard errors of the mean difference between the free runs of two candidates."""

MARGIN = 2.0
"""The race of networks that read noisy measurements as they are goes on after its
first round if their best error is less than this multiple of the best error of
networks of the states behind the measurements."""

UNITS_OF_PROBE = 300
"""Most hidden units of networks that probe for delays."""


def choose(
    settings: Settings,
    training: Sequence[Series],
    profile: Profile,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
    policy: Policy | None = None,
) -> list[Candidate]:
    """Choose settings for series, the best first;
    a single candidate where nothing is left to choose.

    Networks that are trained by Levenberg-Marquardt read the delays
    that a race of solved readouts comes to.

    Args:
        settings: as the user gave them.
        training: the series.
        profile: of the series.
        progress: called after every candidate.
        checkpoint: candidates in it are not judged again; new ones are noted in it.
        policy: what is tried; None takes the one that suits the series,
            and lets smoothers stand against it.

    Returns:
        The candidates. Those of smoothers forecast together.
    """
    steps = profile.steps
    contest = Contest(settings, training, profile, progress, checkpoint)
    if settings.method == "likelihood":
        return _smoothers(contest)
    if settings.method == "ridge" and is_open(settings):
        return _by_suitable_policy(contest) if policy is None else contest.race(policy)
    if settings.method == "levenberg-marquardt" and settings.cell is None and settings.delays is None:
        probe = Settings(
            hidden=min(UNITS_OF_PROBE, default_units(steps)),
            cell="memoryless",
            optimizer="ridge",
            restarts=1,
            **settings.model_dump(include=KEPT_BY_PROBE),
        )
        found = replace(contest, settings=probe).race(policy or FORECAST)[0].settings
        settings = settings.with_(cell="memoryless", delays=found.delays, difference=found.difference)
    return [Candidate(0.0, settled(settings, steps))]


def _by_suitable_policy(contest: Contest) -> list[Candidate]:
    """The race of the policy that suits the series.

    On a long sample without noise the network that forecasts best reproduces the system as well, as
    a rule. Where it does not, a second race chooses by long runs.
    """
    settings, profile = contest.settings, contest.profile
    policy = policy_for(settings, profile)
    if policy is FORECAST and can_smooth(settings, len(contest.training)) and may_be_smooth(profile):
        return _smoothers(contest) if profile.steps < ENOUGH else _against_smoothers(contest)
    if policy is ATTRACTOR and can_estimate(settings) and may_have_states(profile):
        return _against_states(contest)
    found = _selecting(contest, policy).race(policy)
    if settings.select != "auto" or policy is not FORECAST or not is_clean_sample(profile):
        return found
    try:
        if ATTRACTOR.judge(settings, contest.training).resembles(found[0].settings):
            return found
        return _selecting(contest, ATTRACTOR).race(ATTRACTOR)
    except RaceStopped:
        raise
    except KeyboardInterrupt:
        raise RaceStopped(found) from None


def _selecting(contest: Contest, policy: Policy) -> Contest:
    """The same contest, whose candidates say that a policy chose them."""
    return replace(contest, settings=contest.settings.with_(select=policy.name))


def _against_states(contest: Contest) -> list[Candidate]:
    """Networks of the states behind noisy measurements, or of these as they are,
    by their long runs.

    The race of the latter ends after its first round if the former are clearly better.
    """
    contest = _selecting(contest, ATTRACTOR)
    states = contest.race(STATES)
    limit = MARGIN * states[0].error
    try:
        networks = contest.race(ATTRACTOR, lambda found: found[0].error < limit)
    except RaceStopped as stop:
        raise RaceStopped(ranked([*states, *stop.ranking])) from None
    except KeyboardInterrupt:
        raise RaceStopped(states) from None
    return finalists_first([*states, *networks])


def _smoothers(contest: Contest) -> list[Candidate]:
    """The smoothers of the series, with no networks against them."""
    return [Candidate(0.0, one) for one in smoothers_of(contest.settings, contest.training, contest.profile).several]


def _against_smoothers(contest: Contest) -> list[Candidate]:
    """Smoothers, or the networks of a race where they forecast better beyond chance."""
    settings, training, profile = contest.settings, contest.training, contest.profile
    judge = FORECAST.judge(settings, training)
    several, sound = smoothers_of(settings, training, profile)
    smoothers = [Candidate(0.0, one) for one in several]
    share = clearly(profile, sound)
    if share <= 0:
        return smoothers
    rival = judge.of_smoothers(several, FORECAST.rounds(profile)[0].runs)

    def goes_on(networks: Sequence[Candidate]) -> bool:
        errors = np.array([one.errors for one in networks if len(one.errors) == len(rival)])
        return bool(len(errors)) and cross_fitted_error(errors, len(judge.parts)) < share * rival.mean()

    return _selecting(contest, FORECAST).race(FORECAST, goes_on) or smoothers


def clearly(profile: Profile, sound: bool) -> float:
    """The share of the error of smoothers below which networks take their place:
    less on shorter series.

    Where it is not positive, networks are not tried.

    On 512 series of M1 and M3 whose networks came below 1 - 1.5 / sqrt(T) of the error of
    smoothers, networks were no worse on what followed where the share was below 0.5, and worse by a
    quarter above it. Those series have 20 to 150 steps. Samples of systems with noise
    (Mackey-Glass, autoregressions, sums of sines) gain by networks at larger shares.

    Args:
        profile: of the series.
        sound: whether no smoother failed on the series.
    """
    merit = MERIT_OF_DATED if profile.dated else MERIT
    return 1 - (merit if sound else MERIT_OF_UNSOUND) / math.sqrt(profile.steps)


def cross_fitted_error(errors: np.ndarray, folds: int) -> float:
    """Return the error of the best of several candidates,
    without the luck of being the best of many.

    With two folds, the candidate that is best on one is measured on the other,
    and the reverse (cross-fitting).

    Args:
        errors: shape (candidates, folds * runs).
        folds: 1 or 2.
    """
    by_fold = errors.reshape(len(errors), folds, -1).mean(axis=2)
    if folds == 1:
        return float(by_fold.min())
    first, second = by_fold.argmin(axis=0)
    return float(by_fold[second, 0] + by_fold[first, 1]) / 2


def members_of(settings: Settings, choices: Sequence[Candidate]) -> int:
    """The number of networks to keep: as given, or the best and those that may be as good.

    Candidates ran free from the same places, so that the
    difference run by run tells chance from merit.
    """
    if choices[0].settings.cell == "smoothing":
        return len(choices)
    if settings.members is not None:
        return settings.members
    best, *others = choices[:MEMBERS]
    return 1 + len(list(takewhile(lambda choice: as_good(choice, best), others)))


def as_good(choice: Candidate, best: Candidate) -> bool:
    """Whether the free runs of a candidate are no worse than those of the best beyond chance."""
    if len(choice.errors) != len(best.errors) or not best.errors:
        return choice is best
    difference = np.array(choice.errors) - np.array(best.errors)
    return bool(difference.mean() <= CHANCE * difference.std() / np.sqrt(len(difference)))
