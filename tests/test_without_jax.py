"""What needs no derivative does not load JAX."""

import subprocess
import sys
from pathlib import Path

LIBRARY = """
import sys, warnings
import numpy as np
import freerun

warnings.simplefilter("ignore")
values = 10 + np.sin(np.arange(150) / 3) + 0.05 * np.random.default_rng(0).normal(size=150)
rnn = freerun.RNN().fit(values[:120])
rnn.forecast(10, levels=(80, 95))
rnn.generate(10)
rnn.predict(values)
rnn.evaluate(values, 120)
rnn.sample(5, 10)
rnn.update(values[120:130])
rnn.save(sys.argv[1])
freerun.load(sys.argv[1]).forecast(3)
rnn.export_onnx(sys.argv[1] + '.onnx')
assert not {"jax", "equinox", "optax"} & set(sys.modules), "JAX was loaded"
"""

SERVICE = """
import sys
import freerun
from freerun.serving import server, work

model = freerun.load(sys.argv[1]).model_
for operation, query in (("forecast", [("horizon", "3"), ("levels", "80")]), ("generate", [("steps", "3")])):
    job = work.Job(operation, "sines", query, b"", None, "json", 100, model)
    assert work.perform(job).status == 200
assert not {"jax", "equinox", "optax"} & set(sys.modules), "JAX was loaded"
"""

COMMAND = """
import sys
from freerun.cli import main

for line in sys.argv[1:]:
    sys.argv = ["freerun", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (line, end.code)
assert not {"jax", "equinox", "optax"} & set(sys.modules), "JAX was loaded"
"""


def test_a_default_fit_and_all_that_uses_it_do_without_jax(tmp_path: Path) -> None:
    for program in (LIBRARY, SERVICE):
        subprocess.run([sys.executable, "-c", program, tmp_path / "sines.freerun"], check=True, timeout=300)


def test_the_command_line_does_without_jax(tmp_path: Path) -> None:
    steps = range(120)
    rows = "\n".join(f"{10 + (step % 12) + 0.01 * step}" for step in steps)
    (tmp_path / "series.csv").write_text(f"x\n{rows}\n")
    lines = (
        "fit series.csv -o m.freerun --quiet",
        "forecast m.freerun -n 6 --levels 80 -o f.csv",
        "generate m.freerun -n 6 -o g.csv",
        "predict m.freerun series.csv -o p.csv",
        "evaluate m.freerun series.csv --from 100",
        "info m.freerun",
    )
    command = [sys.executable, "-c", COMMAND, *lines]
    subprocess.run(command, check=True, timeout=300, cwd=tmp_path, stdout=subprocess.DEVNULL)


WITHOUT = """
import sys
sys.modules["jax"] = None  # as if it were not installed
import numpy as np
import freerun

values = np.sin(np.arange(200) / 3) + 0.05 * np.random.default_rng(0).normal(size=200)
rnn = freerun.RNN(hidden=30, optimizer="ridge", seed=0).fit(values)
assert np.isfinite(rnn.generate(120_000).values).all()  # so long that JAX would be taken
for task in (
    lambda: freerun.RNN(hidden=4, optimizer="bfgs").fit(values),
    lambda: rnn.export("run.stablehlo", 5),
    lambda: rnn.evaluate_long_term(values, 150),
):
    try:
        task()
    except freerun.errors.MissingExtraError as error:
        assert "needs jax, which is not installed: pip install 'freerun[train]'" in str(error), error
    else:
        raise AssertionError("nothing was refused")
"""


def test_without_the_extra_train_a_default_fit_works_and_training_says_what_to_install(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=300, cwd=tmp_path)
