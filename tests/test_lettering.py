"""Words of users in pictures: nothing in a name is a formula,
and letters come from a font that has them."""

import io
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from freerun import Series, lettering, plots
from freerun.errors import SettingError
from freerun.reporting.page import Report

NAMES = ("Rev ($) less Cost ($)", "cost_$_per_$_sold", r"_\frac{$", "a^2_i <b>[bold]x[/bold]</b>")
FORMATS = ("png", "svg", "pdf")

OF_NOBODY = "\U000f5a5a"
"""A letter for private use, which no font has."""


@pytest.fixture(autouse=True)
def no_warning_before(monkeypatch):
    monkeypatch.setattr(lettering, "_warned", set())


def series(*names: str) -> Series:
    return Series(np.sin(np.arange(80)[:, None] / (3 + np.arange(len(names)))), names)


def written(figure: Figure, kind: str = "png") -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind)
    return content.getvalue()


def table(names: tuple[str, ...], *levels: float) -> pd.DataFrame:
    """A forecast as `RNN.forecast` gives it; channel i is i,
    and its bounds are the level to both sides."""
    columns: dict[str, Any] = {name: np.full(5, float(i)) for i, name in enumerate(names)}
    for level in levels:
        for i, name in enumerate(names):
            columns |= {f"{name}_low_{level:g}": np.full(5, i - level), f"{name}_high_{level:g}": np.full(5, i + level)}
    return pd.DataFrame(columns)


def pictures(names: tuple[str, ...], title: str) -> Iterator[Figure]:
    """One of each kind in which names of channels stand."""
    known = series(*names)
    before, after = known.split(60)
    yield plots.data(known, 60, title)
    yield plots.one_step(known, known.between(1), 60, title)
    yield plots.free_run(after, before, after, 3, title)
    yield plots.attractor(known, known, title=title)
    yield plots.attractor(known.channel(names[0]), known.channel(names[0]), title=title)
    yield plots.spectra(known, known, title)
    yield plots.return_map(known, known, title)
    yield plots.forecast(table(names, 80), levels=(80,), title=title)


def test_names_are_not_drawn_as_formulas():
    for figure in pictures(NAMES, "Forecast of $a$_b$.csv"):
        labels = [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)]
        said = {text.get_text() for text in (*labels, *figure.texts)}
        assert "Forecast of $a$_b$.csv" in said
        assert any("Rev ($) less Cost ($)" in words.replace("\n", " ") for words in said)
        assert not any(text.get_parse_math() for text in (*labels, *figure.texts))
        assert written(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", FORMATS)
def test_names_of_which_no_formula_can_be_made_are_drawn_in_every_format(kind):
    with mpl.rc_context({"svg.fonttype": "none"}):
        content = written(plots.data(series("$_$ ^^ {", "_x")), kind)
    if kind == "svg":
        assert "$_$ ^^ {" in content.decode()


def test_powers_of_ten_are_still_formulas():
    figure = plots.one_step(series("$x$"), series("$x$").between(1))
    assert any("10^" in label.get_text() for label in figure.axes[-1].get_yticklabels())
    assert figure.axes[-1].get_yticklabels()[0].get_parse_math()


def test_the_name_of_a_file_in_another_encoding_is_drawn():
    assert written(plots.data(series("x"), title="caf\udce9.csv"))


@pytest.mark.parametrize("kind", FORMATS)
def test_letters_that_the_font_lacks_come_from_one_that_has_them(kind):
    with mpl.rc_context({"font.family": "cmr10", "axes.formatter.use_mathtext": True, "axes.unicode_minus": False}):
        figure = plots.data(series("Температура"), title="x: Температура")
        label, title = figure.axes[0].yaxis.label, figure.texts[0]
        for text in (label, title):
            fonts = [font_manager.findfont(family) for family in text.get_fontfamily()]
            assert any(ord("Д") in font_manager.get_font(path).get_charmap() for path in fonts)
        assert label.get_text() == "Температура"
        assert written(figure, kind)  # a letter without a font would be a warning, which is an error here


def test_texts_without_rare_letters_keep_their_font():
    figure = plots.data(series("x", "Д"))
    assert figure.axes[0].yaxis.label.get_fontfamily() == mpl.rcParams["font.family"]


@pytest.mark.parametrize("kind", FORMATS)
def test_letters_that_no_font_has_are_named_once(kind):
    name = f"heat {OF_NOBODY} of {OF_NOBODY}"
    with pytest.warns(UserWarning, match=f"no font .* has the letters {OF_NOBODY}, .* install a font") as warned:
        figure = plots.data(series(name, OF_NOBODY), title=name)
    assert len(warned) == 1
    assert figure.axes[0].get_ylabel() == name
    assert written(figure, kind)
    Report("heat").picture(figure, name)
    figure.get_tightbbox()
    assert written(plots.data(series(name)))  # and from then on without a word


@pytest.mark.parametrize(
    "name", ["温度 (°C)", "気温", "기온", "درجة الحرارة", "तापमान", "טמפרטורה", "🌡️", "Größe", "ελ"]
)
def test_names_in_any_script_make_a_picture_and_at_most_one_warning(name):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for figure in islice(pictures((name,), f"{name}.csv"), 3):
            assert figure.axes[0].get_ylabel() == name
            written(figure)
    assert len(warned) <= 1


def test_long_names_are_broken_into_lines_and_stay_beside_their_axes():
    long = "revenue_less_cost_of_goods_sold in thousands of US-$, seasonally adjusted, chained 2012 dollars, see note 7"
    figure = plots.data(series(long, long[:40], "short"), title=f"One-step predictions of {long} {long}.csv")
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.yaxis.label.get_window_extent().height < axes.bbox.height * 1.1
    first, second, third = (axes.get_ylabel() for axes in figure.axes)
    assert first.startswith("revenue_less_cost_of_goods_")
    assert first.endswith("see note 7")
    assert first.count("\n") == 2
    assert second.replace("\n", " ").startswith(long[:20])
    assert third == "short"
    assert figure.texts[0].get_window_extent().x1 < figure.bbox.x1


@pytest.mark.parametrize(
    "names", [("x_low_80",), ("x", "x_low_90"), ("x", "x_low_80", "x_high_80"), ("my channel", "$"), ("a_low_", "a")]
)
@pytest.mark.parametrize("levels", [(), (95,), (80.5, 95)])
def test_a_forecast_shows_every_channel_with_its_intervals_whatever_it_is_called(names, levels):
    before = Series(np.zeros((20, len(names))), names)
    figure = plots.forecast(table(names, *levels), before, levels)
    assert [axes.get_ylabel() for axes in figure.axes] == list(names)
    for i, axes in enumerate(figure.axes):
        bounds = [list(area.get_paths()[0].get_extents().intervaly) for area in axes.collections]
        assert bounds == [[i - level, i + level] for level in sorted(levels, reverse=True)]


def test_a_forecast_shows_the_levels_that_are_asked_for():
    figure = plots.forecast(table(("x", "y"), 80, 95), levels=(95,))
    assert [len(axes.collections) for axes in figure.axes] == [1, 1]
    assert len(plots.forecast(table(("x", "y"), 80, 95)).axes) == 2
    with pytest.raises(SettingError, match="level 90: the forecast has the levels 80, 95"):
        plots.forecast(table(("x",), 80, 95), levels=(90,))
