"""Trains one run in a separate process: `python -m freerun.studio.learn.worker FOLDER`.

The folder holds `job.json` and the series. During training the process writes there what the page
shows: `progress.json`, and `live.json` with the current one-step predictions and free run. At the
end it writes `views.json`, the model and `result.json`. Ctrl-C stops training and keeps the last
good weights. After a kill, the next process resumes from the checkpoint.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from freerun import metrics
from freerun.data.series import Series
from freerun.errors import FreerunError, TrainingDiverged
from freerun.estimator import RNN, load
from freerun.files.writing import JSON
from freerun.forecasting import evaluation, runs
from freerun.forecasting.model import RECENT, Model
from freerun.studio.records import read_note, write_note
from freerun.training.history import Progress

LIVE_INTERVAL = 3.0
"""Least seconds between two updates of `live.json`, since a free run costs time."""

PROGRESS_INTERVAL = 0.25
"""Least seconds between two updates of `progress.json`."""

STEPS_OF_LIVE = 1500
"""Most steps of a curve in `live.json`, which a browser draws quickly."""

STATES = 4000
"""Most states of an attractor in `views.json`, which a browser draws quickly."""

LONG_TERM = 500
"""Least number of steps after the split for long-term scores."""


class Reporter:
    """Progress callback that writes `progress.json` and `live.json`.

    Args:
        folder: folder of the run.
        training: the series before the split.
        rest: the series after the split; None if the split is at the end.
    """

    def __init__(self, folder: Path, training: Series, rest: Series | None) -> None:
        self._folder, self._training, self._rest = folder, training, rest
        self._losses: dict[str, list[Any]] = {"done": [], "training": [], "validation": [], "free": []}
        self._tried: list[float] = []
        self._written = self._looked = 0.0

    def __call__(self, progress: Progress) -> None:
        """Record the losses, and write a file whose interval is over."""
        now = time.monotonic()
        if progress.training_mse is not None:
            values = (progress.done, progress.training_mse, progress.validation_mse, progress.free_run_error)
            for curve, value in zip(self._losses.values(), values, strict=True):
                curve.append(value)
        elif progress.free_run_error is not None:
            self._tried.append(progress.free_run_error)
        if now - self._written >= PROGRESS_INTERVAL or progress.done == progress.total:
            self._written = now
            about = {"task": progress.task, "done": progress.done, "total": progress.total, "pace": progress.pace}
            write_note(self._folder, "progress", about | {"losses": self._losses | {"tried": self._tried}})
        if progress.current is not None and now - self._looked >= LIVE_INTERVAL:
            write_note(self._folder, "live", compute_live(progress.current(), self._training, self._rest))
            self._looked = time.monotonic()


def compute_live(model: Model, training: Series, rest: Series | None) -> JSON:
    """Compute one-step predictions and a free run of the network after the split,
    with the true values.

    Returns:
        JSON values. Steps are counted from the split; curves are one list per channel.
    """
    before = training.between(max(0, len(training) - RECENT))
    steps = min(STEPS_OF_LIVE, len(rest)) if rest is not None else min(STEPS_OF_LIVE, len(training))
    found: JSON = {
        "steps": steps,
        "channels": training.channels,
        "truth": None,
        "one_step": None,
        "vpt": None,
    }
    try:
        run = runs.generate(model, steps).values
    except FreerunError as error:
        return found | {"run": None, "message": str(error)}
    found |= {"run": _columns(run), "message": ""}
    if rest is not None:
        truth = rest.values[:steps]
        known = before.joined(rest.between(0, steps))
        found |= {"truth": _columns(truth), "one_step": _columns(runs.predict(model, known).values[-steps:])}
        if np.isfinite(truth).all():
            found["vpt"] = metrics.valid_prediction_time(truth, run, training.deviation)
    return found


def compute_views(rnn: RNN, training: Series, rest: Series | None) -> JSON:
    """Compute attractor, spectra and return map of data and free run, and error growth,
    of the first channel.

    The values of a free run that diverges are NaN.
    """
    truth = training.values[-STATES:]
    run = runs.free_run(rnn.model_, len(truth)).values
    run = run if metrics.within_bounds(run) else np.full_like(run, np.nan)
    found: JSON = {}
    delay = metrics.quarter_period(truth[:, 0])
    for name, values in (("truth", truth), ("run", run)):
        states = metrics.embedded(values[:, 0], 3, delay)
        spectrum = metrics.power_spectrum(values[:, :1], smoothing=4.0)[:, 0]
        found[name] = {
            "states": _round(states),
            "spectrum": _round(spectrum),
            "return_map": _round(metrics.return_map(values[:, 0])),
        }
    found["delay"] = delay
    if rest is not None and len(rest) >= 60:
        horizon = min(300, len(rest) // 2)
        joined = training.joined(rest)
        found["growth"] = _round(evaluation.error_growth(rnn.model_, joined, len(training), horizon))
    return found


def compute_scores(rnn: RNN, training: Series, rest: Series | None) -> JSON:
    """Compute the scores on the steps after the split; scores that need more steps are left out."""
    scores: JSON = {"training_mse": rnn.history_.training_mse[-1]}
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
    """Train the run of a folder, and write its results.

    Raises:
        FreerunError: training fails before there are weights.
        KeyboardInterrupt: training is interrupted before there are weights.
    """
    job = read_note(folder, "job")
    series = Series.read(folder / "series.npz")
    training, rest = series.split(job["split"]) if job["split"] < len(series) else (series, None)
    settings: JSON = {n: tuple(v) if isinstance(v, list) else v for n, v in job["settings"].items()}
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
    write_note(folder, "live", compute_live(rnn.model_, training, rest))
    scores = compute_scores(rnn, training, rest) | {"seconds": time.monotonic() - began}
    write_note(folder, "views", compute_views(rnn, training, rest))
    write_note(folder, "result", {"state": state, "message": message, "scores": scores})


def _columns(values: np.ndarray) -> list[list[float | None]]:
    """Return one list per channel, with None for missing values."""
    return [[float(x) if np.isfinite(x) else None for x in column] for column in np.asarray(values).T]


def _round(values: np.ndarray) -> Any:
    """Round to six digits, more than a screen shows, with None for missing values."""
    return np.vectorize(lambda x: float(f"{x:.6g}") if np.isfinite(x) else None, otypes=[object])(values).tolist()


def main() -> None:
    """Train the run, and write how it ended."""
    folder = Path(sys.argv[1])
    try:
        train(folder)
    except KeyboardInterrupt:
        write_note(
            folder, "result", {"state": "stopped", "message": "stopped before there were any weights", "scores": {}}
        )
    except FreerunError as error:
        write_note(folder, "result", {"state": "failed", "message": str(error), "scores": {}})


if __name__ == "__main__":
    main()
