"""The demo, on the tutorial's series and on a file: what it finds and what it leaves."""

import json
import re

import numpy as np
import pytest

from freerun import demo, load


@pytest.fixture(scope="module")
def sunspots(request):
    series = demo.demo_series(str(request.config.rootpath / "examples" / "sunspots.csv"))
    return series, demo.train_chapters(series, lambda text: None, lambda progress: None)


@pytest.mark.slow
def test_the_tutorial_fails_after_two_steps_and_freerun_holds():
    descent, bfgs, small, default = demo.train_chapters(
        demo.demo_series("mackey-glass"), lambda text: None, lambda progress: None
    )
    assert descent.scores.vpt == 2
    assert bfgs.rnn.history_.training_mse[-1] == pytest.approx(7.8e-5, rel=0.02)
    assert small.rnn.model_.best.settings.hidden == 15
    assert small.scores.vpt >= 300
    assert default.scores.vpt == default.scores.steps == 500
    assert default.scores.nrmse84 is not None
    assert default.scores.nrmse84 < 1e-4


@pytest.mark.slow
def test_runs_of_sunspots_end_in_2008_and_stay_bounded(sunspots):
    _, chapters = sunspots
    assert len(chapters) == 4
    for chapter in chapters[2:]:
        assert chapter.run.times[-1] == 2008
        assert np.abs(chapter.run.values).max() < 1000


@pytest.mark.slow
def test_the_demo_leaves_a_report_pictures_and_a_model(sunspots, tmp_path):
    series, chapters = sunspots
    demo.write_report(chapters, series, "sunspots", tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "report.json", "model.freerun", "series.png", "1-losses.png", "3-free-run.png"} <= names
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert page.count("<img") == len([name for name in names if name.endswith(".png")])
    assert [c["vpt"] for c in json.loads((tmp_path / "report.json").read_text())["chapters"]] == [
        chapter.scores.vpt for chapter in chapters
    ]
    np.testing.assert_array_equal(load(tmp_path / "model.freerun").generate(9).values, chapters[-1].run.values[:9])
