"""ONNX files: onnxruntime computes what freerun does, for every cell and shape;
and what cannot be exported."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

import freerun
from freerun import RNN, Series
from freerun.errors import FreerunError, MissingExtraError, SettingError
from freerun.forecasting import runs
from freerun.forecasting.model import Model
from freerun.forecasting.onnx_export import onnx_model
from freerun.network.cells import SmoothingCell
from freerun.network.nonlinearities import NONLINEARITIES
from freerun.settings import CellName, Ensemble, OnnxProgram

TRAINED, NEW, AHEAD = 160, 9, 12
"""Steps of the training series, steps that are read after it, and steps of a free run."""

SMALL: dict[str, Any] = {"optimizer": "ridge", "l2": 1e-4, "delays": 1, "difference": 0, "restarts": 1, "holdout": 0}
"""Settings that leave nothing to choose, so that a fit takes a fraction of a second."""

DRAWN: dict[str, Any] = {"hidden": 8, "input_scale": 0.5, "bias_scale": 0.1}
"""Settings of the weights that are drawn."""

CELLS: dict[str, dict[str, Any]] = {
    "simple": {**DRAWN, "spectral_radius": 0.9},
    "leaky": {**DRAWN, "spectral_radius": 0.9, "leak": 0.4},
    "gru": {**DRAWN, "spectral_radius": 0.9},
    "lstm": {**DRAWN, "spectral_radius": 0.9},
    "memoryless": {**DRAWN, "delays": 3},
    "plrnn": {**DRAWN, "spectral_radius": 0.9, "latent": 3},
    "clipped-plrnn": {**DRAWN, "spectral_radius": 0.9, "latent": 3},
    "polynomial": {"degree": 3, "delays": 2},
}
"""The cells but for smoothers, with what each of them needs."""


def fitted(series: Series, cell: CellName, **given: Any) -> RNN:
    """A network that has read the first steps of a series."""
    return RNN(cell=cell, **(SMALL | CELLS[cell] | given)).fit(series.between(0, TRAINED))


def waves(channels: int = 2, steps: int = TRAINED + NEW, **given: Any) -> Series:
    """Positive waves of some channels, with a little noise."""
    t, noise = np.arange(steps)[:, None], np.random.default_rng(0).normal(size=(steps, channels))
    values = 10 + 3 * np.sin(t / (4 + np.arange(channels))) + np.cos(t / 3.1 + np.arange(channels)) + 0.1 * noise
    return Series(values, **given)


class Session:
    """An ONNX model in onnxruntime."""

    def __init__(self, model: onnx.ModelProto) -> None:
        onnx.checker.check_model(model, full_check=True)
        self.session = onnxruntime.InferenceSession(model.SerializeToString())
        self.inputs = {one.name: one.shape for one in self.session.get_inputs()}

    def __call__(self, **given: Any) -> dict[str, np.ndarray]:
        """All outputs by name. What is not given is empty: the state of the file, no values,
        no steps."""
        empty = {"state": np.zeros(0), "steps": np.zeros(1, int)}
        if "values" in self.inputs:
            empty["values"] = np.zeros((0, self.inputs["values"][1]))
        feed = {name: given.get(name, empty.get(name)) for name in self.inputs}
        assert set(given) <= set(feed)
        names = [one.name for one in self.session.get_outputs()]
        return dict(zip(names, map(np.asarray, self.session.run(names, feed)), strict=True))


def session(
    model: Model, program: OnnxProgram = "run", ensemble: Ensemble = "best", after: Series | None = None
) -> Session:
    return Session(onnx_model(model, program, ensemble, after))


def agree(ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-6) -> None:
    """Up to a share of the size of the values."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


def holds(rnn: RNN, new: Series, ensemble: Ensemble = "best", tolerance: float = 1e-6) -> None:
    """Compare both programs with freerun: free runs from the training series,
    and along new steps with gaps."""
    values, names = new.values.copy(), rnn.model_.recent.input_names
    values[2:4, 0] = values[6] = np.nan
    new = replace(new, values=values)

    def run_after(read: int, steps: int) -> np.ndarray:
        model = runs.update(rnn.model_, new.between(0, read)) if read else rnn.model_
        coming = new.inputs[read : read + steps] if names else None
        return runs.generate(model, steps, inputs=coming, ensemble=ensemble).values

    ahead = {"inputs": new.inputs[:AHEAD]} if names else {}
    run = session(rnn.model_, "run", ensemble)
    agree(run(steps=np.array([AHEAD]), **ahead)["run"], run_after(0, AHEAD), tolerance)

    everything = {"inputs": new.inputs[: NEW + AHEAD]} if names else {}
    found = run(values=values, steps=np.array([AHEAD]), **everything)
    one_by_one = np.concatenate([run_after(read, 1) for read in range(NEW)])
    agree(found["predictions"], one_by_one, tolerance)
    agree(found["run"], run_after(NEW, AHEAD), tolerance)

    rest = {"inputs": new.inputs[NEW : NEW + AHEAD]} if names else {}
    again = run(state=found["state_after_values"], steps=np.array([AHEAD]), **rest)
    agree(again["run"], found["run"], tolerance)
    agree(again["state_after_run"], found["state_after_run"], tolerance)

    step = session(rnn.model_, "step", ensemble)
    state, value = step.session.run(["start"], _zeros(step))[0], np.full(new.shape[1], np.nan)
    for i in range(NEW):
        given = {"inputs": new.inputs[i]} if names else {}
        outputs = step(state=state, value=value, **given)
        agree(outputs["prediction"], one_by_one[i], tolerance)
        state, value = outputs["next_state"], values[i]


