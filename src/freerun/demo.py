"""`freerun demo`: train four networks on one series, compare them, and write a report.

The first two repeat the tutorial "Recurrent Neural Networks in Theano": 15 tanh units
trained by gradient descent, then by BFGS from the weights that gradient descent reached.
The third has the same 15 units and is trained for free runs. The fourth is freerun's
default. The last two choose parameters that are not given by free runs on the last part of
the training series, never by later data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freerun import plots, systems
from freerun.data.series import Series
from freerun.errors import SeriesError
from freerun.estimator import RNN
from freerun.files.writing import json_text, replacing
from freerun.forecasting import evaluation
from freerun.forecasting.evaluation import Evaluation
from freerun.reporting.page import Report
from freerun.settings import Value
from freerun.training.history import ProgressCallback

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINING_SHARE = 0.75
"""Share of the series that is trained on: 1500 of 2000 steps in the tutorial."""

SHORTEST = 60
"""Least length of a series in steps, of which 45 are trained on."""

TUTORIAL: dict[str, Value] = {"hidden": 15, "cell": "simple", "direct": False, "initial": "tutorial", "l2": 1e-4}
"""The tutorial's network and its L2 penalty."""

DESCENT: dict[str, Value] = TUTORIAL | {"optimizer": "sgd", "learning_rate": 0.3, "epochs": 1001}
"""The tutorial's network trained by gradient descent, its first part."""

Note = Callable[[str], None]


@dataclass(frozen=True)
class Chapter:
    """One trained network and its section of the report.

    Attributes:
        name: short name for tables.
        title: heading of the section.
        text: paragraph on how the network was trained.
        rnn: the trained network.
        seconds: time of the fit, including the selection of parameters.
        scores: on the steps after the training part.
        run: free run over those steps.
    """

    name: str
    title: str
    text: str
    rnn: RNN
    seconds: float
    scores: Evaluation
    run: Series

    @property
    def row(self) -> list[str]:
        """The row of this network in the table of results, see `HEAD`."""
        history, scores = self.rnn.history_, self.scores
        held = f"{scores.vpt}{scores.held}"
        return [
            self.name,
            f"{history.training_mse[-1]:.2e}",
            f"{history.validation_mse[-1]:.2e}",
            held,
            "-" if scores.nrmse84 is None else f"{scores.nrmse84:.2g}",
            f"{self.seconds:.1f}",
        ]


HEAD = ["network", "training MSE", "validation MSE", "steps the free run holds", "NRMSE84", "seconds"]
"""Header of the table of results; the MSE is in squared units of the series."""


def demo_series(name: str) -> Series:
    """Return the series of the demo.

    Args:
        name: the name of a synthetic series (see `freerun.systems.make`), or the path of a file.

    Raises:
        SeriesError: the file cannot be read, or has fewer than `SHORTEST` steps.
        SettingError: there is no synthetic series of that name.
    """
    series = Series.read(name) if Path(name).suffix else systems.make(name, 2000, **_seed_of(name))
    if len(series) < SHORTEST:
        raise SeriesError(f"{name} has {len(series)} steps; the demo needs {SHORTEST} or more")
    return series


def train_chapters(series: Series, note: Note, watch: ProgressCallback) -> list[Chapter]:
    """Train the four networks on the first three quarters of a series, and score them on the rest.

    Args:
        series: at least `SHORTEST` steps.
        note: called with a line of text before each network is trained.
        watch: called with the progress of training.
    """
    start = int(TRAINING_SHARE * len(series))
    training, validation = series.split(start)
    # The tutorial's series lies within -1 and 1 and is not scaled; others are standardized.
    standardize = bool(np.abs(series.values).max() > 1)

    def chapter(name: str, title: str, text: str, rnn: RNN, seconds: float) -> Chapter:
        return Chapter(name, title, text, rnn, seconds, *evaluation.evaluate(rnn.model_, series, start))

    def fit(rnn: RNN, warm_start: bool = False) -> tuple[RNN, float]:
        began = time.perf_counter()
        rnn.fit(training, validation, warm_start=warm_start, progress=watch)
        return rnn, time.perf_counter() - began

    note("gradient descent, as in the tutorial")
    tutorial = RNN(**DESCENT, standardize=standardize)
    descent, seconds = fit(tutorial)
    chapters = [
        chapter(
            "tutorial: gradient descent",
            "The tutorial's gradient descent",
            "15 tanh units, 1001 epochs at a learning rate of 0.3, penalty 1e-4. The one-step predictions look good. "
            "The free run leaves the data almost at once.",
            descent,
            seconds,
        )
    ]
    note("BFGS from those weights")
    bfgs = RNN(**TUTORIAL, optimizer="bfgs", epochs=2000, standardize=standardize)
    bfgs.model_ = descent.model_
    _, seconds = fit(bfgs, warm_start=True)
    chapters.append(
        chapter(
            "tutorial: then BFGS",
            "Then BFGS",
            "It starts from the weights of gradient descent, with the same objective. (The tutorial's own BFGS left "
            "the penalty out of its objective but not out of its gradient, and stopped after 5 iterations.)",
            bfgs,
            seconds,
        )
    )
    note("the same 15 units, trained for free runs")
    small, seconds = fit(RNN(hidden=15))
    chapters.append(
        chapter(
            "freerun: 15 units",
            "The same 15 units, trained for free runs",
            f"15 tanh units that read the values at {_lags_of(small)}, trained by Levenberg-Marquardt: on one-step "
            "errors first, then on free runs of growing length. Of 4 networks from different seeds, this one had the "
            "best free runs over the last quarter of the training series; the validation part was not used.",
            small,
            seconds,
        )
    )
    note("freerun's default: settings chosen by free runs, the readout solved exactly")
    default, seconds = fit(RNN())
    best = default.model_.best.settings
    features = (
        f"the monomials of degree 2 to {best.degree} of"
        if best.cell == "polynomial"
        else f"{best.hidden} random tanh units ({best.cell}) that are not trained and read"
    )
    chapters.append(
        chapter(
            "freerun: default",
            "freerun's default",
            f"{features} the values at {_lags_of(default)}, direct connections, and a readout solved exactly by ridge "
            "regression. Window, weights and penalty were chosen by free runs over the last quarter of the training "
            "series; the validation part was not used.",
            default,
            seconds,
        )
    )
    return chapters


