"""The pictures of docs/benchmarks/quality.md: `python benchmarks/pictures.py`.

freerun's default on the tutorial's series, trained on 1500 steps, and 15 units trained for free runs.
"""

from __future__ import annotations

from pathlib import Path

import freerun
from freerun import plots
from freerun.forecasting import evaluation

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks" / "pictures"


def main() -> None:
    """Train, and draw."""
    FOLDER.mkdir(exist_ok=True)
    series = freerun.systems.mackey_glass(5500, seed=0)
    training, truth = series.split(1500)
    small = freerun.RNN(15).fit(training)
    plots.save(
        plots.losses(small.history_, "15 units: training, and free runs on the held-out steps"), FOLDER / "losses.png"
    )
    rnn = freerun.RNN().fit(training)
    scores, run = evaluation.evaluate(rnn.model_, series, 1500)
    shown = 2000
    plots.save(
        plots.free_run(run.between(0, shown), training, truth.between(0, shown), scores.vpt, "The default's free run"),
        FOLDER / "free-run.png",
    )
    growth = evaluation.error_growth(rnn.model_, series, 1500, 2000)
    plots.save(plots.error_growth(growth, title="How the error of free runs grows"), FOLDER / "error-growth.png")
    _, long_run = evaluation.evaluate_long_term(rnn.model_, series, 1500, scores.vpt)
    plots.save(plots.attractor(truth, long_run, title="States that data and free run visit"), FOLDER / "attractor.png")
    plots.save(plots.spectra(truth, long_run, "Power spectra"), FOLDER / "spectra.png")
    plots.save(plots.return_map(truth, long_run, "Return map"), FOLDER / "return-map.png")


if __name__ == "__main__":
    main()