def _zeros(step: Session) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape) for name, shape in step.inputs.items()}


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_is_exported(cell):
    series = waves()
    holds(fitted(series, cell), series.between(TRAINED))


@pytest.mark.quick(nonlinearity=["softplus"])
@pytest.mark.parametrize("nonlinearity", [name for name in NONLINEARITIES if name != "tanh"])
def test_every_nonlinearity_is_exported(nonlinearity):
    series = waves(1)
    holds(fitted(series, "lstm", nonlinearity=nonlinearity, spectral_radius=0.5), series.between(TRAINED))


SHAPES: dict[str, dict[str, Any]] = {
    "layers and a window": {"cell": "leaky", "layers": 2, "delays": 3},
    "without direct connections": {"cell": "simple", "direct": False},
    "differences of logarithms": {"cell": "memoryless", "delays": 5, "difference": 1, "season": 7, "log": True},
    "a trend": {"cell": "simple", "detrend": True},
    "as it is": {"cell": "gru", "standardize": False},
    "sparse": {"cell": "simple", "hidden": 200, "initial": "delay-line"},
    "sparse, of several connections": {"cell": "leaky", "hidden": 200, "initial": "small-world", "connectivity": 0.1},
}


@pytest.mark.quick(shape=["layers and a window", "differences of logarithms", "a trend", "sparse"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_exported(shape):
    series = waves()
    rnn = fitted(series, **SHAPES[shape])
    assert rnn.model_.best.network.sparse == ("initial" in SHAPES[shape])
    holds(rnn, series.between(TRAINED))


def test_a_network_in_single_precision_keeps_it():
    series = waves()
    rnn = fitted(series, "simple", dtype="float32")
    made = onnx_model(rnn.model_)
    weights = [one for one in made.graph.initializer if list(one.dims) == [8, 8]]
    assert [one.data_type for one in weights] == [onnx.TensorProto.FLOAT]
    holds(rnn, series.between(TRAINED), tolerance=1e-5)


@pytest.mark.parametrize("cell", ["memoryless", "lstm"])
def test_external_inputs_are_given_for_each_step(cell):
    drive = np.sin(np.arange(TRAINED + NEW + AHEAD)[:, None] * [1.3, 0.7])
    series = waves().with_inputs(drive)
    series = replace(series, values=series.values + 2 * drive[: len(series)])
    rnn = fitted(series, cell)
    holds(rnn, series.between(TRAINED))
    with pytest.raises(Exception, match="Split"):
        session(rnn.model_)(steps=np.array([AHEAD]), inputs=drive[: AHEAD + 1])


FIELDS: dict[str, dict[str, Any]] = {
    "ring": {"cell": "memoryless", "delays": 2, "difference": 1},
    "grid": {"cell": "leaky", "grid": (3, 4), "boundary": "no-flux"},
}


@pytest.mark.parametrize("field", FIELDS)
def test_fields_are_exported(field):
    series = waves(12)
    if field == "ring":
        series = series.with_inputs(np.cos(np.arange(TRAINED + NEW + AHEAD)))
    holds(fitted(series, neighbours=1, **FIELDS[field]), series.between(TRAINED))


@pytest.mark.parametrize("season", [6, None])
def test_smoothers_are_exported_with_their_seasons(season):
    t = np.arange(60 + NEW)
    noise = np.random.default_rng(0).normal(size=len(t))
    series = Series((5 + 0.1 * t + 2 * np.sin(2 * np.pi * t / (season or 1000)) + 0.2 * noise)[:, None])
    rnn = RNN(cell="smoothing", season=season).fit(series.between(0, 60))
    cell = rnn.model_.best.network.cells[0]
    assert isinstance(cell, SmoothingCell)
    assert cell.period == (season or 0)
    holds(rnn, series.between(60))


@pytest.mark.quick(ensemble=["trimmed"])
@pytest.mark.parametrize("ensemble", ["mean", "median", "trimmed"])
def test_ensembles_are_combined_step_by_step(ensemble):
    series = waves()
    rnn = RNN(cell="simple", **(SMALL | CELLS["simple"] | {"members": 5, "restarts": 5, "holdout": None}))
    rnn.fit(series.between(0, TRAINED))
    holds(rnn, series.between(TRAINED), ensemble)
    if ensemble == "trimmed":
        found = session(rnn.model_, "run", "trimmed")(steps=np.array([AHEAD]))["run"]
        agree(found, rnn.forecast(AHEAD).to_numpy())


def test_counts_stay_above_zero():
    series = Series(np.round(np.maximum(0.0, 4 * np.sin(np.arange(TRAINED) / 3)))[:, None])
    rnn = fitted(series, "memoryless", l2=1e-8)
    assert rnn.model_.best.scaling.nonnegative.all()
    run = session(rnn.model_)(steps=np.array([100]))["run"]
    assert (run == 0).any()
    agree(run, rnn.generate(100).values)


def test_counts_beside_other_channels_stay_above_zero():
    steps = np.arange(TRAINED)
    counts, wave = np.round(np.maximum(0.0, 4 * np.sin(steps / 3))), 3.5 * np.cos(steps / 3)
    rnn = fitted(Series(np.stack([counts, wave], axis=1), ("sold", "warmth")), "memoryless", l2=1e-8)
    run = session(rnn.model_)(steps=np.array([100]))["run"]
    assert run.min(axis=0)[0] == 0 > run.min(axis=0)[1]
    agree(run, rnn.generate(100).values)


def test_the_open_loop_of_a_whole_series_is_that_of_predict():
    """From the state at rest, which is all zeros; what comes before a series is its first value."""
    series = waves()
    rnn = fitted(series, "lstm", delays=2)
    step = session(rnn.model_, "step")
    depth, state, found = rnn.model_.best.network.depth, np.zeros(step.inputs["state"]), []
    for value in np.concatenate([np.repeat(series.values[:1], depth, axis=0), series.values[:-1]]):
        outputs = step(state=state, value=value)
        state = outputs["next_state"]
        found.append(outputs["prediction"])
    agree(np.array(found)[depth:], rnn.predict(series).values)


def test_a_file_may_carry_the_state_after_another_series(tmp_path):
    series, other = waves(), waves().values[:80] + 0.3
    rnn = fitted(series, "leaky")
    rnn.export_onnx(tmp_path / "other.onnx", after=other)
    found = Session(onnx.load(tmp_path / "other.onnx"))(steps=np.array([AHEAD]))
    agree(found["run"], rnn.generate(AHEAD, after=other).values)
    both = RNN(cell="simple", **(SMALL | CELLS["simple"])).fit([series.values, other])
    with pytest.raises(SettingError, match="trained on 2 series; give the one to continue"):
        both.export_onnx(tmp_path / "both.onnx")
    both.export_onnx(tmp_path / "both.onnx", after=other)
    found = Session(onnx.load(tmp_path / "both.onnx"))(steps=np.array([AHEAD]))
    agree(found["run"], both.generate(AHEAD, after=other).values)


@pytest.mark.quick(cell=["memoryless"])
@pytest.mark.parametrize("cell", ["memoryless", "polynomial"])
def test_noisy_measurements_are_read_through_the_same_filter(cell):
    trained = 50
    series = waves(2, trained + NEW).with_inputs(np.cos(np.arange(trained + NEW + AHEAD)))
    given: dict[str, Any] = {"degree": 2, "l2": 0.1}
    if cell == "memoryless":
        given = {"hidden": 4, "nonlinearity": "sigmoid", "layers": 2}
    rnn = RNN(cell=cell, **(SMALL | CELLS[cell] | {"measurement_noise": 0.1, "delays": 2} | given))
    member = rnn.fit(series.between(0, trained)).model_.best
    assert member.noise is not None
    holds(rnn, series.between(trained))
    if cell == "memoryless":  # of differences, which no fit with noise has
        network = replace(member.network, differences=(1,))
        start = runs.run_start_after(network, member.scaling, series.between(0, trained), member.noise)
        rnn.model_ = replace(rnn.model_, members=(replace(member, network=network, run_start=start),))
        holds(rnn, series.between(trained))


def test_a_known_model_is_refused(tmp_path):
    rnn = fitted(waves(), "memoryless", model=np.copy)
    with pytest.raises(SettingError, match="a known model is a function of Python, which ONNX cannot hold"):
        rnn.export_onnx(tmp_path / "hybrid.onnx")
    assert not list(tmp_path.iterdir())


def test_a_trend_needs_steps_of_one_length():
    days, months = (pd.date_range("2000-01-01", periods=TRAINED, freq=freq) for freq in ("D", "MS"))
    values = waves().values[:TRAINED] + np.arange(TRAINED)[:, None] / 10
    rnn = fitted(Series.of(pd.DataFrame(values, days)), "simple", detrend=True)
    agree(session(rnn.model_)(steps=np.array([AHEAD]))["run"], rnn.generate(AHEAD).values)
    rnn = fitted(Series.of(pd.DataFrame(values, months)), "simple", detrend=True)
    with pytest.raises(SettingError, match="steps of MS differ in length"):
        session(rnn.model_)


def test_what_does_not_fit_is_refused(tmp_path):
    rnn = fitted(waves(), "simple")
    with pytest.raises(Exception, match="Split"):
        session(rnn.model_)(state=np.zeros(3))
    refused: list[tuple[dict[str, Any], str]] = [
        ({"program": "loop"}, "program='loop'"),
        ({"ensemble": "all"}, "ensemble='all'"),
        ({"ensemble": "mean"}, "the model has one network"),
        ({"after": np.zeros((50, 3))}, "trained on another kind of series"),
    ]
    for given, said in refused:
        with pytest.raises(FreerunError, match=said):
            rnn.export_onnx(tmp_path / "x.onnx", **given)
    with pytest.raises(FreerunError, match="there is no folder"):
        rnn.export_onnx(tmp_path / "none" / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_a_run_that_diverges_is_not_finite():
    rnn = fitted(waves(1), "polynomial")
    step = session(rnn.model_, "step")
    far = step(state=np.zeros(step.inputs["state"]), value=np.array([1e30]))["next_state"]
    found = session(rnn.model_)(state=far, steps=np.array([20]))["run"]
    assert not np.isfinite(found[-1]).any()


def test_a_file_says_what_it_is(tmp_path):
    index = pd.date_range("2024-01-01", periods=TRAINED, freq="h")
    table = pd.DataFrame(waves().values[:TRAINED], index, ["load", "Größe"])
    fitted(Series.of(table), "simple").export_onnx(tmp_path / "grid.onnx", "step")
    made = onnx.load(tmp_path / "grid.onnx")
    assert (made.producer_name, made.producer_version) == ("freerun", freerun.__version__)
    assert [(one.domain, one.version) for one in made.opset_import] == [("", 17)]
    facts = {one.key: one.value for one in made.metadata_props}
    assert json.loads(facts["channels"]) == ["load", "Größe"]
    assert (facts["time_step"], facts["last_time"], facts["next_time"]) == ("h", "2024-01-07T15:00", "2024-01-07T16:00")
    assert facts["freerun_version"] == freerun.__version__
    assert int(facts["state_size"]) == made.graph.output[1].type.tensor_type.shape.dim[0].dim_value
    operators = {node.op_type for node in made.graph.node}
    assert not operators & {"If", "Loop", "Scan"}


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch, tmp_path):
    rnn = fitted(waves(), "simple")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'freerun\[onnx\]'"):
        rnn.export_onnx(tmp_path / "x.onnx")


def test_the_command_writes_what_the_library_does(run, tmp_path):
    series = waves(1)
    series.write(tmp_path / "waves.csv")
    rnn = fitted(series, "simple")
    rnn.save(tmp_path / "waves.freerun")
    code, out, _ = run("export waves.freerun --onnx -o waves.onnx --json")
    assert (code, json.loads(out)) == (0, {"program": "waves.onnx", "format": "onnx", "kind": "run"})
    found = Session(onnx.load(tmp_path / "waves.onnx"))(steps=np.array([AHEAD]))
    agree(found["run"], rnn.generate(AHEAD).values)
    code, _, err = run("export waves.freerun --onnx --program step --after waves.csv --column x -o after.onnx")
    assert code == 0, err
    step = Session(onnx.load(tmp_path / "after.onnx"))
    found = step(state=step(state=np.zeros(step.inputs["state"]), value=np.zeros(1))["start"], value=np.array([np.nan]))
    agree(found["prediction"], rnn.generate(1, after=series).values[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--onnx --steps 5 -o a.onnx", "--steps 5 has no effect with --onnx"),
        ("--program step -o a.hlo", "--program applies to ONNX files alone; add --onnx"),
        ("-o a.onnx", "without --onnx the program is StableHLO"),
        ("--onnx --ensemble mean -o a.onnx", "the model has one network"),
        ("--onnx --column x -o a.onnx", "give --after"),
    ],
)
def test_options_of_the_other_format_are_refused(run, tmp_path, options, said):
    fitted(waves(1), "memoryless").save(tmp_path / "w.freerun")
    code, _, err = run(f"export w.freerun {options}")
    assert code == 2
    assert said in err
    assert not (tmp_path / "a.onnx").exists()
