"""The command line, as a user types it: in its own process for start-up and exit codes,
in this one otherwise."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import freerun
from freerun import cli


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small trained model and its series, for the commands that need one."""
    folder = tmp_path_factory.mktemp("model")
    series = freerun.systems.mackey_glass(400, seed=0)
    series.write(folder / "mg.csv")
    given: dict[str, Any] = {"cell": "simple", "delays": 1, "spectral_radius": 0.9, "input_scale": 0.5, "l2": 1e-6}
    freerun.RNN(20, optimizer="ridge", washout=20, **given).fit(series.between(0, 300)).save(folder / "mg.freerun")
    return folder


def test_the_commands_of_the_readme_work_one_after_the_other(run, tmp_path):
    assert run("data mackey-glass --steps 2000 --seed 0 -o mg.csv")[0] == 0
    series = freerun.Series.read(tmp_path / "mg.csv")
    assert series.values[-1, 0] == pytest.approx(0.2349446315755871, abs=1e-15)
    code, out, err = run("fit mg.csv --split 1500 --hidden 15 --optimizer bfgs --epochs 30 --l2 1e-4 -o mg.freerun")
    assert code == 0
    assert "validation MSE" in out
    assert "training 30/30" in err
    assert run("predict mg.freerun mg.csv -o onestep.csv --plot onestep.png")[0] == 0
    assert freerun.Series.read(tmp_path / "onestep.csv").times[0] == 1
    assert (tmp_path / "onestep.png").read_bytes().startswith(b"\x89PNG")
    assert run("generate mg.freerun --steps 200 --plot run.svg")[0] == 0
    assert "<svg" in (tmp_path / "run.svg").read_text()
    code, out, err = run("evaluate mg.freerun mg.csv --from 1500 --json")
    scores = json.loads(out)
    assert set(scores) == {"start", "steps", "one_step_mse", "nrmse84", "nrmse84_starts", "vpt", "smape"}
    assert "trained" in run("info mg.freerun")[1]
    assert json.loads(run("info mg.freerun --json")[1])["settings"]["hidden"] == 15
    assert {p.name for p in tmp_path.iterdir()} == {"mg.csv", "mg.freerun", "onestep.csv", "onestep.png", "run.svg"}


def test_help_says_what_the_command_says_of_itself(run):
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    assert files - {"__init__", "console", "options"} == set(cli.COMMANDS)
    for name, what in cli.COMMANDS.items():
        assert " ".join(cli.command(name).help.split("\n\n")[0].split()) == what
        assert re.search(rf"\b{name} +{re.escape(what[:30])}", run("--help")[1])


def test_the_command_line_and_python_give_the_same(run, tmp_path):
    series = freerun.systems.mackey_glass(300, seed=2)
    series.write(tmp_path / "s.csv")
    run("fit s.csv --split 250 --hidden 4 --optimizer bfgs --epochs 20 --seed 3 --quiet -o m.freerun")
    run("generate m.freerun -n 10 -o run.npy")
    rnn = freerun.RNN(hidden=4, optimizer="bfgs", epochs=20, seed=3).fit(series.between(0, 250))
    np.testing.assert_array_equal(freerun.Series.read(tmp_path / "run.npy").values, rnn.generate(10).values)


def test_generate_prints_csv_when_nothing_else_is_asked(run, model):
    code, out, _ = run(f"generate {model}/mg.freerun -n 3")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "time,mackey_glass"
    assert [line.split(",")[0] for line in lines[1:]] == ["300", "301", "302"]


def test_generate_continues_another_series(run, model):
    _, out, _ = run(f"generate {model}/mg.freerun -n 2 --after {model}/mg.csv --json")
    assert json.loads(out)["times"] == ["400.0", "401.0"]


def test_evaluate_finds_where_training_ended(run, model):
    assert json.loads(run(f"evaluate {model}/mg.freerun {model}/mg.csv --json")[1])["start"] == 300


def test_smooth_writes_the_states_and_their_deviations(run, tmp_path):
    series = freerun.systems.multiple_sines(150, seed=0)
    series.write(tmp_path / "s.csv")
    run(
        "fit s.csv --hidden 20 --optimizer ridge --cell memoryless --delays 3 --l2 1e-6 --measurement-noise 0.1"
        " --input-scale 0.3 --holdout 0 -o m.freerun"
    )
    code, out, _ = run("smooth m.freerun s.csv -o states.csv --deviation --json")
    assert code == 0
    assert json.loads(out)["steps"] == 150
    states = freerun.load(tmp_path / "m.freerun").smooth(series, deviation=True)
    np.testing.assert_allclose(freerun.Series.read(tmp_path / "states.csv").values, states.values)
    assert states.shape == (150, 2)


