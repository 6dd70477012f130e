"""The JavaScript of docs/onnx.md in Chromium, with onnxruntime-web.

It is taken from the folder in FREERUN_ONNXRUNTIME_WEB (node_modules/onnxruntime-web, or what `npm
pack` made), or fetched by npm where that is installed.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from freerun import RNN

PAGE = Path(__file__).parents[1] / "docs" / "onnx.md"
PACKAGE = os.environ.get("FREERUN_ONNXRUNTIME_WEB")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium"),
    pytest.mark.skipif(
        PACKAGE is None and shutil.which("npm") is None,
        reason="there is no onnxruntime-web: name its folder in FREERUN_ONNXRUNTIME_WEB, or install npm",
    ),
]

HTML = """<script type="importmap">
{"imports": {"onnxruntime-web": "./package/dist/ort.wasm.bundle.min.mjs"}}
</script>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each request;
    modules have the type that browsers ask for."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called
        """Say nothing."""


def package_in(folder: Path) -> None:
    """Put onnxruntime-web into a folder, as `package`."""
    if PACKAGE is not None:
        (folder / "package").symlink_to(Path(PACKAGE).resolve())
        return
    command = ["npm", "pack", "onnxruntime-web", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=folder)
    if done.returncode:
        pytest.skip(f"npm could not fetch onnxruntime-web: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with onnxruntime-web and the module of the page, and its address."""
    package_in(tmp_path)
    (module,) = re.findall(r"```js\n(// forecast\.mjs\n.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "forecast.mjs").write_text(module)
    (tmp_path / "index.html").write_text(HTML)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()


def test_a_page_runs_the_network_as_freerun_does(served: tuple[Path, str]) -> None:
    folder, address = served
    t = np.arange(220)
    values = 10 + np.sin(t[:, None] / [4, 7]) + 0.1 * np.random.default_rng(0).normal(size=(220, 2))
    solved: dict[str, Any] = {
        "optimizer": "ridge",
        "l2": 1e-4,
        "delays": 1,
        "difference": 0,
        "restarts": 1,
        "holdout": 0,
    }
    drawn: dict[str, Any] = {"hidden": 10, "spectral_radius": 0.9, "input_scale": 0.5, "bias_scale": 0.1}
    models = {
        "gru": RNN(cell="gru", **solved, **drawn),
        "leaky": RNN(cell="leaky", leak=0.5, log=True, dtype="float32", **solved, **drawn),
        "polynomial": RNN(cell="polynomial", degree=2, **solved),
        "smoothing": RNN(cell="smoothing", season=12),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        for name, rnn in models.items():
            channels = 1 if name == "smoothing" else 2
            seen = values[:, :channels]
            rnn.fit(seen[:200])
            rnn.export_onnx(folder / f"{name}.onnx")
            found = page.evaluate(
                """async ([file, values, channels]) => {
                    const { forecast } = await import("./forecast.mjs");
                    const at_once = await forecast(file, 15, [], channels);
                    const read = await forecast(file, 0, values, channels);
                    const later = await forecast(file, 15, [], channels, Array.from(read.state));
                    return [at_once.run, later.run].map((run) => Array.from(run));
                }""",
                [f"{name}.onnx", seen[200:].ravel().tolist(), channels],
            )
            at_once, later = (np.reshape(run, (15, channels)) for run in found)
            tolerance = 1e-5 if name == "leaky" else 1e-6
            np.testing.assert_allclose(at_once, rnn.generate(15).values, rtol=tolerance)
            np.testing.assert_allclose(later, rnn.update(seen[200:]).generate(15).values, rtol=tolerance)
        browser.close()
