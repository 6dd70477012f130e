"""The reader in `examples/` knows nothing but NumPy and the page on the layout,
and comes to the same free runs.

The notebooks there run.
"""

import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import freerun

EXAMPLES = Path(__file__).parent.parent / "examples"
READER = runpy.run_path(str(EXAMPLES / "read_model.py"))
RIDGE: dict[str, Any] = {"optimizer": "ridge", "l2": 1e-6, "input_scale": 0.3}


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden": 20, "cell": "memoryless", "delays": (0, 2, 5), "difference": (1, 12), **RIDGE},
        {"hidden": 20, "cell": "leaky", "delays": 1, "leak": 0.3, "spectral_radius": 0.9, "difference": 3, **RIDGE},
        {"hidden": 20, "cell": "memoryless", "delays": 4, "log": True, "members": 2, **RIDGE},
        {"hidden": 4, "cell": "simple", "delays": 2, "layers": 2, "optimizer": "adam", "epochs": 3, "direct": False}
        | {"nonlinearity": "sigmoid"},
    ],
    ids=["differences", "leaky", "logarithm", "layers"],
)
def test_the_reader_reproduces_the_free_run(tmp_path, parameters):
    values = np.exp(freerun.systems.mackey_glass(300, seed=0).values)
    rnn = freerun.RNN(**parameters).fit(values)
    rnn.save(tmp_path / "mg.freerun")
    model, arrays = READER["read"](tmp_path / "mg.freerun")
    np.testing.assert_allclose(READER["generate"](model, arrays, 20), rnn.generate(20).values, rtol=1e-9)


def printed_by(name: str, folder: Path) -> str:
    """What a notebook prints, run from the first cell to the last."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    return "".join(output["text"] for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output)


def number_in(text: str, pattern: str) -> float:
    """The number that a pattern finds in a text."""
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


@pytest.mark.slow
def test_the_notebook_on_the_tutorial_holds_all_steps(tmp_path):
    assert "the free run holds 500 of 500 steps" in printed_by("from-the-theano-tutorial.ipynb", tmp_path)


@pytest.mark.slow
def test_the_notebook_on_a_chaotic_series_finds_its_exponents(tmp_path):
    """The largest exponents of the Lorenz system are 0.906 and 0 (Sprott, 2003)."""
    text = printed_by("a-chaotic-series-from-a-file.ipynb", tmp_path)
    assert number_in(text, r"time: \d+ steps, ([\d.]+) time units") > 5
    assert number_in(text, r"exponents in one time unit: \[\s*([-\d.]+)") == pytest.approx(0.906, abs=0.05)
    assert number_in(text, r"exponents in one time unit: \[\s*\S+\s+([-\d.]+)") == pytest.approx(0.0, abs=0.05)


@pytest.mark.slow
def test_the_notebook_on_a_thousand_series_beats_last_years_values(tmp_path):
    text = printed_by("a-thousand-series.ipynb", tmp_path)
    assert number_in(text, r"MASE of the network ([\d.]+)") < 0.95 * number_in(text, r"last year's values ([\d.]+)")
    assert number_in(text, r"hold (\d+) %") == pytest.approx(80, abs=6)