def _lags_of(rnn: RNN) -> str:
    """Describe the lags that a network reads."""
    lags = rnn.model_.best.settings.lags
    if len(lags) == 1:
        return "lag 0, the current step"
    return f"{len(lags)} lags, {min(lags)} to {max(lags)} steps back"


def write_report(chapters: list[Chapter], series: Series, name: str, folder: Path) -> None:
    """Write report.html, its pictures, report.json and model.freerun, the last chapter's network,
    to a folder.

    Args:
        chapters: what `train_chapters` returned.
        series: the series that it was given.
        name: name of the series in the report.
        folder: an existing folder.

    Raises:
        OutputError: a file cannot be written.
    """
    start = chapters[0].scores.start
    before, truth = series.split(start)
    report = Report(f"freerun: {name}")
    report.text(
        f"A recurrent network learns {name} one step ahead. Then it runs free: it reads its own output and continues "
        f"the series. It was trained on {start} of {len(series)} steps. The mean squared errors (MSE) are "
        "of one-step predictions, in squared units of the series. A free run holds while its error stays below 0.4 "
        "standard deviations; NRMSE84 is its error at the 84th step over the standard deviation, root mean square over "
        f"{chapters[0].scores.nrmse84_starts} starts."
    )
    report.table(HEAD, [chapter.row for chapter in chapters])

    def picture(figure: Figure, file: str, description: str) -> None:
        plots.save(figure, folder / f"{file}.png")
        report.picture(figure, description)

    report.heading("The series")
    picture(plots.data(series, start), "series", f"The series {name}, with the end of the training part marked")
    for number, chapter in enumerate(chapters, 1):
        history = chapter.rnn.history_
        report.heading(f"{number}. {chapter.title}")
        report.text(chapter.text)
        if len(history.epochs) > 2:
            report.text(f"{history.epochs[-1]} epochs in {history.seconds:.1f} s; {history.stopped}.")
            picture(plots.losses(history), f"{number}-losses", "Training and validation error over the epochs")
        window = series.between(max(0, start - 150), min(len(series), start + 150))
        predictions = chapter.rnn.predict(series).between(max(0, start - 150), min(len(series), start + 150) - 1)
        picture(
            plots.one_step(window, predictions, start - max(0, start - 150)),
            f"{number}-one-step",
            "One-step predictions against the data around the end of the training part",
        )
        shown = min(len(truth), max(200, chapter.scores.vpt + 50))
        picture(
            plots.free_run(chapter.run.between(0, shown), before, truth.between(0, shown), chapter.scores.vpt),
            f"{number}-free-run",
            f"The free run and the true values; it holds {chapter.scores.vpt} steps",
        )
    report.save(folder / "report.html")
    chapters[-1].rnn.save(folder / "model.freerun")
    summary = {"series": name, "steps": len(series), "chapters": [_summary(chapter) for chapter in chapters]}
    with replacing(folder / "report.json") as temporary:
        temporary.write_text(json_text(summary) + "\n", encoding="utf-8")


def _summary(chapter: Chapter) -> dict[str, object]:
    history = chapter.rnn.history_
    return {
        "name": chapter.name,
        "settings": chapter.rnn.model_.best.settings.model_dump(mode="json"),
        "training_mse": history.training_mse[-1],
        "validation_mse": history.validation_mse[-1],
        "epochs": history.epochs[-1],
        "stopped": history.stopped,
        "seconds": round(chapter.seconds, 3),
        **asdict(chapter.scores),
    }


def _seed_of(name: str) -> dict[str, int]:
    return {"seed": 0} if name in ("mackey-glass", "multiple-sines") else {}
