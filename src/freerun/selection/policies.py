"""Policies: what is worth trying for a series, and with how much effort.

A policy proposes candidates, which fill in what the settings leave open, and a few rounds that give
more units, more penalties and more seeds to fewer of them. Anybody can write one: see `Policy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Protocol

import numpy as np

from freerun.data.profile import NOISY, Profile
from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.network import monomials
from freerun.plan import DEGREE, LEAK, MOST_UNITS, SPECTRAL_RADIUS, default_units
from freerun.selection.attractor import AttractorJudge
from freerun.selection.judge import Candidate, Judge
from freerun.selection.system_parameters import judge_of
from freerun.settings import Settings

Proposal = Mapping[str, object]
"""Values of parameters by name; those that the settings give are left as given."""

Judging = Callable[[Settings, Sequence[float], int], Candidate]
"""Gives a candidate its error: from settings,
penalties and the number of runs to those with the best penalty."""


@dataclass(frozen=True)
class Round:
    """How much effort goes into each candidate that is still in the race.

    Attributes:
        units: hidden units, as a share of all that the fit would have.
        penalties: to choose from.
        near: of these, only those within a factor of this to each side
            of the best penalty of the round before.
        runs: free runs over each part that is left out.
        keep: how many candidates go on to the next round.
        neighbours: how often the neighbours of the best are tried as well,
            as long as one of them is better.
        seeds: with how many seeds the best is judged in the end.
    """

    units: float
    penalties: tuple[float, ...]
    runs: int
    keep: int
    near: float = math.inf
    neighbours: int = 0
    seeds: int = 1


class Policy(Protocol):
    """What is tried for a series, and how it is judged.

    An object with these members can be given to `freerun.RNN.fit(series, policy=...)`.
    """

    @property
    def name(self) -> str:
        """As `freerun info` says it."""
        ...

    def rounds(self, profile: Profile) -> Sequence[Round]:
        """The rounds of the race."""
        ...

    def candidates(self, profile: Profile) -> Iterable[Proposal]:
        """What the first round tries."""
        ...

    def neighbours(self, best: Settings, profile: Profile) -> Iterable[Proposal]:
        """What differs a little from the best so far."""
        ...

    def judge(self, settings: Settings, training: Sequence[Series]) -> Judging:
        """What gives candidates their errors on the training series."""
        ...


def window(count: int, apart: int) -> tuple[int, ...]:
    """The lags of `count` values, `apart` steps from each other."""
    return tuple(range(0, count * apart, apart))


PENALTIES = tuple(10.0**-exponent for exponent in range(14, -3, -1))
"""Penalties of a readout on standardised values,
from those of clean data (1e-14) to those of noise alone (100)."""


def penalties_near(penalties: Sequence[float], best: float, factor: float) -> list[float]:
    """The penalties within a factor to each side of the best one so far."""
    return [penalty for penalty in penalties if 1 / factor <= penalty / best <= factor]


FEWEST_TO_TELL = 30
"""Hidden units by which candidates can be told from each other. The first round has the
geometric mean of these and of all units (173 of 1000, 55 of 100): the fewer there are, the
dearer is every one that is left out."""

FIRST_NOISES = (3e-3, 1e-2)
"""Noise on the inputs, in standard deviations, with which a network without noise is compared."""

SEEDS, MOST_SEEDS = 4, 12
"""Seeds with which the best candidate is judged, more of them where networks are small and cheap.
More units in the first rounds and more seeds lowered the mean sMAPE on 44 dysts systems of 150
steps from 49 to 46.5 (three seeds)."""

NOISY_FOR_POLYNOMIALS = 0.1
"""Noise in a series, in standard deviations, from which on no polynomials are tried."""

MOSTLY_NOISE = 0.3
"""Noise in a series, in standard deviations,
from which on free runs of the best network come to rest."""

SHARE_OF_WINDOW = 4
"""A window reaches back over a quarter of the shortest training series at most."""

FULL_STATES = ((1, 1), (2, 1))
"""Windows that are also tried where several channels, as they are,
may be the whole state of a system."""

POLYNOMIALS = ((4, 1, 3), (4, 2, 4), (4, 4, 3), (5, 1, 3), (7, 2, 3), (8, 3, 2))
"""Windows of polynomials of one channel, how many steps their values are apart, and degrees."""

POLYNOMIALS_OF_STATES = tuple((*shape, degree) for shape in FULL_STATES for degree in (2, 3, 4))
"""The same where several channels, as they are, may be the whole state of a system."""


def _fits(lags: tuple[int, ...], profile: Profile) -> bool:
    """Whether a window leaves enough steps to learn from,
    and reads no more numbers than a network has units."""
    numbers = len(lags) * (profile.channels + profile.inputs)
    return lags[-1] < profile.shortest // SHARE_OF_WINDOW and numbers <= min(profile.steps, MOST_UNITS)


def hidden_units(delays: int | tuple[int, ...], scale: float, cell: str = "memoryless", **others: object) -> Proposal:
    """Propose hidden units, which read the values as they are unless `others` say more."""
    return {"cell": cell, "delays": delays, "input_scale": scale, "difference": 0, **others}


def polynomial(delays: int | tuple[int, ...], degree: int, **others: object) -> Proposal:
    """Propose the monomials of the values of a window."""
    return {"cell": "polynomial", "delays": delays, "degree": degree, "difference": 0, **others}


def inputs_near(best: Settings, first_noises: Sequence[float] = ()) -> Iterator[Proposal]:
    """Propose other scales of the inputs, and other noise on them, than those of the best so far.

    Args:
        best: the best so far; monomials have no scale.
        first_noises: to try beside no noise.
    """
    if best.input_scale is not None:
        yield from ({"input_scale": best.input_scale * factor} for factor in (0.5, 2.0))
    noises = (best.input_noise / 3, best.input_noise * 3) if best.input_noise else first_noises
    yield from ({"input_noise": noise} for noise in noises)


def differences_of(profile: Profile) -> list[tuple[int, ...]]:
    """The differences that are worth trying: none, of neighbours, of seasons,
    and of two of these."""
    seasonal = [season for season in profile.seasons if season <= profile.shortest // SHARE_OF_WINDOW]
    return [(), *((lag,) for lag in (1, *seasonal)), *combinations((1, *seasonal), 2)]


LEAST_NOISE, MOST_NOISE = 1e-3, 0.9
"""Bounds of the noise in a channel from which its estimate begins, in standard deviations."""


@dataclass(frozen=True)
class ForecastPolicy:
    """Networks whose free runs stay close to what followed, over the next steps.

    Attributes:
        windows: how many values a step reads, and how many steps they are apart;
            a season and a step are tried as well.
        scales: strength of the input weights.
        reservoirs: leak and spectral radius of leaky reservoirs.
    """

    windows: tuple[tuple[int, int], ...] = ((3, 1), (6, 1), (12, 1), (25, 1), (50, 1), (8, 3), (16, 2), (16, 4), (8, 8))
    scales: tuple[float, ...] = (0.3, 1.0)
    reservoirs: tuple[tuple[float, float], ...] = ((0.1, 0.5), (0.3, 0.9), (0.8, 0.9))
    name: str = "forecast"

    def rounds(self, profile: Profile) -> tuple[Round, ...]:
        """See `Policy`."""
        coarse, fine = PENALTIES[2::3], PENALTIES
        units = default_units(profile.steps)
        share = min(1.0, math.sqrt(FEWEST_TO_TELL / units))
        seeds = int(np.clip(SEEDS * MOST_UNITS / units, SEEDS, MOST_SEEDS))
        return (
            Round(share, coarse, 8, 8),
            Round(math.sqrt(share), coarse, 32, 4, near=3e3, neighbours=2),
            Round(1.0, fine, 32, 4, near=30, seeds=seeds),
        )

    def candidates(self, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        shapes = [*self.windows, *((season + 1, 1) for season in profile.seasons)]
        if profile.channels > 1 or profile.parameters:
            shapes = [*FULL_STATES, *shapes]
        windows = [lags for lags in (window(*shape) for shape in shapes) if _fits(lags, profile)]
        for difference in [()] if profile.parameters else differences_of(profile):
            for scale, lags in product(self.scales[:1] if difference else self.scales, windows or [(0,)]):
                yield hidden_units(lags, scale, difference=difference or 0)
        if not profile.dated and profile.noise < NOISY_FOR_POLYNOMIALS:
            for count, apart, degree in POLYNOMIALS if profile.channels == 1 else POLYNOMIALS_OF_STATES:
                if _fits(window(count, apart), profile):
                    yield polynomial(window(count, apart), degree)
        for leak, radius in self.reservoirs:
            yield hidden_units(1, self.scales[0], "leaky", leak=leak, spectral_radius=radius)

    def neighbours(self, best: Settings, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        yield from inputs_near(best, FIRST_NOISES)
        if best.degree is not None:
            yield from ({"degree": near} for near in (best.degree - 1, best.degree + 1) if near > 1)
        lags = best.lags
        if len(lags) > 1:
            apart = lags[1]
            for count, spacing in (
                (math.floor(len(lags) * 0.75), apart),
                (math.ceil(len(lags) * 1.33), apart),
                (len(lags), apart + 1),
                (len(lags), apart - 1),
            ):
                if count > 1 and spacing > 0 and _fits(window(count, spacing), profile):
                    yield {"delays": window(count, spacing)}
        if best.cell == "leaky":
            leak = best.leak or LEAK
            radius = SPECTRAL_RADIUS if best.spectral_radius is None else best.spectral_radius
            yield from ({"leak": near} for near in (leak / 2, min(0.95, leak * 2)))
            yield from ({"spectral_radius": radius * factor} for factor in (0.7, 1.4))

    def judge(self, settings: Settings, training: Sequence[Series]) -> Judge:
        """See `Policy`."""
        return judge_of(settings, training)


@dataclass(frozen=True)
class AttractorPolicy:
    """Networks whose long runs resemble the series as a sample of a system.

    Settled on Lorenz-63 with noise, an electrocardiogram and the clean and noisy Lorenz series of
    the common task framework.

    Attributes:
        delays: how many values a step reads.
        scales: strength of the input weights.
        noises: noise on the inputs of a clean series, in standard deviations, without which long
            runs leave the attractor; the noise in a noisy series does the same.
    """

    delays: tuple[int, ...] = (1, 3, 6, 12, 25)
    scales: tuple[float, ...] = (0.3, 1.0, 3.0)
    noises: tuple[float, ...] = (1e-3, 1e-2)
    name: str = "attractor"

    def rounds(self, profile: Profile) -> tuple[Round, ...]:
        """See `Policy`."""
        del profile
        penalties = tuple(10.0**exponent for exponent in (-11.0, -9.5, -8.0, -7.0, -6.0, -5.0))
        return (
            Round(0.3, penalties[::2], 32, 6, neighbours=2),
            Round(1.0, penalties, 32, 6, near=100, neighbours=1),
            Round(1.0, penalties, 128, 1, near=20, seeds=3),
        )

    def candidates(self, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        noises = self.noises if profile.noise < NOISY else (0.0,)
        for delays, scale, noise in product(self.delays, self.scales, noises):
            yield hidden_units(delays, scale, input_noise=noise)

    def neighbours(self, best: Settings, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        yield from inputs_near(best)
        count = len(best.lags)
        yield from ({"delays": window(max(1, near), 1)} for near in (round(count / 1.4), math.ceil(count * 1.4)))

    def judge(self, settings: Settings, training: Sequence[Series]) -> AttractorJudge:
        """See `Policy`."""
        return AttractorJudge(settings, training)


@dataclass(frozen=True)
class StatesPolicy:
    """Networks of the states behind noisy measurements.

    They learn what their long runs need by few units, since states are nearly without noise.

    Attributes:
        delays: how many values a step reads of several channels.
        delays_of_one: the same for a single channel, whose last value is no state.
        scale: strength of the input weights.
    """

    delays: tuple[int, ...] = (1, 3, 6)
    delays_of_one: tuple[int, ...] = (6, 12, 25)
    scale: float = 0.3
    name: str = "attractor"

    def rounds(self, profile: Profile) -> tuple[Round, ...]:
        """See `Policy`."""
        del profile
        return Round(1.0, (1e-10,), 32, 2), Round(1.0, (1e-12, 1e-10, 1e-9, 1e-8), 128, 1)

    def candidates(self, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        noise = tuple(np.clip(profile.noises, LEAST_NOISE, MOST_NOISE).tolist())
        for delays in self.delays if profile.channels > 1 else self.delays_of_one:
            yield hidden_units(delays, self.scale, measurement_noise=noise)

    def neighbours(self, best: Settings, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        del best, profile
        return iter(())

    def judge(self, settings: Settings, training: Sequence[Series]) -> AttractorJudge:
        """See `Policy`."""
        return AttractorJudge(settings, training)


@dataclass(frozen=True)
class FieldPolicy:
    """Networks of the sites of a field, whose free runs stay close to what followed.

    Noise on the inputs matters most: on a smooth field neighbouring sites have nearly the same
    values, and a network that learned nothing of small differences between them amplifies these in
    its free run. Settled on runs of the Kuramoto-Sivashinsky equation (length 22, 64 points).

    Attributes:
        extent: sites of the ring, or the smaller side of the grid.
        widths: sites on each side that a site reads.
        windows: how many values of each a step reads, and how many steps they are apart.
        scale: strength of the input weights.
        noises: noise on the inputs of a clean series, in standard deviations.
        polynomials: widths and degrees of polynomials of one value of each site.
            They are tried without noise, on clean fields alone.
    """

    extent: int
    widths: tuple[int, ...] = (2, 4, 8, 12)
    windows: tuple[tuple[int, int], ...] = ((1, 1), (2, 1), (4, 1))
    scale: float = 0.3
    noises: tuple[float, ...] = (1e-4, 1e-3)
    polynomials: tuple[tuple[int, int], ...] = ((3, 3), (4, 4))
    name: str = "forecast"

    @classmethod
    def of(cls, settings: Settings, profile: Profile) -> FieldPolicy:
        """The policy for a ring, or for a grid, on which a site has neighbours in two
        directions."""
        if settings.grid is None:
            return cls(profile.channels)
        return cls(min(settings.grid), widths=(1, 2), polynomials=())

    def rounds(self, profile: Profile) -> tuple[Round, ...]:
        """See `Policy`. Each site of a field is a run by itself.

        Neighbours are tried with all units: fewer units ask for more noise on the inputs.
        """
        runs = int(np.clip(VALUES_OF_RUNS // profile.channels, 2, 8))
        penalties = PENALTIES[2:11:2]
        return (
            Round(0.3, penalties[::2], runs, 5),
            Round(1.0, penalties[::2], runs, 2, near=1e4, neighbours=2),
            Round(1.0, penalties, runs, 2, near=200, seeds=2),
        )

    def candidates(self, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        clean = profile.noise < NOISY
        widths = [width for width in self.widths if self._fits(width)] or [(self.extent - 1) // 2]
        for width, lags, noise in product(widths, self.windows, self.noises if clean else (0.0,)):
            yield hidden_units(window(*lags), self.scale, neighbours=width, input_noise=noise)
        if clean and not profile.inputs:
            for width, degree in self.polynomials:
                if self._fits(width):
                    yield polynomial(1, degree, neighbours=width, input_noise=0.0)

    def neighbours(self, best: Settings, profile: Profile) -> Iterator[Proposal]:
        """See `Policy`."""
        del profile
        width = best.neighbours
        assert isinstance(width, int)
        if best.cell == "polynomial":
            degree = best.degree or DEGREE
            for near, power in ((width - 1, degree), (width + 1, degree), (width, degree - 1), (width, degree + 1)):
                few = monomials.count(2 * near + 1, power) <= MOST_MONOMIALS_OF_FIELD
                if near > 0 and power > 1 and few and self._fits(near):
                    yield polynomial(1, power, neighbours=near, input_noise=0.0)
            return
        yield from inputs_near(best)
        for near in (math.floor(width / 1.3), math.ceil(width * 1.3)):
            if near != width and self._fits(near):
                yield {"neighbours": near}
        yield {"delays": window(len(best.lags) + 1, 1)}

    def judge(self, settings: Settings, training: Sequence[Series]) -> Judge:
        """See `Policy`."""
        return Judge(settings, training)

    def _fits(self, width: int) -> bool:
        return 2 * width + 1 <= self.extent


FORECAST, ATTRACTOR, STATES = ForecastPolicy(), AttractorPolicy(), StatesPolicy()

MOST_MONOMIALS_OF_FIELD = 1_500
"""Most monomials that are tried for a field: those of degree 4 of 11 sites are 1353."""

VALUES_OF_RUNS = 256
"""Sites times free runs by which a candidate for a field is judged,
on each part that is left out."""

SAMPLE = 8_000
"""Steps from which on the statistics of a series tell networks from each other: on fewer,
two pieces of the system itself differ as much."""


WHY = {
    "forecast": "how close free runs stay to the series over the next steps",
    "attractor": "how much long free runs resemble the series",
}
"""What candidates were chosen by, in words, by the name of the policy."""


AUTO = {
    "forecast": "select=auto: the series has dates, gaps or external inputs, is one of several, or has fewer than "
    f"{SAMPLE} steps; or long free runs of the network that forecasts best resemble the series as well",
    "attractor": f"select=auto: the series is a complete sample of {SAMPLE} steps or more, and noisy, or long free "
    "runs of the network that forecasts best do not resemble it",
}
"""Why it was that policy, where the settings left it open."""


def policy_for(settings: Settings, profile: Profile) -> Policy:
    """The policy that the settings ask for, or that suits the series.

    Networks that forecast a noisy sample best leave its attractor in long runs;
    for those of a sample without noise, see `is_clean_sample`.

    Raises:
        SettingError: long runs are to decide, and the series is
            not one that they could be compared with.
    """
    if settings.is_field:
        if settings.select == "attractor":
            raise SettingError(
                f"select='attractor' with neighbours={settings.neighbours}: fields are selected by forecasts; leave "
                "select out"
            )
        return FieldPolicy.of(settings, profile)
    if settings.select == "attractor" and not _is_comparable(profile):
        raise SettingError(
            "select='attractor' compares long free runs with one complete series without external inputs; "
            "interpolate missing values, leave inputs out, or select by forecasts (select='forecast')"
        )
    noisy = _is_sample(profile) and profile.noise >= NOISY
    return ATTRACTOR if settings.select == "attractor" or (settings.select == "auto" and noisy) else FORECAST


def is_clean_sample(profile: Profile) -> bool:
    """Whether a series is a long sample of a system without noise.

    One network may both forecast its next steps and reproduce its long run.
    """
    return _is_sample(profile) and profile.noise < NOISY


def may_be_smooth(profile: Profile) -> bool:
    """Whether smoothers may forecast a series: no external inputs,
    and no long sample of a system."""
    return not profile.inputs and not _is_sample(profile)


def may_have_states(profile: Profile) -> bool:
    """Whether a sample of a system may be noisy measurements of its states."""
    return profile.in_memory and NOISY <= profile.noise < MOSTLY_NOISE


def may_be_sample(profile: Profile) -> bool:
    """Whether a series of any length may be a sample of a system, whose long runs vary as it does:
    little is noise."""
    return _is_comparable(profile) and profile.varies and not profile.dated and profile.noise < MOSTLY_NOISE


def _is_comparable(profile: Profile) -> bool:
    """Whether long free runs can be compared with the series."""
    return profile.series == 1 and profile.complete and not profile.inputs


def _is_sample(profile: Profile) -> bool:
    """Whether a series is a long sample of a system."""
    return _is_comparable(profile) and not profile.dated and profile.steps >= SAMPLE
