"""The reader in `examples/` knows nothing but NumPy and the page on the layout, and comes to the same free runs.

The notebook there runs.
"""

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


@pytest.mark.slow
def test_the_notebook_runs_from_end_to_end(tmp_path):
    source = EXAMPLES / "from-the-theano-tutorial.ipynb"
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = [output["text"] for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output]
    assert "the free run holds 500 of 500 steps" in said[-2]
