"""The picture of docs/fields.md: python docs/site/fields.py (a minute on two cores)."""

from pathlib import Path

import freerun
from freerun import metrics, plots

PICTURE = Path(__file__).parents[1] / "pictures" / "field.png"

STEPS = 1100
"""Steps of the free run; 83 are a Lyapunov time."""


def main() -> None:
    """Learn the Kuramoto-Sivashinsky equation, run free, and draw it beside the truth."""
    train, test = freerun.systems.kuramoto_sivashinsky(10_000 + STEPS, seed=5).split(10_000)
    rnn = freerun.RNN(
        2000,
        neighbours=10,
        cell="memoryless",
        delays=4,
        difference=0,
        input_scale=0.3,
        input_noise=1e-4,
        l2=1e-11,
    ).fit(train)
    run = rnn.generate(STEPS)
    vpt = metrics.valid_prediction_time(test.values, run.values, train.values.std(axis=0))
    print(f"holds {vpt} steps")
    plots.save(plots.field(run, test, vpt, "Kuramoto-Sivashinsky: free run of one network for all sites"), PICTURE)


if __name__ == "__main__":
    main()
