"""On-line learning: solved readouts go on to learn from steps that follow the training series.

With rows a_t = (hidden states, 1, window) and targets b_t, the readout W after step T minimizes

    sum over t of w_t |a_t W - b_t|^2 / (sum over t of w_t) + penalty * (sum of squares of W).

The weight w_t is L^(T - t) for steps that were learned after the fit, with a forgetting factor L.
All steps of the fit have the weight L^n after n further steps. This is recursive least squares with
exponential forgetting in its square-root form (Haykin, Adaptive Filter Theory): the triangular
factor R of the rows is multiplied by sqrt(L), and a QR factorization joins new rows to it. The
inverse of R' R, whose update loses symmetry in rounding, does not occur. The penalty does not fade
as data are forgotten, so that weights in directions without data stay bounded. With L = 1, the
readout is that of a fit to all steps. FORCE learning (Sussillo and Abbott, 2009) updates readouts
by the same algorithm while the network reads its own output; here it reads the data.

Smoothers are weighted by their likelihood, whose errors are discounted in the same way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from freerun.compute.cores import thread_map
from freerun.data.oddities import warn_of_oddities
from freerun.data.series import Series
from freerun.errors import SettingError
from freerun.forecasting.intervals import ensemble_of, rescaled
from freerun.forecasting.model import RECENT, Member, Model, RunStart
from freerun.forecasting.runs import COMBINED, read_further, require_one_series
from freerun.network import numpy_runs, ridge
from freerun.network.smoothing import SmootherErrors
from freerun.plan import SolvePlan

AT_ONCE = 0.05
"""Share of the steps learned so far that are learned at once. The errors of what is learned at
once, by which intervals are rescaled, are those of the network before."""


def learn(model: Model, new: Series, forgetting: float) -> Model:
    """Let networks read further steps, and learn from them; see `freerun.RNN.update`.

    Args:
        model: the trained networks, fitted with `online=True`.
        new: the steps that follow those read before.
            They may be preceded by steps that were read already.
        forgetting: factor by which the weight of a squared error falls with each further step,
            above 0 up to 1.

    Returns:
        The model after these steps. Its intervals are rescaled by the
        one-step errors before each step was learned.

    Raises:
        SeriesError: channels differ, or times do not follow.
        SettingError: the model was trained on several series, or was not fitted with `online=True`.
    """
    require_one_series(model)
    _require_statistics(model)
    joined, last = model.recent.joined(new), len(model.recent)
    warn_of_oddities(joined, "read", last)
    while last < len(joined):
        first, known = max(0, last - RECENT), last
        last = min(len(joined), last + max(1, int(AT_ONCE * _steps(model))))
        model = _learned(model, joined.between(first, last), known - first, forgetting)
    return replace(model, recent=joined.between(max(0, len(joined) - RECENT)))


def _steps(model: Model) -> float:
    """Number of steps that the readouts stand for, which forgetting limits."""
    return min(member.statistics.steps for member in model.members if member.statistics is not None)


def _learned(model: Model, series: Series, known: int, forgetting: float) -> Model:
    """Learn the steps of a series from index `known` on; those before were read already."""
    steps, channels = len(series) - known, series.shape[1]
    times, truth = series.times[known:], series.values[known:]
    discount = forgetting ** np.arange(steps - 1.0, -1.0, -1.0)

    def learned(member: Member) -> tuple[Member, np.ndarray]:
        """The member after these steps, and its one-step predictions of them before,
        in the units of the series."""
        values, read = read_further(member, series, known - 1)
        outputs, state = numpy_runs.follow(member.network, read[:-1], member.run_start.state)
        start = RunStart(state, read[-1, :channels].astype(np.float64))
        after = replace(_updated(member, values, read, discount, forgetting), run_start=start)
        with np.errstate(over="ignore"):
            return after, member.scaling.undo(outputs.astype(np.float64), times)

    members, forecasts = zip(*thread_map(learned, model.members), strict=True)
    forecast = COMBINED[ensemble_of(model.members)](np.stack(forecasts))
    with np.errstate(all="ignore"):
        errors = np.log(truth) - np.log(forecast) if model.best.scaling.log else truth - forecast
    weight = forgetting**steps * _steps(model)
    return replace(rescaled(model, errors, discount, weight), members=members, recent=series)


def _updated(member: Member, values: np.ndarray, read: np.ndarray, discount: np.ndarray, forgetting: float) -> Member:
    """Discount what a member has learned, and join further steps.

    Args:
        member: the network, at the step before the first of `values`.
        values: standardized, shape (n + 1, N), the last step that was read and n further ones.
        read: the same without missing values.
        discount: weights of the n errors.
        forgetting: the factor.
    """
    network, plan, start, statistics = member.network, member.plan, member.run_start, member.statistics
    assert statistics is not None
    statistics = statistics.discounted(forgetting ** len(discount))
    if isinstance(statistics, SmootherErrors):
        forecasts = np.asarray(numpy_runs.read(network, read[:-1], start.state).hidden)
        truth = values[1:, : len(start.value)]
        statistics = statistics.joined(network, forecasts, truth, discount)
        return replace(member, network=statistics.solved(network), statistics=statistics)
    assert isinstance(plan, SolvePlan)
    noise, seed = plan.input_noise, plan.seed + round(statistics.steps)
    for rows in ridge.rows_of(network, [values], 0, noise, seed, [read[:-1]], start.state):
        statistics = statistics.joined(rows, discount[-rows.steps])
    return replace(member, network=statistics.solved(network, plan.penalty), statistics=statistics)


def _require_statistics(model: Model) -> None:
    """Refuse a model that has kept nothing to go on to learn from.

    Raises:
        SettingError: the remedy is in its message.
    """
    if all(member.statistics is not None for member in model.members):
        return
    method = model.best.settings.method
    if method in ("ridge", "likelihood"):
        raise SettingError(
            "learn=True: the model has not kept the sums from which it could go on to learn; fit it with online=True "
            "(freerun fit --online)"
        )
    raise SettingError(
        f"learn=True: all weights were trained by {method}, and a readout that is solved alone goes on to learn; fit "
        "with optimizer='ridge' and online=True, or train further: fit(series, warm_start=True)"
    )
