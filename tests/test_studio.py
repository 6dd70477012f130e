"""The studio as its users meet it: in a browser, with training in processes of their own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright

import freerun
from freerun.studio.learn.store import Source, Store

PATIENCE = 180_000
"""Milliseconds that a browser waits for what a training process does,
which steps back behind all other work."""


def chromium() -> str | None:
    """The browser of the system."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium: apt install chromium"),
]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A running studio: its address and its folder."""
    folder = tmp_path_factory.mktemp("studio")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "freerun", "studio", "--folder", str(folder), "--port", str(port), "--no-show"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NICEGUI"))}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            break
        except OSError:
            assert process.poll() is None
            time.sleep(0.1)
    yield address, folder
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield found
        found.close()


def opened(studio, browser, path: str, **options) -> Iterator[Page]:
    """A page of the studio; whatever it says on its console, or asks of other hosts,
    is a failure."""
    address, _ = studio
    found = browser.new_page(**{"viewport": {"width": 1280, "height": 800}} | options)
    faults: list[str] = []
    found.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("request", lambda r: None if address in r.url or r.url.startswith("data:") else faults.append(r.url))
    found.goto(f"{address}{path}")
    yield found
    found.close()
    assert [fault for fault in faults if "WebSocket" not in fault and "ws://" not in fault] == []


@pytest.fixture
def page(studio, browser):
    """The page on which networks are trained."""
    for found in opened(studio, browser, "/learn"):
        expect(found.get_by_role("region", name="Series")).to_contain_text("trains on 1500", timeout=PATIENCE)
        yield found


@pytest.fixture
def forecasts(studio, browser):
    """The page on which series are forecast."""
    for found in opened(studio, browser, "/"):
        expect(found.get_by_role("button", name="Monthly sales")).to_be_visible(timeout=PATIENCE)
        yield found


def drawn(page: Page, name: str) -> dict:
    """What a chart shows: the points of each of its curves."""
    script = """name => { const element = document.querySelector(`[aria-label="${name}"]`);
        const option = getElement(Number(element.id.slice(1))).chart.getOption();
        return Object.fromEntries((option.series || []).map(s => [s.name, s.data])); }"""
    return page.evaluate(script, name)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def train(page: Page) -> None:
    page.get_by_role("button", name="Train", exact=True).click()


def state(page: Page):
    return page.get_by_role("status").first


def test_the_tutorial_trained_watched_compared_and_taken_away(page, tmp_path):
    choose(page, "Preset", "the tutorial")
    train(page)
    expect(state(page)).to_contain_text("done after", timeout=PATIENCE)
    losses = drawn(page, "Losses")
    assert set(losses) == {"training MSE", "validation MSE"}
    first, last = losses["training MSE"][0][1], losses["training MSE"][-1][1]
    assert last < first / 5
    curves = drawn(page, "Free run against what followed")
    assert {name: len(points) for name, points in curves.items()} == {"data": 500, "one step": 500, "free run": 500}
    assert "the free run holds" in state(page).inner_text()
    page.get_by_text("Training", exact=True).click()
    page.get_by_label("epochs", exact=True).fill("300")
    train(page)
    expect(page.get_by_role("table")).to_contain_text("running", timeout=PATIENCE)
    expect(page.get_by_role("table")).not_to_contain_text("running", timeout=PATIENCE)
    for row in page.get_by_role("table").get_by_role("checkbox").all()[1:3]:
        row.click()
    page.wait_for_timeout(500)
    assert len(drawn(page, "Free runs that are compared")) == 3

    page.get_by_role("tab", name="System").click()
    page.wait_for_timeout(500)
    assert set(drawn(page, "Attractor")) == {"data", "free run"}
    page.get_by_role("tab", name="Take it away").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Model file").click()
    waiting.value.save_as(tmp_path / "model.freerun")
    code = page.locator("code, pre").first.inner_text()
    assert code.startswith("freerun data mackey-glass --steps 2000 --seed 0 -o mackey-glass.csv")
    generate = [sys.executable, "-m", "freerun", "generate", "model.freerun", "-n", "5"]
    assert subprocess.run(generate, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.count("\n") == 6
    for line in code.strip().splitlines():
        subprocess.run([sys.executable, "-m", *line.split()], cwd=tmp_path, check=True, capture_output=True)
    (again,) = tmp_path.glob("hidden*.freerun")
    ours = freerun.load(tmp_path / "model.freerun").generate(20).values
    np.testing.assert_allclose(freerun.load(again).generate(20).values, ours, atol=1e-9)


@pytest.mark.slow
def test_a_run_goes_on_while_the_page_reloads_and_can_be_stopped(page, studio):
    _, folder = studio
    choose(page, "Preset", "the tutorial")
    page.get_by_text("Training", exact=True).click()
    page.get_by_label("epochs", exact=True).fill("200000")
    train(page)
    expect(state(page)).to_contain_text("of 200000", timeout=PATIENCE)
    page.reload()
    expect(state(page)).to_contain_text("of 200000", timeout=PATIENCE)
    before = state(page).inner_text()
    expect(state(page)).not_to_have_text(before, timeout=PATIENCE)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(state(page)).to_contain_text("stopped after", timeout=PATIENCE)
    newest = max((folder / "runs").iterdir(), key=lambda path: int(path.name))
    assert freerun.load(newest / "model.freerun").history_.stopped == "interrupted"
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(state(page)).to_contain_text("continued", timeout=PATIENCE)
    expect(state(page)).to_contain_text("of 200000", timeout=PATIENCE)
    os.kill(int(json.loads((_newest(folder) / "process.json").read_text())), signal.SIGKILL)
    expect(state(page)).to_contain_text("the training process was killed", timeout=PATIENCE)


@pytest.mark.slow
def test_two_pages_share_their_runs(page, studio, browser):
    address, folder = studio
    choose(page, "Preset", "the tutorial")
    train(page)
    expect(state(page)).to_contain_text("the tutorial: done after", timeout=PATIENCE)
    number = _newest(folder).name
    for suffix, begin in (("freerun", b""), ("csv", b"step,mackey_glass\n0,"), ("png", b"\x89PNG"), ("svg", b"<?xml")):
        answer = page.request.get(f"{address}/runs/{number}.{suffix}")
        assert answer.status == 200
        assert answer.body().startswith(begin)
    for path in ("../runs.sqlite", "..%2Fruns.sqlite", f"{number}.json", f"{number}.py", "99.csv"):
        assert page.request.get(f"{address}/runs/{path}").status == 404
    assert page.request.get(address, headers={"origin": "http://evil.example"}).status == 403
    other = browser.new_page()
    other.goto(f"{address}/learn")
    rows = other.get_by_role("table").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("the tutorial", timeout=PATIENCE)
    before = rows.count()
    rows.nth(1).get_by_role("checkbox").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    other.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(max(2, before - 1), timeout=PATIENCE)
    expect(state(page)).not_to_contain_text("done after", timeout=PATIENCE)
    train(page)
    expect(state(page)).to_contain_text("the tutorial: done after", timeout=PATIENCE)
    other.close()


def test_many_runs_are_shown_in_pages(page, studio):
    _, folder = studio
    store, series = Store(folder), freerun.systems.multiple_sines(200, seed=0)
    before = store.count()
    many = [store.add(f"number {i}", series, Source("sines.csv"), 150, {}).id for i in range(25)]
    table = page.get_by_role("table")
    expect(table).to_contain_text("number 24", timeout=PATIENCE)
    expect(table.get_by_role("row")).to_have_count(1 + 20)
    expect(table.get_by_role("cell", name="number 4", exact=True)).to_have_count(0)
    page.get_by_role("button", name="2", exact=True).click()
    expect(table.get_by_role("cell", name="number 4", exact=True)).to_have_count(1)
    for number in many:
        store.delete(number)
    expect(table.get_by_role("row")).to_have_count(1 + max(1, before), timeout=PATIENCE)
    expect(page.get_by_role("button", name="2", exact=True)).to_have_count(0)


def test_a_bad_file_is_refused_with_its_line_and_a_good_one_is_read(page, tmp_path):
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3,oops\n")
    (tmp_path / "good.csv").write_text("a,b\n" + "".join(f"{np.sin(i / 5)},{np.cos(i / 7)}\n" for i in range(200)))
    upload = page.locator("input[type=file]")
    upload.set_input_files(tmp_path / "bad.csv")
    expect(page.get_by_role("alert")).to_contain_text("bad.csv", timeout=PATIENCE)
    expect(page.get_by_role("alert")).to_contain_text("line 3, column 'b'")
    dated = [
        f"{9 + i % 5},{date}\n" for i, date in enumerate(np.arange("2024-01-01", "2024-06-01", dtype="M8[D]")) if i != 7
    ]
    (tmp_path / "prices.csv").write_text("price,date\n" + "".join(dated[::-1]))
    upload.set_input_files(tmp_path / "prices.csv")
    region = page.get_by_role("region", name="Series")
    expect(region).to_contain_text("152 steps, 1 channel", timeout=PATIENCE)
    expect(region).to_contain_text(
        "the rows are sorted from newest to oldest; they are reversed, and begin at 2024-01-01"
    )
    expect(region).to_contain_text("1 of 152 steps (D) have no row, the first of them 2024-01-08")
    upload.set_input_files(tmp_path / "good.csv")
    expect(region).to_contain_text("200 steps, 2 channels", timeout=PATIENCE)
    assert set(drawn(page, "The series and the split")) == {"a", "b"}


def test_names_are_shown_as_text_and_not_as_html(page, studio, tmp_path):
    _, folder = studio
    names = ("<img src=x onerror=alert(1)>", "*a* $b$ _c_ {d|e}", "温度 & <b>heat</b>")
    rows = "".join(f"{np.sin(i / 5)},{np.cos(i / 7)},{np.cos(i / 9)}\n" for i in range(200))
    (tmp_path / "<b>$s$.csv").write_text(",".join(names) + "\n" + rows)
    (tmp_path / "<i>bad.csv").write_text("<b>a</b>,b\n1,2\n3,<u>oops</u>\n")
    page.locator("input[type=file]").set_input_files(tmp_path / "<b>$s$.csv")
    region = page.get_by_role("region", name="Series")
    expect(region).to_contain_text("200 steps, 3 channels", timeout=PATIENCE)
    assert set(drawn(page, "The series and the split")) == set(names)
    picture = page.get_by_label("The series and the split")
    picture.hover()
    for name in names:
        expect(region.locator(".q-chip").filter(has_text=name)).to_have_count(1)
        expect(picture).to_contain_text(name)  # what ECharts shows beside the pointer
    page.locator("input[type=file]").set_input_files(tmp_path / "<i>bad.csv")
    expect(page.get_by_role("alert")).to_contain_text("<i>bad.csv", timeout=PATIENCE)
    expect(page.get_by_role("alert")).to_contain_text("'<u>oops</u>' is not a number")
    store, series = Store(folder), freerun.Series.read(tmp_path / "<b>$s$.csv")
    run = store.add("<b>run</b> of *s*", series, Source("<b>$s$.csv"), 150, {})
    row = page.get_by_role("table").get_by_role("row").filter(has_text="<b>run</b> of *s*")
    expect(row).to_contain_text("<b>$s$.csv", timeout=PATIENCE)
    row.get_by_role("checkbox").click()
    page.get_by_role("button", name="Change one thing").click()
    expect(page.get_by_text("Settings and series of '<b>run</b> of *s*' are copied")).to_be_visible()
    page.get_by_role("tab", name="Take it away").click()
    expect(page.locator("code").first).to_contain_text("freerun fit '<b>$s$.csv' --split 150")
    expect(page.locator("b, u, img, i:not(.q-icon)")).to_have_count(0)
    store.delete(run.id)


def test_absurd_values_are_refused_on_the_page(page):
    page.get_by_label("hidden", exact=True).fill("-3")
    expect(page.get_by_role("region", name="Network")).to_contain_text("hidden=-3: input should be greater than")
    train(page)
    expect(page.get_by_role("alert")).to_contain_text("hidden=-3")


@pytest.mark.slow
def test_an_endless_run_goes_on_after_a_kick(page):
    choose(page, "Preset", "the tutorial")
    train(page)
    expect(page.get_by_role("table")).to_contain_text("running", timeout=PATIENCE)
    expect(state(page)).to_contain_text("done after", timeout=PATIENCE)
    page.get_by_role("tab", name="Let it run").click()
    page.get_by_role("button", name="Let it run", exact=True).click()
    for _ in range(100):
        if len(drawn(page, "Endless free run").get("free run", [])) > 50:
            break
        page.wait_for_timeout(200)
    page.get_by_role("button", name="Kick", exact=True).click()
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Halt", exact=True).click()
    assert len(drawn(page, "Endless free run")["free run"]) > 50


MONTHS = [f"{2012 + i // 12}-{i % 12 + 1:02d},{100 + i + 20 * np.sin(i * np.pi / 6):.1f}" for i in range(60)]
"""Rows of a table of five years."""


def understood(page: Page):
    return page.get_by_role("region", name="2. What was understood")


def record(page: Page):
    return page.get_by_role("region", name="3. What to forecast")


def test_a_table_is_dropped_forecast_and_taken_away(forecasts, studio, tmp_path):
    (tmp_path / "sales.csv").write_text("\n".join(["month,sales", *MONTHS, ""]))
    forecasts.locator("input[type=file]").set_input_files(tmp_path / "sales.csv")
    expect(understood(forecasts)).to_contain_text("2012-01 to 2016-12, one a month", timeout=PATIENCE)
    forecasts.get_by_label("Steps", exact=True).fill("6")
    forecasts.get_by_role("button", name="Forecast", exact=True).click()
    expect(forecasts.get_by_role("heading", name="The next 6 months")).to_be_visible(timeout=PATIENCE)
    expect(forecasts.get_by_text("forecasts of 6 months were")).to_be_visible()
    curves = drawn(forecasts, "The series and the forecast of 6 months")
    assert set(curves) == {"sales", "95 % interval", "80 % interval", "forecast"}
    forecasts.get_by_role("button", name="Report").wait_for(timeout=PATIENCE)
    for button, name in (("Forecast as CSV", "sales.csv"), ("Model file", "sales.freerun"), ("Report", "sales.html")):
        with forecasts.expect_download() as waiting:
            forecasts.get_by_role("button", name=button).click()
        assert waiting.value.suggested_filename == name
        waiting.value.save_as(tmp_path / f"taken-{name}")
    table = np.genfromtxt(tmp_path / "taken-sales.csv", delimiter=",", skip_header=1)
    model = freerun.load(tmp_path / "taken-sales.freerun")
    np.testing.assert_allclose(model.forecast(6)["sales"], table[:, 1])
    np.testing.assert_allclose([value for _, value in curves["forecast"][1:]], table[:, 1])
    forecasts.reload()
    expect(forecasts.get_by_role("heading", name="The next 6 months")).to_be_visible(timeout=PATIENCE)
    address, _ = studio
    for path in ("../runs.sqlite", "1/0.json", "1/9.csv", "99/0.csv"):
        assert forecasts.request.get(f"{address}/forecasts/{path}").status == 404


def test_a_table_that_cannot_be_read_is_asked_about_and_corrected_on_the_page(forecasts):
    rows = [f"0{day}.03.2024,{place},{1.5 * day}" for day in range(1, 10) for place in ("a", "a", "b")]
    forecasts.get_by_text("Paste a table").click()
    forecasts.get_by_label("Rows, from a spreadsheet or a file").fill("\n".join(["day,place,<b>heat</b>", *rows]))
    forecasts.get_by_role("button", name="Read it", exact=True).click()
    alert = understood(forecasts).get_by_role("alert")
    expect(alert).to_contain_text("?", timeout=PATIENCE)
    assert "--" not in alert.inner_text()
    expect(forecasts.get_by_role("button", name="Forecast", exact=True)).to_be_disabled()
    expect(understood(forecasts).get_by_role("table")).to_contain_text("01.03.2024")
    forecasts.get_by_label("Step length", exact=True).click()
    forecasts.get_by_role("option", name="each row is a step, times are ignored").click()
    expect(understood(forecasts)).to_contain_text("none were given; the steps are counted", timeout=PATIENCE)
    expect(forecasts.get_by_role("button", name="Forecast", exact=True)).to_be_enabled()
    expect(forecasts.locator("b")).to_have_count(0)


def test_both_pages_are_linked_and_every_control_has_a_name(studio, browser):
    """By the accessibility tree: no control and no picture without a name,
    and one heading of the first level."""
    for way, other in (("What comes next?", "Watch it learn"), ("Watch it learn", "What comes next?")):
        path = "/" if way == "What comes next?" else "/learn"
        for found in opened(studio, browser, path):
            expect(found.get_by_role("link", name=way)).to_have_attribute("aria-current", "page", timeout=PATIENCE)
            found.wait_for_timeout(3000)
            tree = found.locator("body").aria_snapshot()
            roles = "button|link|textbox|combobox|img|slider|spinbutton|switch|tab"
            assert re.findall(rf"- (?:{roles})(?: \[.*\])?:?$", tree, re.M) == []
            assert len(re.findall(r"- heading .*level=1", tree)) == 1
            assert found.evaluate("document.documentElement.lang").startswith("en")
            found.keyboard.press("Tab")
            expect(found.get_by_role("link", name="Skip to the content")).to_be_focused()
            found.get_by_role("link", name=other).click()
            expect(found.get_by_role("link", name=other)).to_have_attribute("aria-current", "page", timeout=PATIENCE)


@pytest.mark.parametrize(("path", "region"), [("/learn", "Run"), ("/", "1. Your table")])
def test_pages_fit_the_width_of_a_phone(studio, browser, path, region):
    for phone in opened(studio, browser, path, viewport={"width": 390, "height": 844}, color_scheme="dark"):
        expect(phone.get_by_role("region", name=region)).to_be_visible(timeout=PATIENCE)
        phone.wait_for_timeout(500)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("request_line", "headers", "body", "status"),
    [
        ("GET /", {"Host": "evil.example"}, b"", 403),
        ("GET /", {"Host": "127.0.0.1.evil.example"}, b"", 403),
        ("GET /", {"Origin": "http://evil.example"}, b"", 403),
        ("GET /", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, b"", 403),
        ("GET /_nicegui_ws/socket.io/?EIO=4&transport=polling", {"Origin": "http://evil.example"}, b"", 403),
        ("POST /_nicegui_ws/socket.io/?EIO=4&transport=polling", {"Host": "evil.example"}, b"40", 403),
        ("GET /_nicegui_ws/socket.io/?EIO=4&transport=polling&sid=made-up", {}, b"", 400),
        ("GET /runs/..%2f..%2fetc%2fpasswd", {}, b"", 404),
        ("GET /runs/%2e%2e/%2e%2e/etc/passwd", {}, b"", 404),
        ("GET /runs/1.csv%00.png", {}, b"", 404),
        ("GET /runs/99999999999999999999999999.csv", {}, b"", 404),
        ("GET /_nicegui/3.18.0/static/..%2f..%2f..%2fsetup.py", {}, b"", 404),
        ("GET /_nicegui/3.18.0/resources/x/..%2f..%2f..%2fetc%2fpasswd", {}, b"", 404),
        ("GET /docs", {}, b"", 404),
        ("GET /openapi.json", {}, b"", 404),
        ("POST /uploads/made-up", {"Content-Type": "multipart/form-data; boundary=x"}, b"--x", 404),
        ("POST /", {"Content-Length": str(10**12)}, b"", 413),
        ("POST /", {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", 413),
        ("NONSENSE", {}, b"", 400),
    ],
)
def test_hostile_requests_are_refused_and_the_page_goes_on(studio, request_line, headers, body, status):
    address, _ = studio
    host = address.removeprefix("http://")
    head = {"Host": host, "Connection": "close", "Content-Length": str(len(body))} | headers
    if "Transfer-Encoding" in headers:
        del head["Content-Length"]
    lines = [f"{request_line} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    with socket.create_connection(tuple(host.split(":")), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = connection.recv(100)
    assert answer.split()[1] == str(status).encode(), answer
    with urllib.request.urlopen(address, timeout=10) as page:
        assert page.status == 200


def _newest(folder: Path) -> Path:
    return max((folder / "runs").iterdir(), key=lambda path: int(path.name))
