"""Many series together: the shared readout is the regression that it says,
and helps where series are alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun.data.series import Series
from freerun.errors import ModelFileError, SeriesWarning, SettingError
from freerun.many import SharedModel, chunks, running
from freerun.many.shared import FEW, PENALTY, Group, Moments, SharedReadout, solve
from freerun.many.states import lags_of, states_of
from freerun.many.together import groups_of
from freerun.network import numpy_runs, smoothing
from freerun.network.cells import SmoothingCell
from freerun.network.shape import Shape
from freerun.settings import Settings, Together

Past = np.ndarray

HOW: tuple[Together, ...] = ("local", "auto", "shared")


def ar(count: int, steps: int, seed: int = 0, phi: float = 0.6) -> tuple[list[Past], list[Past]]:
    """Series of one autoregressive process of order 1 around 0: pasts,
    and the 4 steps after each."""
    random = np.random.default_rng(seed)
    values = np.zeros((count, steps + 54))
    for t in range(1, steps + 54):
        values[:, t] = phi * values[:, t - 1] + random.normal(size=count)
    return list(values[:, 50:-4]), list(values[:, -4:])


def long(pasts: Sequence[Past], freq: str = "YS", **columns: Any) -> pd.DataFrame:
    """A table in long format; further columns have one value for each series."""
    tables = [
        pd.DataFrame(
            {"unique_id": f"s{i:03d}", "ds": pd.date_range("1990-01-01", periods=len(past), freq=freq), "y": past}
            | {name: values[i] for name, values in columns.items()}
        )
        for i, past in enumerate(pasts)
    ]
    return pd.concat(tables, ignore_index=True)


def forecasts(table: pd.DataFrame, horizon: int, together: Together, **given: Any) -> np.ndarray:
    found = freerun.forecast_many(
        table, horizon, target="y", together=together, workers=1, season=0, cell="smoothing", **given
    )
    return found.forecasts.y.to_numpy().reshape(-1, horizon)


def test_the_readout_is_the_ridge_regression_of_rows_built_by_hand():
    pasts = [past[: 20 + 3 * i] for i, past in enumerate(ar(6, 40)[0])]
    pasts[2][7] = np.nan
    several = [states_of(past, (), {}) for past in pasts]
    readout = solve(Moments.of(several, 5))
    lengths = sorted(map(len, pasts))
    middle = (lengths[2] + lengths[3]) / 2
    for ahead in range(1, 6):
        rows, targets = [], []
        for past, states in zip(pasts, several, strict=True):
            for t in range(max(1, len(past) // 10), len(past) - ahead):
                if np.isfinite(past[t + ahead]):
                    rows.append(states.features[t])
                    targets.append(past[t + ahead] / states.scale - states.level[t])
        features, wanted = np.array(rows), np.array(targets)
        scaled = (features - features.mean(axis=0)) / features.std(axis=0)
        penalty = PENALTY / (middle - ahead) * (1 + FEW / 6) * len(rows)
        whole = np.concatenate([scaled, np.sqrt(penalty) * np.eye(scaled.shape[1])])
        expected = np.linalg.lstsq(whole, np.concatenate([wanted - wanted.mean(), np.zeros(scaled.shape[1])]))[0]
        np.testing.assert_allclose(readout.weights[ahead - 1], expected, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(readout.bias[ahead - 1], wanted.mean(), rtol=1e-9)
        errors = wanted - wanted.mean() - scaled @ expected
        np.testing.assert_allclose(readout.error[ahead - 1], np.sqrt((errors**2).mean()), rtol=1e-9)


def test_states_are_the_last_changes_and_those_of_smoothers_weighted_by_likelihood():
    past = ar(1, 50)[0][0]
    states = states_of(past, (), {"size": 3.0})
    scale = np.abs(np.diff(past)).mean()
    assert states.scale == pytest.approx(scale)
    assert not states.log
    assert states.names[0] == "change 0"
    assert states.names[-1] == "size"
    np.testing.assert_allclose(states.features[2:, :3][-1], np.diff(past)[::-1][:3] / scale)
    assert (states.features[:, -1] == 3.0).all()
    grid = smoothing.gains(0, slopes=True)
    kept = smoothing.Gains(*(getattr(grid, name)[grid.damping < 1] for name in ("level", "trend", "damping", "season")))
    network = smoothing.network_of(Shape(1, len(kept), "smoothing"), kept, "float64")
    inputs = past[:, None] / scale
    solved = smoothing.SmootherErrors.along(network, inputs).solved(network)
    (cell,) = solved.cells
    assert isinstance(cell, SmoothingCell)
    _, level, _, _ = numpy_runs.read(solved, inputs).carries[0]
    np.testing.assert_allclose(states.level, (level @ solved.readout)[:, 0], rtol=1e-9)


def test_a_season_and_a_logarithm_are_taken_off_and_put_back():
    random = np.random.default_rng(0)
    season = np.tile([0.3, 0.0, -0.2, -0.1], 30)
    past = np.exp(3 + season + random.normal(0, 0.01, 120))[3:]
    states = states_of(past, (4,), {})
    assert states.log
    assert lags_of((4,)) == 9
    np.testing.assert_allclose(states.terms, [-0.1, 0.3, 0.0, -0.2], atol=0.02)
    np.testing.assert_allclose(
        states.undo(np.full(4, 3 / states.scale)), np.exp(3 + np.array([0.3, 0, -0.2, -0.1])), rtol=0.02
    )


def test_sums_are_the_same_for_any_division_into_chunks():
    several = [states_of(past, (), {"kind=a": 1.0} if i % 2 else {}) for i, past in enumerate(ar(9, 30)[0])]
    whole = Moments.of(several, 4)
    parts = Moments.of(several[:1], 4).plus(Moments.of(several[1:4], 4)).plus(Moments.of(several[4:], 4))
    order = [*(parts.names.index(name) for name in whole.names), -1]
    np.testing.assert_allclose(parts.gram[:, order][:, :, order], whole.gram, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(parts.cross[:, order], whole.cross, rtol=1e-9, atol=1e-9)
    assert parts.lengths == whole.lengths


@pytest.mark.slow
def test_workers_and_chunks_do_not_change_forecasts(monkeypatch):
    table = long(ar(40, 25)[0])
    expected = forecasts(table, 3, "shared")
    monkeypatch.setattr(running, "FEW_ROWS", 0)
    monkeypatch.setattr(chunks, "FEWEST_CHUNKS", 3)
    found = freerun.forecast_many(table, 3, target="y", together="shared", workers=2, season=0, cell="smoothing")
    np.testing.assert_allclose(found.forecasts.y.to_numpy().reshape(-1, 3), expected, rtol=1e-9)


def test_dask_workers_forecast_together_as_one_process_does(monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(running, "FEW_ROWS", 0)
    monkeypatch.setattr(chunks, "FEWEST_CHUNKS", 3)
    table = long(ar(40, 25)[0])
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50, processes=True
    ) as cluster:
        address = cluster.scheduler_address
        found = freerun.forecast_many(
            table,
            3,
            target="y",
            together="shared",
            scheduler=address,
            output=tmp_path / "f.parquet",
            season=0,
            cell="smoothing",
        )
    np.testing.assert_allclose(found.forecasts.y.to_numpy().reshape(-1, 3), forecasts(table, 3, "shared"), rtol=1e-9)


def test_short_series_of_one_process_are_forecast_better_together_than_alone():
    pasts, futures = ar(100, 12)
    table, truth = long(pasts), np.array(futures)
    alone, shared = (np.abs(forecasts(table, 4, how) - truth).mean(axis=1) for how in ("local", "shared"))
    best = np.abs(np.array([past[-1] * 0.6 ** np.arange(1, 5) for past in pasts]) - truth).mean()
    assert shared.mean() < 0.92 * alone.mean()
    assert shared.mean() < 1.2 * best
    auto = np.abs(forecasts(long(pasts[:50]), 4, "auto") - truth[:50]).mean()
    assert auto < 0.97 * alone[:50].mean()


def test_intervals_cover_what_they_say():
    """Errors of smoothers have heavier tails than this process: its 80 % intervals are narrow,
    its 95 % ones wide."""
    pasts, futures = ar(150, 30, seed=1)
    table = long(pasts)
    truth = np.concatenate(futures)
    cases: list[tuple[Together, int]] = [("shared", 150), ("auto", 60)]
    for together, count in cases:
        few = table[table.unique_id < f"s{count:03d}"]
        found = freerun.forecast_many(
            few, 4, levels=(80, 95), together=together, workers=1, season=0, cell="smoothing"
        ).forecasts
        for level, low, high in ((80, 0.72, 0.88), (95, 0.92, 0.99)):
            inside = found[f"y_low_{level}"].le(truth[: 4 * count]) & found[f"y_high_{level}"].ge(truth[: 4 * count])
            assert low < inside.mean() < high
        assert (found.y_low_95 < found.y_low_80).all()
        assert (found.y_low_80 < found.y).all()


@pytest.mark.filterwarnings("ignore:.*steps of different lengths")
def test_few_series_are_forecast_alone_and_other_frequencies_do_not_count():
    pasts, _ = ar(29, 30)
    table = pd.concat([long(pasts[:27]), long(pasts[27:], "MS").replace({"s000": "m0", "s001": "m1"})])
    found = freerun.forecast_many(table, 3, workers=1, cell="smoothing")
    alone = freerun.forecast_many(table, 3, workers=1, cell="smoothing", together="local")
    pd.testing.assert_frame_equal(found.forecasts, alone.forecasts)
    assert found.summary.methods == {"exponential smoothing": 29}
    assert alone.shared is None


def test_series_are_refused_as_before_and_take_no_part():
    pasts, _ = ar(32, 30)
    table = long(pasts)
    constant = long([np.full(30, 7.0)]).replace({"s000": "constant"})
    given: dict[str, Any] = {"workers": 1, "season": 0, "cell": "smoothing"}
    for together in HOW[1:]:
        with pytest.warns(SeriesWarning, match="1 of 33 series were refused"):
            found = freerun.forecast_many(pd.concat([table, constant]), 3, together=together, **given)
        assert found.refused.reason.tolist() == ["channel 'y' is constant; leave it out"]
        without = freerun.forecast_many(table, 3, together=together, **given)
        pd.testing.assert_frame_equal(found.forecasts, without.forecasts)


@pytest.mark.parametrize("together", HOW)
def test_a_series_that_begins_with_missing_values_is_that_from_its_first_value_on(together):
    pasts, _ = ar(32, 60)
    late = [np.r_[np.full(40, np.nan), pasts[0][40:]], *pasts[1:]]
    table = long(late, "MS")
    cut = table[table.index >= 40]
    given: dict[str, Any] = {"workers": 1, "cell": "smoothing", "together": together}
    found, known = (freerun.forecast_many(one, 3, **given) for one in (table, cut))
    assert found.refused.empty
    pd.testing.assert_frame_equal(found.forecasts, known.forecasts)


def test_intervals_of_counts_that_reach_down_to_zero_still_do():
    random = np.random.default_rng(0)
    table = long([random.poisson(1, 40) for _ in range(32)], "MS")
    given: dict[str, Any] = {"workers": 1, "cell": "smoothing", "levels": 80}
    alone, both = (freerun.forecast_many(table, 3, together=how, **given).forecasts for how in HOW[:2])
    at_zero = alone.y_low_80 == 0
    assert at_zero.sum() > 10
    assert (both.y_low_80[at_zero] == 0).all()
    assert (both.y_low_80 <= both.y).all()
    assert (both.y <= both.y_high_80).all()


def test_a_static_covariate_tells_the_readout_what_the_past_does_not():
    random = np.random.default_rng(3)
    drift = np.repeat([0.8, -0.8], 40)
    walks = np.cumsum(drift[:, None] + random.normal(0, 1.5, (80, 16)), axis=1)
    pasts, truth = list(walks[:, :12]), walks[:, 12:]
    table = long(pasts, kind=["up"] * 40 + ["down"] * 40, size=drift)
    without, kinds, sizes = (
        np.abs(forecasts(table.filter(["unique_id", "ds", "y", *static]), 4, "shared", static=static) - truth).mean()
        for static in ([], ["kind"], ["size"])
    )
    assert kinds < 0.97 * without
    assert sizes < 0.97 * without


def test_a_static_covariate_that_changes_or_is_missing_leaves_its_series_alone():
    table = long(ar(32, 30)[0], kind=["a", "b"] * 16)
    table.loc[3, "kind"] = "b"
    table.loc[40, "kind"] = None
    found = freerun.forecast_many(table, 3, static="kind", workers=1, season=0, cell="smoothing")
    assert found.summary.methods == {"exponential smoothing and shared readout": 30, "exponential smoothing": 2}
    assert [text.partition(";")[0] for text in found.summary.warnings] == [
        "the static covariate 'kind' changes from a to b",
        "the static covariate 'kind' is missing",
    ]
    with pytest.warns(SeriesWarning, match="2 of 32 series were refused"):
        freerun.forecast_many(table, 3, static="kind", workers=1, season=0, together="shared")


def test_hundreds_of_categories_are_refused():
    table = long(ar(310, 12)[0], kind=[f"kind {i}" for i in range(310)])
    with pytest.raises(SettingError, match="at most 300 features"):
        freerun.forecast_many(table, 3, static="kind", workers=1, together="shared")


def test_years_have_no_season_and_months_have_one_however_short_the_series():
    settings = Settings.checked()
    past = 10 + np.tile([3.0, 0.0, 0.0, 0.0, 0.0], 12) + ar(1, 60)[0][0] / 100
    for freq, steps, periods in (("YS", 60, ()), ("MS", 15, (12,)), ("h", 60, (24, 168)), ("15min", 60, (5,))):
        series = Series.of(long([past[:steps]], freq)[["ds", "y"]])
        assert groups_of(series, settings) == [Group(freq, periods, "y")]
        assert groups_of(series, settings.with_(season=7)) == [Group(freq, (7,), "y")]


def test_months_of_little_more_than_a_season_learn_it_from_each_other():
    random = np.random.default_rng(0)
    season = np.sin(2 * np.pi * np.arange(40) / 12)
    panel = 20 + 4 * random.uniform(0.8, 1.2, (12, 1)) * season + random.normal(0, 0.5, (12, 40))
    table = long(list(panel[:, :15]), "MS")
    errors = {}
    for together in HOW[:2]:
        found = freerun.forecast_many(table, 12, together=together, workers=1, cell="smoothing").forecasts
        errors[together] = np.abs(found.y.to_numpy().reshape(12, 12) - panel[:, 15:27]).mean()
    assert errors["auto"] < 0.8 * errors["local"]


def test_a_shared_model_forecasts_new_series_without_a_fit(tmp_path):
    table, file = long(ar(40, 30)[0]), tmp_path / "yearly.shared"
    first = freerun.forecast_many(
        table, 4, target="y", shared=file, together="shared", workers=1, season=0, cell="smoothing"
    )
    assert isinstance(first.shared, SharedModel)
    new, _ = ar(3, 12, seed=5)
    found = forecasts(long(new), 4, "shared", shared=file)
    np.testing.assert_array_equal(found, forecasts(long(new), 4, "shared", shared=first.shared))
    ((group, readout),) = SharedModel.load(file).readouts.items()
    assert group == Group("YS", (), "y")
    states = states_of(new[0], (), {})
    np.testing.assert_allclose(found[0], states.undo(readout.forecast(states, 4)))
    with pytest.warns(SeriesWarning, match="no shared readout is for series with the frequency MS and no season"):
        freerun.forecast_many(long(new, "MS"), 4, shared=file, together="shared", workers=1, season=0, cell="smoothing")


def test_later_steps_stay_where_the_last_readout_leaves_them_and_their_errors_grow():
    states = states_of(ar(1, 30)[0][0], (), {})
    readout = solve(Moments.of([states], 30))
    assert isinstance(readout, SharedReadout)
    assert len(readout.bias) == 10
    ahead = readout.forecast(states, 40)
    assert np.ptp(ahead[9:]) == 0
    np.testing.assert_allclose(readout.errors(40)[39], 2 * readout.error[9])


@pytest.mark.slow
def test_a_run_is_resumed_unless_any_series_has_changed(tmp_path):
    table, output = long(ar(32, 30)[0]), tmp_path / "f.csv"

    class StoppedError(Exception):
        pass

    def stop(said: Any) -> None:
        if said.task == "series" and said.done >= 8:
            raise StoppedError

    given: dict[str, Any] = {"workers": 1, "season": 0, "cell": "smoothing", "output": output}
    with pytest.raises(StoppedError):
        freerun.forecast_many(table, 3, **given, progress=stop)
    assert freerun.forecast_many(table, 3, **given).summary.resumed == 8
    with pytest.raises(StoppedError):
        freerun.forecast_many(table, 3, **given, progress=stop)
    table.loc[table.unique_id == "s031", "y"] += 1.0  # all series share the readout
    with pytest.warns(SeriesWarning, match="made anew"):
        assert freerun.forecast_many(table, 3, **given).summary.resumed == 0


def test_what_does_not_go_together_is_said_before_any_work(tmp_path):
    table = long(ar(3, 20)[0], price=[1.0, 2.0, 3.0])
    with pytest.raises(SettingError, match="read no external inputs"):
        freerun.forecast_many(table, 3, target="y", inputs="price", together="shared")
    with pytest.raises(SettingError, match="settings of a network"):
        freerun.forecast_many(table, 3, target="y", static="price", hidden=10)
    with pytest.raises(SettingError, match="leave out static covariates"):
        freerun.forecast_many(table, 3, target="y", static="price", together="local")
    with pytest.raises(SettingError, match="give one of auto, local, shared"):
        freerun.forecast_many(table, 3, target="y", together="both")  # pyright: ignore[reportArgumentType]
    (tmp_path / "other").write_text("no model")
    with pytest.raises(ModelFileError, match="not a freerun file"):
        freerun.forecast_many(table, 3, target="y", shared=tmp_path / "other")


def test_the_command_forecasts_together(run, tmp_path):
    long(ar(31, 20)[0], region=["north", "south"] * 15 + ["north"]).to_parquet(tmp_path / "sales.parquet")
    line = "forecast sales.parquet --horizon 3 --target y --workers 1 -o f.parquet --json"
    status, out, err = run(f"{line} --together shared --static region --shared-model all.shared")
    assert (status, err.count("error")) == (0, 0)
    assert '"shared readout": 31' in out
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 93
    assert "region=north" in next(iter(SharedModel.load(tmp_path / "all.shared").readouts.values())).names
    status, _, err = run("forecast sales.parquet --horizon 3 --id unique_id=s001 --target y --together shared")
    assert status == 2
    assert "--together" in err
