"""Trains one run in a process of its own: `python -m freerun.studio.worker FOLDER`.

The folder holds `job.json` and the series. While it works, the process leaves there what the page shows:
`progress.json`, `live.json` (the current one-step predictions and the current free run), and in the end `views.json`,
the model and `result.json`. Ctrl-C stops training; the last good weights are kept. Where the process was killed, the
next goes on from its checkpoint.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from freerun import evaluation, forecasting, metrics
from freerun.data.series import Series
from freerun.errors import FreerunError, TrainingDiverged
from freerun.estimator import RNN, load
from freerun.history import Progress
from freerun.model import RECENT, Model
from freerun.studio.store import tell, told

LOOK_EVERY = 3.0
"""Seconds between two looks at what the network does now."""

TELL_EVERY = 0.25
"""Seconds between two reports of the losses."""

SHOWN = 1500
"""Most steps of a curve that are sent to the page."""

STATES = 4000
"""Most states of an attractor that are sent to the page."""

LONG_TERM = 500
"""From so many steps after the split on, long-term scores are taken."""

NICENESS = 19
"""How far training steps back, from 0 to 19, the most that there is."""


class Reporter:
    """Takes the progress of a fit and leaves it for the page.

    Args:
        folder: of the run.
        training, rest: the series before and after the split; `rest` is None where the split is at its end.
    """

    def __init__(self, folder: Path, training: Series, rest: Series | None) -> None:
        self._folder, self._training, self._rest = folder, training, rest
        self._losses: dict[str, list[Any]] = {"done": [], "training": [], "validation": [], "free": []}
        self._tried: list[float] = []
        self._told = self._looked = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.training_mse is not None:
            values = (progress.done, progress.training_mse, progress.validation_mse, progress.free_run_error)
            for curve, value in zip(self._losses.values(), values, strict=True):
                curve.append(value)
        elif progress.free_run_error is not None:
            self._tried.append(progress.free_run_error)
        if now - self._told >= TELL_EVERY or progress.done == progress.total:
            self._told = now
            about = {"task": progress.task, "done": progress.done, "total": progress.total, "pace": progress.pace}
            tell(self._folder, "progress", about | {"losses": self._losses | {"tried": self._tried}})
        if progress.current is not None and now - self._looked >= LOOK_EVERY:
            tell(self._folder, "live", look(progress.current(), self._training, self._rest))
            self._looked = time.monotonic()


def look(model: Model, training: Series, rest: Series | None) -> dict[str, Any]:
    """What the network does now: one-step predictions and a free run after the split, beside what followed.

    Steps are counted from the split; curves have a list for each channel.
    """
    before = training.between(max(0, len(training) - RECENT))
    steps = min(SHOWN, len(rest)) if rest is not None else min(SHOWN, len(training))
    told: dict[str, Any] = {"steps": steps, "channels": training.channels, "truth": None, "one_step": None, "vpt": None}
    try:
        run = forecasting.generate(model, steps).values
    except FreerunError as error:
        return told | {"run": None, "message": str(error)}
    told |= {"run": _columns(run), "message": ""}
    if rest is not None:
        truth = rest.values[:steps]
        known = before.joined(rest.between(0, steps))
        told |= {"truth": _columns(truth), "one_step": _columns(forecasting.predict(model, known).values[-steps:])}
        if np.isfinite(truth).all():
            told["vpt"] = metrics.valid_prediction_time(truth, run, training.deviation)
    return told


def views(rnn: RNN, training: Series, rest: Series | None) -> dict[str, Any]:
    """What the network has learned of the system: attractor, spectra, return map, growth of errors.

    A run beyond all bounds is left out.
    """
    truth = training.values[-STATES:]
    run = forecasting.free_run(rnn.model_, len(truth)).values
    run = run if metrics.within_bounds(run) else np.full_like(run, np.nan)
    told: dict[str, Any] = {}
    delay = metrics.quarter_period(truth[:, 0])
    for name, values in (("truth", truth), ("run", run)):
        states = metrics.embedded(values[:, 0], 3, delay)
        spectrum = metrics.power_spectrum(values[:, :1], smoothing=4.0)[:, 0]
        told[name] = {
            "states": _rounded(states),
            "spectrum": _rounded(spectrum),
            "return_map": _rounded(metrics.return_map(values[:, 0])),
        }
    told["delay"] = delay
    if rest is not None and len(rest) >= 60:
        horizon = min(300, len(rest) // 2)
        joined = training.joined(rest)
        told["growth"] = _rounded(evaluation.error_growth(rnn.model_, joined, len(training), horizon))
    return told


def scores_of(rnn: RNN, training: Series, rest: Series | None) -> dict[str, Any]:
    """Scores after the split; those that need more steps than there are, are left out."""
    scores: dict[str, Any] = {"training_mse": rnn.history_.training_mse[-1]}
    if rest is None or not np.isfinite(rest.values).all():
        return scores
    joined = training.joined(rest)
    found = rnn.evaluate(joined, len(training))
    scores |= {"validation_mse": found.one_step_mse, "vpt": found.vpt, "of": len(rest), "nrmse84": found.nrmse84}
    if len(rest) >= LONG_TERM:
        long_term = rnn.evaluate_long_term(joined, len(training))
        scores |= {"d_stsp": long_term.state_space_divergence, "d_h": long_term.spectrum_distance}
    return scores


def train(folder: Path) -> None:
    """Do the job of a folder."""
    job = told(folder, "job")
    series = Series.read(folder / "series.npz")
    training, rest = series.split(job["split"]) if job["split"] < len(series) else (series, None)
    settings: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in job["settings"].items()}
    rnn = RNN(**settings) if not job["further"] else load(job["further"]).set_params(**settings)
    began, message, state = time.monotonic(), "", "done"
    given = getattr(rnn, "model_", None)
    try:
        report = Reporter(folder, training, rest)
        rnn.fit(
            training, rest, warm_start=bool(job["further"]), progress=report, checkpoint=folder / "model.checkpoint"
        )
    except (KeyboardInterrupt, TrainingDiverged) as stop:
        if getattr(rnn, "model_", None) is given:
            raise
        state, message = ("stopped", "") if isinstance(stop, KeyboardInterrupt) else ("failed", str(stop))
    rnn.save(folder / "model.freerun")
    tell(folder, "live", look(rnn.model_, training, rest))
    scores = scores_of(rnn, training, rest) | {"seconds": time.monotonic() - began}
    tell(folder, "views", views(rnn, training, rest))
    tell(folder, "result", {"state": state, "message": message, "scores": scores})


def _columns(values: np.ndarray) -> list[list[float | None]]:
    """A list for each channel; None where a value is missing."""
    return [[float(x) if np.isfinite(x) else None for x in column] for column in np.asarray(values).T]


def _rounded(values: np.ndarray) -> Any:
    """Six digits, which is more than a screen shows."""
    return np.vectorize(lambda x: float(f"{x:.6g}") if np.isfinite(x) else None, otypes=[object])(values).tolist()


def _step_back() -> None:
    """Let the page go first, where both want the same core."""
    os.nice(NICENESS)
    # Linux may share its cores among sessions first (sched(7), autogroup), and this process has one of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def main() -> None:
    """Do the job, and leave word of how it ended."""
    folder = Path(sys.argv[1])
    _step_back()
    try:
        train(folder)
    except KeyboardInterrupt:
        tell(folder, "result", {"state": "stopped", "message": "stopped before there was a network", "scores": {}})
    except FreerunError as error:
        tell(folder, "result", {"state": "failed", "message": str(error), "scores": {}})


if __name__ == "__main__":
    main()