def test_json_keeps_stdout_clean_and_quiet_is_quiet(run, tmp_path):
    freerun.systems.multiple_sines(100, seed=0).write(tmp_path / "s.csv")
    code, out, err = run("fit s.csv --hidden 3 --optimizer bfgs --epochs 10 -o m.freerun --json")
    assert code == 0
    assert json.loads(out)["epochs"] == 10
    assert "training" in err
    assert run("fit s.csv --hidden 3 --optimizer bfgs --epochs 10 -o m.freerun --json --quiet")[2] == ""


def test_one_column_of_a_file_is_fitted_and_continued_at_its_dates(run, tmp_path):
    index = pd.date_range("2000-01-01", periods=120, freq="MS", name="month")
    frame = pd.DataFrame({"flow": np.sin(np.arange(120) * 0.5), "level": np.arange(120.0)}, index=index)
    frame.to_parquet(tmp_path / "river.parquet")
    frame.to_csv(tmp_path / "river.csv")
    for name in ("river.parquet", "river.csv"):
        assert run(f"fit {name} --column flow --epochs 5 --hidden 3 --optimizer bfgs -o m.freerun --quiet")[0] == 0
        out = run("generate m.freerun -n 2")[1]
        assert [line.split(",")[0] for line in out.splitlines()] == ["time", "2010-01-01", "2010-02-01"]


@pytest.mark.slow
def test_sunspots_are_continued_year_by_year(run, request):
    sunspots = request.config.rootpath / "examples" / "sunspots.csv"
    options = "--split 280 --cell memoryless --hidden 100 --delays 12 --input-scale 0.3"
    assert run(f"fit {sunspots} {options} -o s.freerun --quiet")[0] == 0
    out = run("generate s.freerun -n 29")[1].splitlines()
    assert out[1].startswith("1980,")
    assert out[-1].startswith("2008,")
    assert all(-50 < float(line.split(",")[1]) < 300 for line in out[1:])


