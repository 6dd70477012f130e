"""Pictures show what they are given: the right curves at the right times, with legends."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import Series, plots
from freerun.errors import OutputError
from freerun.training.history import History

SERIES = Series(np.sin(np.arange(60) * 0.3), ("tide",), dt=0.5)


def curves(axes: Any) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in axes.lines if not line.get_label().startswith("_")}


def labels(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_one_step_predictions_lie_at_the_steps_they_predict():
    figure = plots.one_step(SERIES, SERIES.between(1), boundary=40)
    drawn = curves(figure.axes[0])
    np.testing.assert_array_equal(drawn["one-step prediction"], drawn["data"][1:])
    assert np.asarray(figure.axes[0].lines[-1].get_xdata())[0] == 20.0
    assert figure.axes[-1].get_xlabel() == "time"


def test_a_free_run_begins_where_the_data_end():
    before, truth = SERIES.split(40)
    figure = plots.free_run(truth, before, truth, vpt=7)
    assert labels(figure) == ["data", "free run", "holds 7 steps"]
    assert curves(figure.axes[0])["free run"][0, 0] == 20.0
    assert curves(figure.axes[0])["data"][-1, 0] == 20.0


def test_data_are_drawn_as_users_have_them():
    """Of an array, the true values are those of the first steps of the run,
    as of a series with times."""
    months = pd.date_range("2020-01-01", periods=72, freq="MS")
    values = 20 + np.sin(np.arange(72) / 2)
    known = pd.Series(values[:60], months[:60], name="sales")
    rnn = freerun.RNN(cell="smoothing").fit(known)
    table, run = rnn.forecast(12, 80), rnn.generate(12)
    for figure in (plots.forecast(table, known, (80,), values[60:]), plots.free_run(run, known, values[60:])):
        (axes,) = figure.axes
        drawn = [np.asarray(line.get_ydata(), float) for line in axes.lines]
        at = [np.asarray(line.get_xdata()) for line in axes.lines]
        place = next(i for i, one in enumerate(drawn) if np.array_equal(one, values[60:]))
        assert (at[place] == months[60:].to_numpy()).all()
        data = next(line for line in axes.lines if line.get_label() == "data")
        assert (np.asarray(data.get_ydata())[-2:] == values[59:61]).all()  # without a gap before the true values
    np.testing.assert_array_equal(plots.data(known).axes[0].lines[0].get_ydata(), known)


def test_each_channel_has_its_axes():
    series = Series(np.random.default_rng(0).normal(size=(30, 3)), ("x", "y", "z"))
    figure = plots.free_run(series.between(20), series.between(0, 20))
    assert [axes.get_ylabel() for axes in figure.axes] == ["x", "y", "z"]


def test_losses_are_drawn_for_training_and_validation():
    figure = plots.losses(History([1.0, 0.1], [0, 2], [1.0, 0.1], [1.0, 0.2]))
    assert labels(figure) == ["training", "validation"]
    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_pictures_are_written_in_the_format_of_their_suffix(tmp_path, suffix, start):
    plots.save(plots.data(SERIES), tmp_path / f"p.{suffix}")
    assert (tmp_path / f"p.{suffix}").read_bytes().startswith(start)


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"unknown picture format '\.gif'"):
        plots.save(plots.data(SERIES), tmp_path / "p.gif")


def test_an_attractor_of_one_channel_is_drawn_against_itself_a_quarter_period_ago():
    wave = Series(np.sin(2 * np.pi * np.arange(400) / 40), ("tide",))
    left, right = plots.attractor(wave, wave).axes
    for axes in (left, right):
        x, y = np.asarray(axes.lines[0].get_xydata()).T
        np.testing.assert_allclose(x**2 + y**2, 1, atol=1e-9)  # a quarter of the period makes a circle
    assert left.get_ylabel() == "tide (t - 10 steps)"


def test_spectra_peak_where_the_waves_are():
    wave = Series(np.sin(2 * np.pi * np.arange(4000) / 16), ("tide",))
    drawn = curves(plots.spectra(wave, wave).axes[0])
    assert drawn["data"][np.argmax(drawn["data"][:, 1]), 0] == pytest.approx(1 / 16, abs=0.002)


def test_error_growth_shows_median_and_threshold():
    errors = np.outer([1.0, 2.0, 3.0], np.geomspace(0.01, 1, 20))
    figure = plots.error_growth(errors)
    np.testing.assert_allclose(curves(figure.axes[0])["median"][:, 1], errors[1])
    assert "threshold of the VPT, 0.4" in labels(figure)


def test_a_return_map_holds_every_pair_of_maxima():
    wave = Series(np.sin(2 * np.pi * np.arange(200) / 20), ("tide",))  # ten maxima
    assert len(curves(plots.return_map(wave, wave).axes[0])["data"]) == 9


def test_losses_show_free_runs_where_they_were_measured():
    history = History([1.0, 0.5], [0, 1], [1.0, 0.5], [], [0.9, 0.3])
    assert labels(plots.losses(history)) == ["training", "free runs (mean error, at most 1 sd)"]
