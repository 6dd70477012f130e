"""What users call things comes out as it went in: on the terminal, in files, in reports,
in the studio."""

import csv
import io
import json
import sys
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from starlette.requests import Request

import freerun
from freerun.cli.console import Console
from freerun.reporting.page import Report
from freerun.studio.charts import Curve, chart
from freerun.studio.learn.store import Source, Store
from freerun.studio.learn.takeaway_pane import download
from freerun.studio.records import write_note
from freerun.training.history import Progress

pytestmark = pytest.mark.filterwarnings("ignore:no font that matplotlib can use here")

NAMES = ("[bold]x[/bold]", "[/y]", "a,b", 'say "hi"', "<script>alert(1)</script>", "&amp;", "温度", "_$a$^2", ":smile:")
HOSTILE = """</title><script>alert("1")</script><img src=x onerror='alert(1)'> & "q" &amp;"""


@pytest.fixture(scope="module")
def series():
    steps = np.arange(90)[:, None]
    return freerun.Series(np.sin(steps / (3 + np.arange(len(NAMES)))) + 0.1 * np.cos(steps), NAMES)


def test_brackets_in_names_of_channels_and_files(run, tmp_path, series):
    series.write(tmp_path / "[red]s.csv")
    small = "--hidden 5 --cell memoryless --delays 2 --difference 0 --optimizer ridge --input-scale 0.3 --l2 1e-4"
    code, out, _ = run(f"fit [red]s.csv {small} -o [bold]m.freerun --plot [i]p.png")
    assert code == 0
    assert "[bold]m.freerun" in out
    assert (tmp_path / "[i]p.png").read_bytes().startswith(b"\x89PNG")
    assert ", ".join(NAMES) in run("info [bold]m.freerun")[1]
    assert json.loads(run("info [bold]m.freerun --json")[1])["channels"] == list(NAMES)
    assert json.loads(run("evaluate [bold]m.freerun [red]s.csv --from 60 --json")[1])["steps"] == 30
    code, _, err = run("evaluate [bold]m.freerun [red]s.csv --from 60 --column [/z]")
    assert code == 2
    assert f"freerun: [red]s.csv: no column '[/z]'; there are: time, {', '.join(NAMES)}" in err
    assert "[/red]t.csv: there is no folder" in run("generate [bold]m.freerun -n 1 -o [/red]t.csv")[2]
    assert "'[red]b[/red]' is not one of" in run("fit [red]s.csv --missing [red]b[/red] -o m.freerun")[2]
    assert "No such command '[red]b[/red]'" in run("[red]b[/red]")[2]


def test_forecasts_keep_the_names_in_csv_and_json(run, tmp_path, series):
    small: dict[str, Any] = {"cell": "memoryless", "delays": 2, "difference": 0, "optimizer": "ridge", "l2": 1e-4}
    freerun.RNN(5, input_scale=0.3, **small).fit(series).save(tmp_path / "m.freerun")
    assert next(csv.reader(io.StringIO(run("generate m.freerun -n 2")[1]))) == ["time", *NAMES]
    assert json.loads(run("generate m.freerun -n 2 --json")[1])["channels"] == list(NAMES)
    assert next(csv.reader(io.StringIO(run("forecast m.freerun -n 2")[1])))[1:] == list(NAMES)
    assert set(NAMES) <= set(json.loads(run("forecast m.freerun -n 2 --json")[1]))
    for name in ("run.csv", "run.parquet", "run.npz"):
        run(f"generate m.freerun -n 2 -o {name}")
        assert freerun.Series.read(tmp_path / name).channels == NAMES
    run("forecast m.freerun -n 2 -o next.csv --plot next.png")
    assert list(pd.read_csv(tmp_path / "next.csv", index_col=0)) == list(NAMES)


def test_a_terminal_without_the_letters_shows_their_numbers(launch, tmp_path, series, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    series.write(tmp_path / "s.csv")
    given = ("--cell", "memoryless", "--delays", "2", "--hidden", "5", "--optimizer", "ridge", "--l2", "1e-4")
    process = launch("fit", "s.csv", *given, "--input-scale", "0.3", "--difference", "0", "-o", "温.freerun")
    said, err = process.communicate()
    assert process.returncode == 0, err
    assert "\\u6e29.freerun" in said
    assert (tmp_path / "温.freerun").exists()


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_what_is_shown_live_is_shown_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    monkeypatch.setenv("COLUMNS", "120")
    progress = Progress("[bold]x[/bold] [/y] :smile:", 1, 2, None, None, None, 1.0)
    with Console(False, False).progress() as show:
        show(progress)
    choice = SimpleNamespace(error=0.5, settings=SimpleNamespace(described="lags [/0] :smile:"))
    with Console(False, False).search() as (watch, _):
        standing: Any = SimpleNamespace(progress=progress, best=[choice])
        watch(standing)
    assert "[bold]x[/bold] [/y] :smile: 1/2" in screen.getvalue()
    assert "lags [/0] :smile:" in screen.getvalue()


class Page(HTMLParser):
    """What a browser makes of a page: its tags, its attributes, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.alts: list[str | None] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.alts += [value for name, value in attrs if name == "alt"]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_shows_names_and_runs_none_of_them(tmp_path):
    report = Report(HOSTILE)
    report.heading(HOSTILE)
    report.text(HOSTILE)
    report.code(HOSTILE)
    report.table([HOSTILE, "温度"], [[HOSTILE, "caf\udce9"]])
    report.picture(Figure(), HOSTILE)
    report.save(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert page.alts == [HOSTILE]
    assert page.text.count(HOSTILE) == 7  # title, heading, section, paragraph, code, two cells
    assert "温度" in page.text


def test_charts_of_the_studio_take_names_as_text():
    options = chart([Curve(name, [[0, 1], [1, 2]], "#000") for name in NAMES], NAMES[4], NAMES[5])
    assert [line["name"] for line in options["series"]] == list(NAMES)
    assert options["legend"]["data"] == list(NAMES)
    assert (options["xAxis"]["name"], options["yAxis"]["name"]) == NAMES[4:6]
    assert "formatter" not in options["tooltip"]  # ECharts' own escapes names


@pytest.mark.parametrize("suffix", ["csv", "png", "svg"])
def test_what_is_taken_away_from_the_studio_keeps_the_names(tmp_path, series, suffix):
    store = Store(tmp_path)
    run = store.add("$a$ <b>run</b>_^", series, Source("<b>$s$.csv"), 60, {})
    columns = series.values[60:].T.tolist()
    write_note(store.folder_of(run.id), "live", {"channels": NAMES, "run": columns, "truth": columns, "vpt": 3})
    answer = download(store, Request({"type": "http", "path_params": {"number": run.id, "suffix": suffix}}))
    assert answer.status_code == 200
    if suffix == "csv":
        rows = list(csv.reader(io.StringIO(bytes(answer.body).decode())))
        assert rows[0] == ["step", *NAMES]
        assert [float(cell) for cell in rows[1][1:]] == series.values[60].tolist()