@pytest.mark.slow
def test_warm_start_continues_a_fit(run, tmp_path):
    freerun.systems.multiple_sines(200, seed=0).write(tmp_path / "s.csv")
    first = json.loads(run("fit s.csv --hidden 5 --optimizer bfgs --epochs 50 -o a.freerun --json")[1])
    again = json.loads(
        run("fit s.csv --hidden 5 --optimizer bfgs --epochs 50 --warm-start a.freerun -o b.freerun --json")[1]
    )
    assert again["training_mse"] < first["training_mse"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit none.csv -o m.freerun", "none.csv: no such file"),
        ("fit empty.csv -o m.freerun", "empty.csv: the file is empty"),
        ("fit header.csv -o m.freerun", "header.csv: there is a header but no row"),
        ("fit text.csv -o m.freerun", "text.csv, line 3, column 'b': 'oops' is not a number"),
        ("fit ragged.csv -o m.freerun", "ragged.csv, line 3: 1 columns"),
        ("fit gap.csv -o m.freerun --missing error", "gap.csv, line 3, column 'a': '' is missing or infinite"),
        ("fit constant.csv -o m.freerun", "channel 'x' is constant"),
        ("fit good.csv -o m.freerun --washout 50", "has 50 steps; with a washout of 50 it needs 52 or more"),
        ("fit good.csv -o m.freerun --column c", "good.csv: no column 'c'; there are: x"),
        ("fit good.csv -o m.freerun --split 50", "cannot split at step 50"),
        ("fit good.csv -o m.freerun --split -3", "cannot split at step -3"),
        ("fit good.csv -o m.freerun --hidden 0", "hidden=0"),
        ("fit good.csv -o m.freerun --optimizer bfgs --epochs -1", "epochs=-1"),
        ("fit good.csv -o m.freerun --learning-rate 0.1", "learning_rate has no effect with optimizer='ridge'"),
        ("fit good.csv -o m.freerun --optimizer magic", "Invalid value for '--optimizer'"),
        ("fit good.csv -o m.freerun --hidden 9 --forcing-strength 2", "forcing_strength=2: must lie between 0"),
        (
            "fit good.csv -o m.freerun --hidden 9 --cell simple --segment-lengths 20,90 --checkpoint-every 0",
            "a free run of 90 steps does not fit",
        ),
        ("fit good.csv -o m.freerun --delays 2,1", "lags are ascending"),
        ("fit good.csv -o m.freerun --delays some", "delays='some'"),
        ("fit good.csv -o m.freerun --delays 60", "it needs 61 or more"),
        ("fit good.csv -o none/m.freerun", "there is no folder none"),
        ("fit good.csv -o .", "is a folder"),
        ("fit good.csv -o good.csv", "good.csv: is read, and would be overwritten"),
        ("fit good.csv -o m.freerun --report good.csv", "good.csv: is read, and would be overwritten"),
        ("forecast good.csv -n 3 -o ./good.csv", "good.csv: is read, and would be overwritten"),
        ("forecast good.csv -n 3 -o next.xls", "unknown format '.xls' of a table"),
        ("anomalies good.csv -o good.csv", "good.csv: is read, and would be overwritten"),
        ("fit good.csv -o m.freerun --plot p.gif", "unknown picture format '.gif'"),
        ("fit good.csv", "Missing option '--output'"),
        ("data lorenz --steps 10 --tau 3 -o l.csv", "lorenz has no parameter 'tau'"),
        ("data lorenz --steps 0 -o l.csv", "steps must be positive"),
        ("data lorenz -o l.xls", "unknown format '.xls'"),
        ("info good.csv", "truncated, or not a freerun file"),
        ("info none.freerun", "no such file"),
        ("generate none.freerun -n 3", "no such file"),
        ("demo --series none.csv", "none.csv: no such file"),
        ("demo --series nowhere", "no synthetic series 'nowhere'"),
        ("demo --series good.csv", "has 50 steps; the demo needs 60 or more"),
        ("dance", "No such command 'dance'"),
    ],
)
def test_bad_input_is_one_message_and_exit_status_2(run, tmp_path, line, message):
    files = {
        "empty": "",
        "header": "a,b\n",
        "text": "a,b\n1,2\n3,oops\n",
        "ragged": "a,b\n1,2\n3\n",
        "gap": 'a\n1\n""\n3\n'.replace('""', '"",').replace("a\n1", "a,b\n1,1").replace("\n3", "1\n3,1"),
        "constant": "x\n" + "2.5\n" * 80,
        "good": "x\n" + "".join(f"{np.sin(i)}\n" for i in range(50)),
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    before = {p.name for p in tmp_path.iterdir()}
    code, out, err = run(line)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert out == ""
    assert {p.name for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("predict {m} three.csv", "has 3 channels (x0, x1, x2), but 1 (mackey_glass) are needed"),
        ("predict {m} short.csv", "has 5 steps; with a washout of 20 give 21 or more"),
        ("generate {m} -n 0", "Invalid value for '--steps'"),
        (
            "generate {m} -n 5 --column a",
            "--column, --time, --input, --resample and the like apply to the file of --after",
        ),
        ("generate {m} -n 5 --after short.csv", "has 5 steps; with a washout of 20"),
        ("evaluate {m} other.csv", "does not begin with the training series; give the first step to score with --from"),
        ("evaluate {m} learned.csv", "learned.csv has no step after the training series"),
        ("evaluate {m} other.csv --from 100", "cannot split at step 100"),
        ("evaluate {m} other.csv --from 10", "has 10 steps; with a washout of 20"),
        ("info cut.freerun", "cut.freerun: truncated, or not a freerun file"),
    ],
)
def test_bad_use_of_a_model_is_one_message_and_exit_status_2(run, tmp_path, model, line, message):
    (tmp_path / "three.csv").write_text("1,2,3\n" * 30)
    (tmp_path / "short.csv").write_text("1\n2\n3\n4\n5\n")
    (tmp_path / "other.csv").write_text("".join(f"{np.cos(i)}\n" for i in range(100)))
    (tmp_path / "cut.freerun").write_bytes((model / "mg.freerun").read_bytes()[:500])
    freerun.load(model / "mg.freerun").model_.recent.write(tmp_path / "learned.csv")
    code, _, err = run(line.format(m=model / "mg.freerun"))
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())


