"""The service: it answers what Python answers, refuses what it cannot answer,
and keeps its models."""

import io
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import numpy as np
import pandas as pd
import psutil
import pytest
import requests
import schemathesis
import uvicorn
from schemathesis.checks import positive_data_acceptance
from schemathesis.config import ProjectConfig, ProjectsConfig, SchemathesisConfig

import freerun
from freerun.serving.app import make_app
from freerun.serving.pool import Limits
from freerun.serving.served import read_models

LIMITS = Limits(workers=1, queue=8, seconds=20.0, steps=500, body=20_000)
CSV = {"content-type": "text/csv"}
SMALL: dict[str, Any] = {"cell": "memoryless", "delays": 4, "difference": 0, "optimizer": "ridge", "l2": 1e-6}
SMALL |= {"input_scale": 0.3}


def monthly(steps: int) -> pd.DataFrame:
    """A trend with a season."""
    at = np.arange(steps)
    index = pd.date_range("2015-01-01", periods=steps, freq="MS", name="month")
    return pd.DataFrame({"sales": 50 + 0.4 * at + 9 * np.sin(at * np.pi / 6) + np.cos(at * 1.7)}, index=index)


def driven(steps: int) -> pd.DataFrame:
    """A channel that follows an external input."""
    push = np.sin(np.arange(steps) * 0.7) * np.cos(np.arange(steps) * 0.13)
    level = np.zeros(steps)
    for step in range(1, steps):
        level[step] = 0.5 * level[step - 1] + push[step]
    return pd.DataFrame({"level": level, "push": push})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Model files: of dates, of counted steps with a network that learns on,
    and with an external input."""
    folder = tmp_path_factory.mktemp("models")
    freerun.RNN(cell="smoothing").fit(monthly(60)).save(folder / "sales.freerun")
    sines = freerun.systems.multiple_sines(300, seed=0)
    freerun.RNN(20, online=True, **SMALL).fit(sines.between(0, 200)).save(folder / "sines.freerun")
    data = driven(200)
    freerun.RNN(20, **SMALL).fit(data[["level"]], inputs=data[["push"]]).save(folder / "driven.freerun")
    return folder


def models(folder: Path, *names: str) -> list[Path]:
    return [folder / f"{name}.freerun" for name in names or ("sales", "sines", "driven")]


@contextmanager
def listening(app: Any) -> Iterator[httpx.Client]:
    """Run a service in a thread, and yield a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([place],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{place.getsockname()[1]}", timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def client(folder):
    with listening(make_app(read_models(models(folder)), LIMITS)) as client:
        yield client


@pytest.fixture(scope="module")
def sales(folder):
    return freerun.load(folder / "sales.freerun")


def test_a_forecast_is_that_of_python_in_json_and_csv(client, sales):
    expected = sales.forecast(5, levels=(80, 95))
    answer = client.post("/models/sales/forecast", json={"horizon": 5, "levels": [80, 95]}).json()
    assert answer["times"] == ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01", "2020-05-01"]
    assert answer["values"] == {"sales": expected["sales"].tolist()}
    assert [bounds["level"] for bounds in answer["intervals"]] == [80, 95]
    for bounds in answer["intervals"]:
        assert bounds["low"]["sales"] == expected[f"sales_low_{bounds['level']:g}"].tolist()
        assert bounds["high"]["sales"] == expected[f"sales_high_{bounds['level']:g}"].tolist()
    table = client.get("/models/sales/forecast?horizon=5&levels=80,95", headers={"accept": "text/csv;q=0.9, */*;q=0.1"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    read = pd.read_csv(io.StringIO(table.text), index_col="time", parse_dates=True)
    pd.testing.assert_frame_equal(read, expected, check_names=False, check_freq=False, check_index_type=False)


def test_generate_and_predict_are_those_of_python(client, folder):
    rnn, sines = freerun.load(folder / "sines.freerun"), freerun.systems.multiple_sines(300, seed=0)
    run = client.post("/models/sines/generate", json={"steps": 7}).json()
    assert run["times"] == [200.0 + step for step in range(7)]
    assert list(run["values"].values()) == rnn.generate(7).values.T.tolist()
    (name,) = run["values"]
    series = {name: sines.values[:50, 0].tolist()}
    predicted = client.post("/models/sines/predict", json={"series": series}).json()
    assert predicted["values"][name] == rnn.predict(sines.between(0, 50)).values[:, 0].tolist()
    assert predicted["times"][0] == 1.0


def test_a_run_starts_from_a_series_or_goes_on_from_what_the_model_has_read(client, sales):
    rows = monthly(66)
    text = rows.to_csv()
    alone = client.post("/models/sales/forecast?horizon=3", content=text, headers=CSV).json()
    assert alone["values"]["sales"] == sales.forecast(3, after=rows)["sales"].tolist()
    more = [{"month": f"{stamp:%Y-%m-%d}", "sales": value} for stamp, value in rows["sales"].iloc[58:].items()]
    appended = client.post("/models/sales/forecast", json={"horizon": 3, "series": more, "append": True}).json()
    rnn = freerun.RNN()
    rnn.model_ = sales.model_
    assert appended["values"]["sales"] == rnn.update(rows).forecast(3)["sales"].tolist()
    assert appended["times"] == alone["times"] == ["2020-07-01", "2020-08-01", "2020-09-01"]
    assert client.get("/models/sales").json()["read_to"] == "2019-12-01"


def test_a_forecast_can_be_sent_back_as_a_series(client):
    """A network that reads its own output goes on with the same run."""
    for name in ("sales", "sines"):
        first = client.get(f"/models/{name}/generate?steps=4").json()
        series = {"time": first["times"]} | first["values"]
        again = client.post(f"/models/{name}/generate", json={"steps": 2, "series": series, "append": True}).json()
        expected = client.get(f"/models/{name}/generate?steps=6").json()
        assert again["times"] == expected["times"][4:]
        for channel, values in expected["values"].items():
            np.testing.assert_allclose(again["values"][channel], values[4:], rtol=1e-9)


def test_external_inputs_come_in_the_series_or_beside_it(client, folder):
    rnn, data = freerun.load(folder / "driven.freerun"), driven(230)
    ahead = data[["push"]].iloc[200:205]
    expected = rnn.forecast(5, inputs=ahead)["level"].tolist()
    found = client.post("/models/driven/forecast", json={"horizon": 5, "inputs": {"push": ahead["push"].tolist()}})
    assert found.json()["values"]["level"] == expected
    rows = data.iloc[150:206].copy()
    rows.loc[201:, "level"] = np.nan
    whole = client.post("/models/driven/forecast?horizon=5", content=rows.to_csv(index=False), headers=CSV).json()
    series = rnn.forecast(5, after=freerun.Series.of(rows.reset_index(drop=True)).with_inputs(["push"]))
    assert whole["values"]["level"] == series["level"].tolist()
    refused = client.get("/models/driven/forecast?horizon=5")
    assert refused.status_code == 422
    assert "the external inputs (push) are known for 0 steps" in refused.json()["detail"]


class Here:
    """Stands for a process of the pool: computes in this one, once it is allowed to,
    so that tests are quick."""

    allowed = threading.Event()

    def __init__(self) -> None:
        self._ended = threading.Event()

    def ask(self, function: Callable[[Any], Any], task: Any) -> Any:
        """Compute, or end as a process does that is killed."""
        while not self.allowed.wait(0.01):
            if self._ended.is_set():
                raise EOFError
        return function(task)

    def end(self) -> None:
        """End the computation."""
        self._ended.set()


@pytest.fixture
def own(folder, tmp_path, monkeypatch) -> Callable[..., AbstractContextManager[httpx.Client]]:
    """Start a service without processes over copies of models."""
    monkeypatch.setattr("freerun.serving.pool.WorkerProcess", Here)
    Here.allowed.set()

    def start(limits: Limits = LIMITS, **given: Any) -> AbstractContextManager[httpx.Client]:
        for path in models(folder):
            shutil.copy(path, tmp_path)
        return listening(make_app(read_models(models(tmp_path)), limits, **given))

    return start


def test_updates_move_the_model_on_in_memory_and_in_its_file(own, tmp_path):
    sines = freerun.systems.multiple_sines(300, seed=0)
    with own(keep=True) as client:
        name = client.get("/models/sines").json()["channels"][0]
        new = {name: sines.values[200:240, 0].tolist()}
        request = {"series": new, "learn": True, "forgetting": 0.99}
        answer = client.post("/models/sines/update", json=request).json()
        assert (answer["read_to"], answer["next"], answer["updates"], answer["kept"]) == ("239", "240", 1, "file")
        rnn = freerun.load(tmp_path / "sines.freerun")
        assert rnn.model_.recent.times[-1] == 239
        after = client.get("/models/sines/generate?steps=3").json()
        assert after["values"][name] == rnn.generate(3).values[:, 0].tolist()
        assert client.get("/models/sines").json()["updates"] == 1
        odd = {"sales": [90.0], "time": ["2021-01-01"]}
        refused = client.post("/models/sales/update", json={"series": odd})
        assert refused.status_code == 422
        assert "the next step is 2020-01-01" in refused.json()["detail"]
        assert client.get("/models/sales").json()["updates"] == 0


def test_updates_of_a_model_take_effect_one_after_the_other(own):
    rows = monthly(80).to_csv().splitlines()

    texts = ["\n".join([rows[0], *rows[61:last]]) for last in range(62, 70)]  # each has what those before had
    with own(replace(LIMITS, workers=2)) as client, ThreadPoolExecutor(8) as threads:
        asked = threads.map(lambda text: client.post("/models/sales/update", content=text, headers=CSV), texts)
        codes = [answer.status_code for answer in asked]
        assert set(codes) <= {200, 422}  # 422: one with more steps was first, and no step follows
        state = client.get("/models/sales").json()
        assert state["read_to"] == "2020-08-01"
        assert state["updates"] == codes.count(200)


def test_odd_data_are_answered_with_a_warning(client):
    rows = monthly(66).iloc[::-1]
    answer = client.post("/models/sales/forecast?horizon=1", content=rows.to_csv(), headers=CSV)
    assert "sort" in " ".join(answer.json()["warnings"])
    table = client.post("/models/sales/forecast?horizon=1", content=rows.to_csv(), headers=CSV | {"accept": "text/csv"})
    assert "sort" in table.headers["freerun-warning"]


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "words"),
    [
        ("POST", "sales/forecast", {"content": "{", "headers": {"content-type": "application/json"}}, 400, "not JSON"),
        (
            "POST",
            "sales/forecast",
            {"content": "NaN", "headers": {"content-type": "application/json"}},
            400,
            "not JSON",
        ),
        ("POST", "sales/forecast", {"json": [1]}, 422, "not an object"),
        ("POST", "sales/forecast?horizon=2", {"json": {"horizon": 2}}, 400, "in the query and in the body"),
        ("POST", "sales/forecast", {"json": {}}, 422, "horizon is missing"),
        ("POST", "sales/forecast", {"json": {"horizon": "2"}}, 422, "horizon='2': give a whole number"),
        ("POST", "sales/forecast", {"json": {"horizon": True}}, 422, "horizon=True: give a whole number"),
        ("GET", "sales/forecast?horizon=501", {}, 422, "horizon=501: must be at most 500"),
        ("GET", "sales/forecast?horizon=1&levels=80,x", {}, 422, "levels='x': give percentages"),
        ("GET", "sales/forecast?horizon=1&levels=80,80", {}, 422, "give each level once"),
        ("GET", "sales/forecast?horizon=1&horizon=2", {}, 422, "horizon=['1', '2']: give a whole number"),
        ("GET", "sales/forecast?horizn=1", {}, 422, "there is no option 'horizn'"),
        ("GET", "sales/forecast?horizon=1&append=true", {}, 422, "append has no effect without series"),
        ("GET", "sales/forecast?horizon=1&zone=UTC", {}, 422, "zone has no effect without series"),
        ("GET", "sales/forecast?horizon=1&series=1", {}, 422, "series is a table; give it in the body"),
        ("GET", "sales/generate?steps=3&ensemble=worst", {}, 422, "give one of best, mean, median, trimmed"),
        ("GET", "sines/generate?steps=3&ensemble=mean", {}, 422, "the model has one network"),
        ("POST", "sales/predict", {"json": {"series": 3}}, 422, "series: give a list of objects"),
        ("POST", "sales/predict", {"json": {"series": [{"sales": "a"}]}}, 422, "line 1, column 'sales': 'a' is not a"),
        ("POST", "sales/predict", {"json": {"series": {"a": [1, 2], "b": [1]}}}, 422, "not lists of equal length"),
        ("POST", "sales/predict", {"json": {"series": {"price": [1, 2]}}}, 422, "'sales' is missing"),
        ("POST", "sales/predict", {"content": "a,b\n1\n", "headers": CSV}, 422, "series, line 2: 1 columns"),
        ("POST", "sales/predict", {"content": b"\x00\x01", "headers": CSV}, 422, "not text"),
        ("POST", "sines/predict", {"json": {"series": [1, 2, 3]}}, 422, "the series has 3 steps; with a washout of"),
        ("POST", "sales/update", {"json": {"series": [1], "forgetting": 0.9}}, 422, "no effect without learn"),
        ("POST", "sales/update", {"json": {"series": [1], "learn": True}}, 422, "fit it with online=True"),
        ("POST", "sales/update", {"json": {"series": [1], "forgetting": 0}}, 422, "a number above 0 up to 1"),
        ("POST", "sales/predict", {"data": {"series": "1"}}, 415, "Content-Type: application/json"),
        ("POST", "sales/predict", {"content": "x", "headers": {}}, 415, "of no media type"),
        ("POST", "sales/predict", {"content": "x", "headers": CSV | {"content-encoding": "gzip"}}, 415, "uncompressed"),
        ("POST", "sales/predict", {"content": b"1\n" * 10_001, "headers": CSV}, 413, "more than 20000 bytes"),
        ("GET", "sales/forecast?horizon=1", {"headers": {"accept": "image/png"}}, 406, "accept application/json and"),
        ("POST", "sales/update", {"json": {"series": [1]}, "headers": {"accept": "text/csv"}}, 406, "application/json"),
        ("GET", "nothing", {}, 404, "there are: sales, sines, driven"),
        ("GET", "nothing/forecast?horizon=1", {}, 404, "there are: sales, sines, driven"),
        ("GET", "sales/nothing", {}, 404, "There is no address /models/sales/nothing"),
        ("GET", "sales/update", {}, 405, "does not answer GET"),
    ],
)
def test_bad_requests_are_problems_that_say_what_to_do(client, method, path, given, status, words):
    answer = client.request(method, f"/models/{path}", **given)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert words in problem["detail"]
    assert "Traceback" not in answer.text


def test_a_problem_points_to_each_part_that_is_wrong(client):
    problem = client.post("/models/sales/forecast", json={"horizon": 0, "levels": [0.8], "columns": [1]}).json()
    assert [fault["pointer"] for fault in problem["errors"]] == ["/columns/0", "/horizon", "/levels"]


def test_a_body_without_a_length_is_limited_as_it_arrives(client):
    answer = client.post("/models/sales/predict", content=(b"1\n" for _ in range(10_001)), headers=CSV)
    assert answer.status_code == 413


def test_requests_beyond_the_queue_are_refused_and_health_answers_meanwhile(own):
    limits = replace(LIMITS, workers=1, queue=1)
    with own(limits) as client, ThreadPoolExecutor(2) as threads:
        Here.allowed.clear()
        asked = [threads.submit(client.get, "/models/sales/forecast?horizon=3") for _ in range(2)]
        while (health := client.get("/health").json())["waiting"] == 0:
            time.sleep(0.01)
        assert (health["computing"], health["models"]) == (1, 3)
        for _ in range(3):
            refused = client.get("/models/sales/forecast?horizon=3")
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
        Here.allowed.set()
        assert [answer.result().status_code for answer in asked] == [200, 200]
        assert client.get("/models/sales/forecast?horizon=3").status_code == 200


def test_a_computation_beyond_the_limit_of_time_is_ended_and_the_models_are_kept(own):
    with own(replace(LIMITS, seconds=0.3)) as client:
        new = {"series": {"month": ["2020-01-01"], "sales": [80.0]}}
        assert client.post("/models/sales/update", json=new).status_code == 200
        Here.allowed.clear()
        for path in ("forecast?horizon=1", "update"):
            refused = client.post(f"/models/sales/{path}", json=None if "?" in path else new)
            assert refused.status_code == 503
            assert "longer than 0.3 seconds" in refused.json()["detail"]
        Here.allowed.set()
        assert client.get("/models/sales/forecast?horizon=1").json()["times"] == ["2020-02-01"]
        assert client.get("/health").json()["computing"] == 0


def test_a_fault_of_freerun_is_in_the_log_and_not_in_the_answer(own, monkeypatch):
    monkeypatch.setattr("freerun.forecasting.runs.generate", lambda *_: 1 / 0)
    said: list[str] = []
    with own(report_fault=said.append) as client:
        answer = client.get("/models/sales/generate?steps=1")
        assert answer.status_code == 500
        assert "ZeroDivisionError" not in answer.text
        assert "ZeroDivisionError" in said[0]
        assert client.get("/models/sales").status_code == 200


def test_a_token_is_asked_for_but_for_health_and_docs(own):
    with own(token="secret") as client:
        assert client.get("/health").status_code == client.get("/docs").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret"}):
            refused = client.get("/models", headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert client.get("/models", headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.get("/openapi.json").json()["security"] == [{"token": []}]


def test_pages_of_other_sites_and_unknown_hosts_are_refused(own):
    with own(hosts=("127.0.0.1", "localhost")) as client:
        assert client.get("/models", headers={"host": "localhost:8000"}).status_code == 200
        for headers in ({"host": "evil.example"}, {"host": "["}, {"origin": "http://evil.example"}):
            refused = client.post("/models/sales/update", json={}, headers=headers)
            assert refused.status_code == 403
            assert refused.headers["content-type"] == "application/problem+json"


def test_each_request_writes_a_line_of_log(own):
    lines: list[str] = []
    with own(log=lines.append) as client:
        client.get("/models/sales/forecast?horizon=1")
        client.get("/models/%0aforged")
    assert lines[0].split()[2:5] == ["GET", "/models/sales/forecast", "200"]
    assert lines[1].split()[2:5] == ["GET", "/models/%0aforged", "404"]


def test_the_page_of_docs_loads_nothing_from_elsewhere(client):
    page = client.get("/", follow_redirects=True)
    assert page.url.path == "/docs"
    assert "script" not in page.text
    assert "src=" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("serve none.freerun", "none.freerun: no such file"),
        ("serve a/m.freerun b/m.freerun", "b/m.freerun: another model has the name 'm' too; rename one of the files"),
        ("serve a/m.freerun --host 0.0.0.0", "--host 0.0.0.0 lets other machines use the models; set a token"),
        ("serve a/m.freerun --port {taken}", "(Address already in use); choose another --host or --port"),
        ("serve a/m.freerun --host nowhere.invalid --public", "cannot listen on nowhere.invalid"),
        ("serve a/m.freerun --model numpy:sin", "model='numpy:sin': no network was fitted with a known model"),
        ("serve a/m.freerun --workers 0", "Invalid value for '--workers'"),
    ],
)
def test_a_service_that_cannot_start_says_why(run, tmp_path, folder, line, words):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(folder / "sines.freerun", tmp_path / name / "m.freerun")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run(line.format(taken=taken.getsockname()[1]))
    assert code == 2
    assert words in " ".join(err.replace("│", " ").split())


@pytest.fixture
def described(client):
    """The OpenAPI document of a service, from which Schemathesis makes requests to one of its
    models."""
    project = ProjectConfig(base_url=str(client.base_url), parameters={"path.name": "sales"})
    config = SchemathesisConfig(seed=0, projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_dict(client.get("/openapi.json").json(), config=config)


def test_the_openapi_document_is_valid(described):
    described.validate()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_those_of_the_openapi_document(described, mode):
    """To valid requests, and to others; whether data suit a
    model is beyond what a schema can say."""
    excluded = [positive_data_acceptance]
    asked = described if mode is schemathesis.GenerationMode.POSITIVE else described.include(path_regex="name}/")
    with requests.Session() as session:
        for found in asked.get_all_operations():

            @hypothesis.settings(max_examples=8, deadline=None, database=None, derandomize=True)
            @hypothesis.given(found.ok().as_strategy(generation_mode=mode))
            def answers_as_described(case: schemathesis.Case) -> None:
                case.call_and_validate(session=session, excluded_checks=excluded)

            answers_as_described()


class Launched:
    """A service as its users start it: a process with an address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        self.first = process.stderr.readline()
        assert " at http://" in self.first, self.first + process.stderr.read()
        self.client = httpx.Client(base_url=self.first.partition(" at ")[2].partition(",")[0], timeout=60)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal, and return the exit status and the log."""
        self.process.send_signal(number)
        log = self.process.communicate(timeout=30)[1]
        return self.process.returncode, log


@pytest.fixture
def service(launch, folder, tmp_path) -> Iterator[Callable[..., Launched]]:
    """Launch services over copies of models, in processes of their own."""
    started: list[Launched] = []

    def start(*options: str) -> Launched:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        names = [f"{name}.freerun" for name in ("sales", "sines", "driven")]
        started.append(Launched(launch("serve", *names, "--port", "0", *options)))
        return started[-1]

    yield start
    for launched in started:
        launched.client.close()
        if launched.process.poll() is None:
            launched.end(signal.SIGKILL)


def processes_of(parent: int) -> list[psutil.Process]:
    """The processes in which requests are computed."""
    return psutil.Process(parent).children()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_service_that_is_stopped_answers_what_it_has_begun(service, number):
    launched = service("--workers", "1", "--max-horizon", "100000")
    workers = processes_of(launched.process.pid)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(launched.client.get, "/models/sines/generate?steps=40000")
        while httpx.get(f"{launched.client.base_url}/health").json()["computing"] == 0:
            time.sleep(0.01)
        status, log = launched.end(number)
        assert len(asked.result().json()["times"]) == 40_000
    assert status == 0
    assert "/models/sines/generate 200" in log
    assert "Traceback" not in log
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_a_service_goes_on_when_its_processes_die_and_they_end_with_it(service):
    launched = service("--workers", "1")
    (worker,) = processes_of(launched.process.pid)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(launched.client.get, "/models/sines/generate?steps=10000")
        while httpx.get(f"{launched.client.base_url}/health").json()["computing"] == 0:
            time.sleep(0.01)
        worker.kill()
        refused = asked.result()
    assert refused.status_code == 503
    assert "died, perhaps for lack of memory" in refused.json()["detail"]
    assert launched.client.get("/models/sales/forecast?horizon=1").status_code == 200
    (worker,) = processes_of(launched.process.pid)
    launched.end(signal.SIGKILL)
    assert psutil.wait_procs([worker], timeout=10)[1] == []


def test_health_answers_while_long_runs_are_computed_and_those_that_take_too_long_end(service):
    launched = service("--workers", "1", "--timeout", "1.5", "--max-horizon", "99000")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(launched.client.get, "/models/sines/generate?steps=99000")
        seen = []
        while not asked.done():
            seen.append(httpx.get(f"{launched.client.base_url}/health").json()["computing"])
        assert asked.result().status_code == 503
    assert seen.count(1) > 1


def test_a_model_that_is_kept_is_whole_when_the_service_is_killed(service, tmp_path):
    launched = service("--workers", "1", "--keep")
    rows = monthly(160).to_csv().splitlines()
    done: list[str] = []

    def update_one_by_one() -> None:
        for row in rows[61:]:
            text = f"{rows[0]}\n{row}\n"
            try:
                done.append(launched.client.post("/models/sales/update", content=text, headers=CSV).json()["read_to"])
            except httpx.HTTPError:
                return

    with ThreadPoolExecutor(1) as threads:
        updating = threads.submit(update_one_by_one)
        while len(done) < 5:
            time.sleep(0.005)
        launched.end(signal.SIGKILL)
        updating.result()
    kept = str(freerun.load(tmp_path / "sales.freerun").model_.recent.times[-1])[:10]
    assert done[-1] <= kept <= str(np.datetime64(done[-1][:7]) + 1) + "-01"
