"""`Model`: all that a fit leaves behind, ready to predict, to run free and to be saved."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from freerun.data.alignment import require_same_clock
from freerun.data.scaling import Scaling
from freerun.data.series import Series
from freerun.errors import SeriesError, SettingError
from freerun.history import History
from freerun.network.network import Network, State
from freerun.plan import Plan, plan_of
from freerun.settings import Settings


@dataclass(frozen=True)
class Moment:
    """Where a free run begins: at the last step of a series, which the network has read as far as that.

    Attributes:
        state: the state of the network before that step, NumPy arrays.
        value: shape (D,), the value of that step, standardised.
    """

    state: State
    value: np.ndarray


@dataclass(frozen=True)
class Member:
    """One trained network.

    Attributes:
        settings: what it was trained with, nothing left to choose.
        network: the weights, as NumPy arrays.
        scaling: from the units of the series to those of the network.
        ending: the moment at the end of the training series, or of what was read after it.
        history: what training went through.
    """

    settings: Settings
    network: Network
    scaling: Scaling
    ending: Moment
    history: History

    @property
    def washout(self) -> int:
        """First steps of a series whose predictions do not count."""
        return self.plan.washout

    @property
    def plan(self) -> Plan:
        """What was done for it."""
        return plan_of(self.settings, len(self.network.bias), self.network.inputs)


@dataclass(frozen=True)
class Model:
    """Trained networks in their setting: all that predictions, free runs and forecasts are made from.

    Attributes:
        settings: the parameters that were given.
        members: the networks, the best first.
        recent: the last steps read (at most `RECENT`), in their own units.
        trained_on: how many series the networks have learned together.
        errors: shape (N, H, D), what free runs of 1 to H steps missed on parts of the training series that were left
            out of the fit, in the units of the series, or of its logarithm; NaN where a value is missing.
    """

    settings: Settings
    members: tuple[Member, ...]
    recent: Series
    trained_on: int = 1
    errors: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 1)))

    @property
    def best(self) -> Member:
        """The network whose free runs were best, or the only one."""
        return self.members[0]

    def matched(self, series: Series) -> Series:
        """A series with the channels and external inputs that the network was trained on, in their order.

        Raises:
            SeriesError: other channels, other external inputs, or other steps.
        """
        try:
            matched = series.like(self.recent)
            if any(member.scaling.slope.any() for member in self.members):
                require_same_clock(series, self.recent)
        except SeriesError as error:
            raise SeriesError(f"the network was trained on another kind of series: {error}") from error
        return matched

    def require_same_shape(self, settings: Settings) -> Settings:
        """What the given settings, on these weights, come to; a parameter left open is that of the weights.

        Raises:
            SettingError: a parameter that shapes the network has changed.
        """
        have = self.best.settings
        shaping = Settings.named(shapes_weights=True)
        for name in shaping:
            old, new = getattr(have, name), getattr(settings, name)
            same = {"delays": settings.lags == have.lags, "difference": settings.differences == have.differences}
            if new is not None and new != old and not same.get(name, False):
                raise SettingError(f"{name}={new!r}: the weights to go on from have {name}={old!r}; give the same")
        kept = {n: getattr(have, n) for n in shaping if Settings.model_fields[n].default is None}
        method = settings.optimizer or have.optimizer
        if method == "ridge" and settings.l2 is None:
            kept["l2"] = have.l2
        return settings.with_(**kept, optimizer=method)

    def boundary_in(self, series: Series) -> int | None:
        """The first step of `series` after the training series, if the one begins with the end of the other."""
        ends = np.flatnonzero(series.times == self.recent.times[-1])
        if not len(ends) or ends[0] + 1 >= len(series):
            return None
        boundary = int(ends[0]) + 1
        same = np.array_equal(
            series.values[max(0, boundary - len(self.recent)) : boundary], self.recent.values, equal_nan=True
        )
        return boundary if same else None


RECENT = 1000
"""Most steps of the training series that a model keeps, for pictures of how a free run goes on from it."""