def test_every_command_that_reads_a_series_takes_the_column_of_times_and_resamples(run, tmp_path):
    """Two rows in the hour, which have the value of the hour as their mean,
    give what the hours give."""
    hours = np.round(10 + 3 * np.sin(np.arange(60) / 3) + np.random.default_rng(0).normal(size=60), 2)
    halves = np.stack([hours - 0.25, hours + 0.25], axis=1).ravel()
    pd.DataFrame({"y": halves, "k": np.add.outer(np.arange(60), [0, 0.25]).ravel()}).to_csv(
        tmp_path / "halves.csv", index=False
    )
    pd.DataFrame({"y": hours, "k": np.arange(60)}).to_csv(tmp_path / "hours.csv", index=False)
    for name in ("hours", "halves"):
        lines = (tmp_path / f"{name}.csv").read_text().splitlines(keepends=True)
        learned = 1 + (40 if name == "hours" else 80)
        (tmp_path / f"{name}-first.csv").write_text("".join(lines[:learned]))
        (tmp_path / f"{name}-next.csv").write_text("".join([lines[0], *lines[learned:]]))
    small = "--hidden 5 --cell memoryless --delays 3 --difference 0 --input-scale 0.3 --l2 1e-2 --optimizer ridge"
    found: dict[str, list[Any]] = {}
    for name, options in (("hours", "--time k"), ("halves", "--time k --resample 1")):
        for line in (
            f"fit {name}-first.csv {small} -o {name}.freerun {options}",
            f"predict {name}.freerun {name}.csv -o {name}-predicted.csv {options}",
            f"evaluate {name}.freerun {name}.csv --from 40 --json {options}",
            f"generate {name}.freerun --after {name}.csv -n 3 -o {name}-run.csv {options}",
            f"update {name}.freerun {name}-next.csv --json {options}",
        ):
            code, out, err = run(line)
            assert code == 0, err
            found.setdefault(name, []).append(json.loads(out) if "--json" in line else None)
        for written in ("predicted", "run"):
            found[name].append(pd.read_csv(tmp_path / f"{name}-{written}.csv", index_col=0))
    (_, _, scores, _, updated, *tables), (_, _, other_scores, _, other_updated, *others) = found.values()
    assert scores == pytest.approx(other_scores)
    assert updated["read_to"] == other_updated["read_to"] == "59"
    for one, other in zip(tables, others, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_forecasts_begin_after_the_last_step_that_was_read(run, tmp_path, model):
    """Fit to monthly data, forecast with intervals, read on, forecast again;
    a backtest beside the baselines."""
    draw = np.random.default_rng(0)
    index = pd.date_range("2010-01-01", periods=132, freq="MS")
    values = 10 + np.sin(np.arange(132) * np.pi / 6) + 0.1 * draw.normal(size=132)
    frame = pd.DataFrame({"month": index.strftime("%Y-%m-%d"), "y": values})
    frame[:120].to_csv(tmp_path / "air.csv", index=False)
    frame[120:].to_csv(tmp_path / "new.csv", index=False)
    small = "--hidden 10 --cell memoryless --delays 12 --difference 0 --input-scale 0.3 --l2 1e-2"
    assert run(f"fit air.csv {small} --optimizer ridge -o air.freerun")[0] == 0
    code, out, _ = run("forecast air.freerun --horizon 12 --levels 80,95 -o next.csv --plot fan.png --json")
    assert code == 0
    found = json.loads(out)
    assert found["times"][0].startswith("2020-01-01")
    table = pd.read_csv(tmp_path / "next.csv", index_col=0)
    assert list(table) == ["y", "y_low_80", "y_high_80", "y_low_95", "y_high_95"]
    np.testing.assert_allclose(table["y"], found["y"])
    np.testing.assert_allclose(table["y"], values[120:], atol=0.5)
    assert (tmp_path / "fan.png").read_bytes().startswith(b"\x89PNG")
    assert run("forecast air.freerun --horizon 12 --levels 80,95 -o next.parquet")[0] == 0
    np.testing.assert_allclose(pd.read_parquet(tmp_path / "next.parquet")[list(table)], table)
    code, out, _ = run("update air.freerun new.csv --json")
    assert json.loads(out)["read_to"].startswith("2020-12-01")
    assert json.loads(run("forecast air.freerun --horizon 1 --json")[1])["times"] == ["2021-01-01 00:00:00"]
    code, out, _ = run("backtest air.csv --horizon 6 --folds 2 --like air.freerun --plot errors.png --json")
    assert code == 0
    methods = {row["method"]: row for row in json.loads(out)["methods"]}
    assert methods["freerun"]["MASE"] < methods["last value"]["MASE"]
    given = re.sub(r"--(\S+) (\S+)", r"--set \1=\2", f"{small} --optimizer ridge")
    code, out, _ = run(f"backtest air.csv --horizon 6 --folds 2 {given} --json")
    assert code == 0
    again = {row["method"]: row for row in json.loads(out)["methods"]}
    assert again["freerun"]["RMSE"] == methods["freerun"]["RMSE"]
    code, _, err = run("backtest air.csv --horizon 6 --set leek=1")
    assert code == 2
    assert "there is no parameter 'leek'" in err
    code, _, err = run("forecast air.freerun --horizon 3 --levels 0,80")
    assert code == 2
    assert "levels of intervals are percentages from 1 to below 100" in err
    code, _, err = run("update air.freerun new.csv")
    assert code == 2
    assert "steps up to 2020-12-01 were read already; no step follows" in err


def test_an_exported_program_runs_without_freerun(run, tmp_path, model):
    code, _, _ = run(f"export {model / 'mg.freerun'} --steps 10 -o run.stablehlo")
    assert code == 0
    script = (
        "import jax, numpy as np, pathlib; jax.config.update('jax_enable_x64', True); import jax.export;"
        "program = jax.export.deserialize(bytearray(pathlib.Path('run.stablehlo').read_bytes()));"
        "values = np.loadtxt('mg.csv', delimiter=',', skiprows=1, usecols=1)[:300, None];"
        "np.savetxt('run.txt', program.call(values))"
    )
    (tmp_path / "mg.csv").write_bytes((model / "mg.csv").read_bytes())
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    expected = freerun.load(model / "mg.freerun").generate(10).values[:, 0]
    np.testing.assert_allclose(np.loadtxt(tmp_path / "run.txt"), expected, atol=1e-9)


def test_divergence_says_what_to_change_and_keeps_the_last_good_weights(run, tmp_path):
    freerun.systems.mackey_glass(200, seed=0).write(tmp_path / "s.csv")
    line = "fit s.csv --optimizer sgd --learning-rate 1e3 --nonlinearity identity --epochs 100 --no-direct"
    line += " -o m.freerun --quiet"
    code, _, err = run(line)
    assert code == 2
    assert "training diverged at epoch" in err
    assert "try learning_rate=100" in err
    assert run("generate m.freerun -n 1")[0] == 0


def test_ctrl_c_leaves_a_usable_model(launch, tmp_path):
    freerun.systems.mackey_glass(1500, seed=0).write(tmp_path / "s.csv")
    process = launch("fit", "s.csv", "--optimizer", "adam", "--epochs", "100000", "-o", "m.freerun")
    assert process.stderr is not None
    process.stderr.readline()  # training has begun
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted; the last weights are in m.freerun" in err
    assert "Traceback" not in err
    assert freerun.load(tmp_path / "m.freerun").history_.epochs[-1] > 0


def test_import_and_help_do_not_wait_for_jax():
    script = (
        "import sys, freerun; assert 'jax' not in sys.modules and 'numpy' not in sys.modules;"
        "import freerun.cli; assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def test_a_fit_does_not_wait_for_what_it_does_not_use(tmp_path):
    freerun.systems.mackey_glass(100, seed=0).write(tmp_path / "s.csv")
    script = (
        "import sys; sys.argv = 'freerun fit s.csv --optimizer adam --epochs 1 -o m.freerun'.split();"
        "from freerun.cli import main\n"
        "try: main()\n"
        "finally: assert not {'pandas', 'scipy.stats', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, capture_output=True)


def test_doctor_says_what_is_there_and_how_to_get_what_is_missing(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openpyxl", None)  # as if it were not installed
    monkeypatch.setenv("FREERUN_CACHE", str(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "one-cache").write_bytes(b"abc")
    code, out, err = run("doctor")
    assert code == 0
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    assert lines["numpy"].strip() == np.__version__
    assert lines["extra excel"].strip() == "missing (reading spreadsheets); pip install 'freerun[excel]'"
    assert "installed" in lines["extra train"]
    assert err == ""
    found = json.loads(run("doctor --json")[1])
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["extras"]["excel"] == ["openpyxl"]
    assert found["cache"] == {"folder": str(tmp_path), "programs": 1, "bytes": 3, "writable": True}


def test_doctor_notes_what_slows_freerun_down(run, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2})
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    code, _, err = run("doctor")
    assert code == 0
    assert "OMP_NUM_THREADS=2 limits linear algebra to fewer than the 3 cores; unset it" in err


COMMANDS = "demo data fit predict generate forecast backtest anomalies evaluate update export studio doctor info"


@pytest.mark.parametrize("name", COMMANDS.split())
def test_every_command_has_help_with_an_example(run, name):
    code, out, _ = run(f"{name} --help")
    assert code == 0
    assert f"Example: freerun {name}" in " ".join(out.split())
    assert "--json" in out
    assert "--quiet" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
def test_a_full_disk_behind_stdout_is_one_message():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "freerun", "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "freerun: stdout cannot be written (no space left on device); make room\n"
