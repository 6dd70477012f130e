"""Forecasts of many series together: one readout for each group of series,
beside the forecast of each alone.

A first pass over the table adds up the moments of the series, group by group. The readouts are then
solved, and a second pass forecasts. `SharedModel` is what the first pass leaves behind. It can be
kept in a file, and forecasts new series without a fit.

On M1 and M3, the mean of the two forecasts with the weight `WEIGHT` has 0.7 to 1.5 % less
error (MASE) than that of each series alone, and 2 % less if pasts are cut to 24 steps. With
10 series it has as much. On months cut to 16, the mean with the weight `WEIGHT_OF_SHORT`
has 13 to 22 % less, also with 10 series.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from freerun.compute.cores import limit_cores, one_thread_each
from freerun.data.learnable import from_first_values
from freerun.data.scaling import Scaling, are_counts
from freerun.data.seasons import CALENDAR, seasons_of
from freerun.data.series import Series
from freerun.errors import FreerunError, ModelFileError, SeriesError, warn
from freerun.files.archive import ArchiveError, read_archive, write_archive
from freerun.files.writing import JSON
from freerun.forecasting.forecast import Forecast
from freerun.many.chunks import Chunk
from freerun.many.columns import Columns
from freerun.many.shared import MOST_STEPS, Group, Moments, SharedReadout, solve
from freerun.many.states import States, states_of
from freerun.many.tasks import Covariates, ForecastTask
from freerun.selection.candidates import can_smooth, leaves_networks_open
from freerun.settings import Settings, Together

WEIGHT, FEWEST_SERIES = 1 / 3, 30
"""Weight of the shared readout in the mean, and fewest series of a group that uses it. With weights
from 0.2 to 0.5, errors on M1 and M3 are within 0.4 % of the least."""

SHORT, WEIGHT_OF_SHORT, FEWEST_SHORT = 2, 2 / 3, 10
"""The same for series of less than 2 of their shortest seasons. Alone,
such a series tells little of its season."""

FREEDOM = 5
"""Degrees of freedom of Student's t distribution, by which errors are spread:
of some series they are larger than of others."""

ALONE = "the series was forecast alone"
"""Consequence for a series whose static covariates cannot be read, for a warning."""

OUTSIDE, SPENT = 1.1, 4
"""How errors after a series of T steps compare with those inside it:
`OUTSIDE` * (1 + `SPENT` / T)."""

YEARS = ("Y", "YS", "YE", "BYS", "BYE", "A", "AS")
"""Frequencies of years, as pandas names them."""

FORMAT = 1
"""Version of the files of shared models."""


@dataclass(frozen=True)
class SharedModel:
    """The readouts of the groups of a table.

    Attributes:
        readouts: the readout of each group.
        digest: a hash of the data and settings that they were solved on.
    """

    readouts: Mapping[Group, SharedReadout] = field(default_factory=dict)
    digest: str = ""

    @classmethod
    def solve(cls, moments: Mapping[Group, Moments], digest: str) -> SharedModel:
        """Solve the readout of each group that has enough steps.

        Args:
            moments: the sums over the series of each group.
            digest: a hash of the data and settings.
        """
        enough = {group: one for group, one in moments.items() if one.gram[0, -1, -1] > 1}
        return cls({group: solve(one) for group, one in enough.items()}, digest)

    def save(self, path: str | Path) -> None:
        """Write the model to a file.

        Raises:
            OutputError: the file cannot be written.
        """
        write_archive(path, *self._stored())

    @classmethod
    def load(cls, path: str | Path) -> SharedModel:
        """Read a file that `save` wrote.

        Raises:
            ModelFileError: there is no such file, it is damaged, or holds something else.
        """
        try:
            header, arrays = read_archive(Path(path))
            groups = header["shared readouts"]
            readouts = {
                Group(one["frequency"], tuple(one["periods"]), one["channel"]): SharedReadout(
                    names=tuple(one["names"]),
                    series=one["series"],
                    **{name: arrays[f"{number}.{name}"] for name in ARRAYS},
                )
                for number, one in enumerate(groups)
            }
        except ArchiveError as error:
            raise ModelFileError(f"{path}: {error}") from error
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"{path}: holds no shared readouts; --shared-model writes such a file") from error
        return cls(readouts, header["digest"])

    def _stored(self) -> tuple[JSON, dict[str, np.ndarray]]:
        """The JSON and the arrays of the file."""
        several = list(self.readouts.items())
        groups = [asdict(group) | {"names": one.names, "series": one.series} for group, one in several]
        arrays = {f"{n}.{name}": getattr(one, name) for n, (_, one) in enumerate(several) for name in ARRAYS}
        return {"format": FORMAT, "digest": self.digest, "shared readouts": groups}, arrays

    @property
    def key(self) -> str:
        """A hash of the readouts."""
        said, arrays = self._stored()
        content = hashlib.sha256(json.dumps(said).encode())
        if not self.digest:  # rounding differs between machines, what readouts were solved on does not
            for _, array in sorted(arrays.items()):
                content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()


ARRAYS = ("mean", "deviation", "weights", "bias", "error")
"""The arrays of a readout in a file."""


def why_not_together(settings: Settings, columns: Columns, together: Together) -> str:
    """Say why the series of a table cannot be forecast together; empty if they can."""
    if together == "local":
        return "together='local' forecasts each series alone; leave out static covariates and shared readouts"
    if columns.inputs:
        return "shared readouts read no external inputs; leave the inputs out, or give together='local' alone"
    if settings.method != "likelihood" and not leaves_networks_open(settings):
        return "settings of a network fit each series alone; leave them out, or give together='local' alone"
    return ""


def groups_of(series: Series, settings: Settings) -> list[Group]:
    """Return the group of each channel of a series.

    Seasons follow from the frequency alone where it tells them,
    so that short series go with long ones. Years have none.
    """
    frequency = (series.calendar.frequency or "").partition("-")[0]
    if settings.season is not None:
        periods = settings.seasons
    elif frequency in CALENDAR or frequency in YEARS:
        periods = CALENDAR.get(frequency, ())
    else:
        periods = seasons_of(series)
    return [Group(frequency, tuple(periods), channel) for channel in series.channels]


def encode(static: Covariates) -> dict[str, float]:
    """Encode static covariates as features: numbers as they are,
    and 1 for the category of a text (one-hot)."""
    return {
        f"{name}={value}" if isinstance(value, str) else name: 1.0 if isinstance(value, str) else float(value)
        for name, value in static.items()
    }


def states_by_group(series: Series, static: Covariates, settings: Settings) -> list[tuple[Group, States]]:
    """Compute the states along each channel of a series, from its first value on, with its group.

    Raises:
        SeriesError: the series is refused, as it is where it is forecast alone.
    """
    (series,) = from_first_values([series], None, settings, can_smooth(settings, 1))
    groups = groups_of(series, settings)
    features = encode(static)
    return [
        (group, states_of(column, group.periods, features))
        for group, column in zip(groups, series.values.T, strict=True)
    ]


@dataclass(frozen=True)
class TogetherTask(ForecastTask):
    """A forecast by shared readouts.

    Attributes:
        shared: the readouts.
        alone: whether they forecast alone; otherwise, beside the forecast of each series alone.
    """

    shared: SharedModel = field(default_factory=SharedModel)
    alone: bool = False

    @property
    def key(self) -> str:
        """A hash of all that the results depend on beside the data of a chunk."""
        bare = super(TogetherTask, replace(self, shared=SharedModel())).key
        return hashlib.sha256(f"{bare} {self.shared.key}".encode()).hexdigest()

    def run(self, series: Series, static: Covariates | SeriesError) -> tuple[Forecast, str]:
        """See `Task.run`."""
        if self.alone:
            return self._forecast_by_readouts(series, static), SHARED
        model, forecast, method = self.fit_and_forecast(series)
        if model.best.settings.cell != "smoothing":  # networks are clearly better than smoothers there
            return forecast, method
        if isinstance(static, SeriesError):
            warn(f"{static}; {ALONE}")
            return forecast, method
        found = states_by_group(series, static, self.settings)
        weights = [weight_of(self.shared.readouts.get(group), group, len(states.values)) for group, states in found]
        if not all(weights):
            return forecast, method
        ahead = [states.undo(self.shared.readouts[group].forecast(states, self.horizon)) for group, states in found]
        forecast = _mix(forecast, np.stack(ahead, axis=1), np.array(weights), model.best.scaling)
        return forecast, f"{method} and {SHARED}"

    def _forecast_by_readouts(self, series: Series, static: Covariates | SeriesError) -> Forecast:
        """Forecast by the shared readouts alone.

        Raises:
            SeriesError: there is no readout for the series, or it is refused.
        """
        if isinstance(static, SeriesError):
            raise static
        asked = self.settings.nonnegative
        counts = dict(zip(series.channels, are_counts(series), strict=True))
        points: list[np.ndarray] = []
        bounds: dict[float, tuple[list[np.ndarray], list[np.ndarray]]] = {level: ([], []) for level in self.levels}
        for group, states in states_by_group(series, static, self.settings):
            readout = self.shared.readouts.get(group)
            if readout is None:
                raise SeriesError(
                    f"no shared readout is for series with {_describe_group(group)}; forecast it alone "
                    "(together='local')"
                )
            least = 0.0 if (counts[group.channel] if asked is None else asked) else -np.inf
            ahead = readout.forecast(states, self.horizon)
            points.append(np.maximum(states.undo(ahead), least))
            for level in self.levels:
                width = half_widths(readout, states, self.horizon, level / 100.0)
                for bound, shift in zip(bounds[level], (-width, width), strict=True):
                    bound.append(np.maximum(states.undo(ahead + shift), least))
        stacked = {level: (np.stack(low, axis=1), np.stack(high, axis=1)) for level, (low, high) in bounds.items()}
        index = series.following_index(self.horizon)
        return Forecast(series.channels, index, np.stack(points, axis=1), stacked)


SHARED = "shared readout"
"""Name of the method."""


def weight_of(readout: SharedReadout | None, group: Group, steps: int) -> float:
    """Return the weight of a shared readout beside the forecast of a series alone;
    0 if too few series go together.

    Args:
        readout: that of the group, if there is one.
        group: the group of the series.
        steps: number of steps of the series.
    """
    short = steps < SHORT * min(group.periods, default=0)
    weight, fewest = (WEIGHT_OF_SHORT, FEWEST_SHORT) if short else (WEIGHT, FEWEST_SERIES)
    return weight if readout is not None and readout.series >= fewest else 0.0


def _describe_group(group: Group) -> str:
    """Describe a group for messages."""
    seasons = f"seasons of {', '.join(map(str, group.periods))} steps" if group.periods else "no season"
    return f"the frequency {group.frequency or 'unknown'!s} and {seasons}, channel {group.channel!r}"


def half_widths(readout: SharedReadout, states: States, horizon: int, share: float) -> np.ndarray:
    """Compute half widths of the intervals of a shared readout,
    in mean absolute changes of the series.

    They are quantiles of Student's t distribution, scaled to the root mean square of the errors.
    These are errors inside of series whose smoothers were weighted on all of it. After T steps,
    errors are larger by the factor `OUTSIDE` * (1 + `SPENT` / T). The m seasonal terms cost m - 1
    of T degrees of freedom, a factor of sqrt(T / (T - m + 1)). On M1 and M3, intervals of 80 and 95
    % cover 84 to 88 and 95 to 97 %; on pasts cut to 16 steps 79 and 93 %.

    Args:
        readout: the readout.
        states: of the series.
        horizon: number of steps.
        share: share of true values that intervals should cover, 0 to 1.

    Returns:
        Shape (horizon,).
    """
    from scipy.special import stdtrit

    quantile = stdtrit(FREEDOM, (1 + share) / 2) * np.sqrt((FREEDOM - 2) / FREEDOM)
    steps = len(states.values)
    spent = len(states.terms) - 1 if states.terms.any() else 0
    enlarged = OUTSIDE * (1 + SPENT / steps) * np.sqrt(steps / max(1, steps - spent))
    return readout.errors(horizon) * quantile * enlarged


def _mix(forecast: Forecast, ahead: np.ndarray, weights: np.ndarray, scaling: Scaling) -> Forecast:
    """Combine two forecasts by their weighted mean. Intervals move with it,
    except lower bounds at zero.

    Args:
        forecast: that of the series alone.
        ahead: the forecast by the shared readouts, shape (H, D).
        weights: of this forecast, 0 to 1, shape (D,).
        scaling: that of the series alone.
    """
    own = forecast.point
    mean = (1 - weights) * own + weights * ahead
    mean = np.maximum(mean, scaling.least)

    def move(bound: np.ndarray) -> np.ndarray:
        bound = bound * (mean / own) if scaling.log else bound + (mean - own)
        return np.maximum(bound, scaling.least)

    bounds = {
        level: (np.where(scaling.nonnegative & (low == 0), 0.0, move(low)), move(high))
        for level, (low, high) in forecast.bounds.items()
    }
    return replace(forecast, point=mean, bounds=bounds)


def sum_moments(work: tuple[TogetherTask, Chunk]) -> dict[Group, Moments]:
    """Add up the moments of the series of a chunk, group by group.
    Series that are refused do not count.

    Args:
        work: the task and the chunk.
    """
    task, chunk = work
    several: dict[Group, list[States]] = {}
    with limit_cores(1), one_thread_each(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are counted when the series are forecast
        for group, states in _states_of_chunk(task, chunk):
            several.setdefault(group, []).append(states)
    steps = min(MOST_STEPS, task.horizon)
    return {group: Moments.of(states, steps) for group, states in several.items()}


def _states_of_chunk(task: TogetherTask, chunk: Chunk) -> Iterator[tuple[Group, States]]:
    """Yield the states of the series of a chunk that are not refused."""
    series = chunk.series(task.columns, task.options)
    for (_, one), static in zip(series, chunk.static(task.columns), strict=True):
        if isinstance(one, FreerunError) or isinstance(static, FreerunError):
            continue
        try:
            found = states_by_group(one, static, task.settings)
        except SeriesError:
            continue
        yield from found
