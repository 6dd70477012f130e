"""How well systems are learned: `python benchmarks/systems.py [--work WORK ...] --data FOLDER`.

Runs freerun's default and its peers, in turn, on the works of `works.py`. Prints a table for each
work, keeps all scores in docs/benchmarks/systems.json, and writes docs/benchmarks/systems.md from
them. Scores that the file has are not measured again, so that a run that was stopped can be
continued; `--again` measures them again. The peers of `peers.py` run in an environment of their
own, see `--peers`. FOLDER (or $FREERUN_DATA) has the data, see docs/benchmarks/README.md; works
without their data are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import freerun
from freerun.compute.cores import limit_cores
from freerun.errors import FreerunError, SeriesWarning, SettingError
from freerun.forecasting.enduring import endures
from machine import provenance
from peers import PEERS
from systems_page import FORECAST, OURS, Results, Row, make_page, make_table
from works import WORKS, Problem, Run, Runs, Work

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "benchmarks"

KEPT_SETTINGS = ("cell", "hidden", "delays", "leak", "difference", "measurement_noise")
"""Settings of freerun's best network that are kept with its scores."""


class PeerProcess:
    """A process of `peers.py`, in a Python environment that has the peers.
    It starts with the first request."""

    def __init__(self, python: Path) -> None:
        self.python = python
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory()

    def run(self, method: str, problem: Problem) -> tuple[Runs, dict[str, Any]]:
        """Fit a peer to a problem and let it run free.

        Returns:
            The free runs and the answer of `peers.answer`; no runs where the peer failed.
        """
        file = str(Path(self._folder.name) / "task.npz")
        runs = [[run.start, run.steps, run.read] for run in problem.runs]
        np.savez(file, values=problem.values, split=problem.split, runs=runs, seed=problem.seed)
        process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"method": method, "file": file}), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.python} {process.args} ended with exit status {process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            return [], answer
        with np.load(file) as arrays:
            return [arrays[str(number)] for number in range(len(runs))], answer

    def _start(self) -> subprocess.Popen[str]:
        """Start the process unless it runs."""
        if self._process is None:
            one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self._process = subprocess.Popen(
                [self.python, Path(__file__).with_name("peers.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | one_thread,
            )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()


def score_freerun(work: Work, problem: Problem) -> Iterator[Row]:
    """Score the free runs of freerun's best network,
    and its forecast where the work scores that."""
    began = time.process_time()
    with limit_cores(1):
        rnn = freerun.RNN(seed=problem.seed, **work.settings).fit(problem.training)
        fit = time.process_time() - began
        runs = [_generate(rnn, problem, run) for run in problem.runs]
        states = None if problem.score_states is None else _estimate_states(rnn, problem)
    seconds = time.process_time() - began
    best = rnn.model_.best
    chosen = {name: getattr(best.settings, name) for name in KEPT_SETTINGS}
    scores = problem.score(runs)
    if problem.score_states is not None and states is not None:
        scores |= problem.score_states(states)
    if work.endures:
        scores["endures"] = [float(endures(best, [freerun.Series.of(problem.training)]))]
    yield Row(OURS, problem.name, scores, seconds, fit, chosen)
    if work.forecast:
        forecast = rnn.forecast(problem.runs[0].steps).to_numpy()
        yield Row(FORECAST, problem.name, problem.score([forecast]), seconds, fit)


def _generate(rnn: freerun.RNN, problem: Problem, run: Run) -> np.ndarray:
    """Compute a free run of the best network; infinite where it diverged."""
    after = None if run.start == problem.split else problem.read(run)
    try:
        return rnn.generate(run.steps, after=after).values
    except FreerunError as error:
        print(f"{problem.name}: {error}", file=sys.stderr)
        return np.full((run.steps, problem.values.shape[1]), np.inf)


def _estimate_states(rnn: freerun.RNN, problem: Problem) -> np.ndarray | None:
    """Estimate the states behind the training steps;
    None where the best network knows no noise in measurements."""
    try:
        return rnn.smooth(problem.training).values
    except SettingError as error:
        print(f"{problem.name}: {error}", file=sys.stderr)
        return None


def score_peer(method: str, problem: Problem, peers: PeerProcess) -> Row | None:
    """Score a peer; None, with a message, where it failed."""
    runs, answer = peers.run(method, problem)
    if "error" in answer:
        print(f"{method} on {problem.name}: {answer['error']}", file=sys.stderr)
        return None
    with np.errstate(all="ignore"):  # runs that diverged
        scores = problem.score(runs)
    return Row(method, problem.name, scores, answer["seconds"], answer["fit"])


def score_problem(
    name: str, problem: Problem, methods: list[str], peers: PeerProcess, results: Results
) -> Iterator[Row]:
    """Score methods on a problem: freerun, the peers in turn, then references;
    without those that have results."""
    work = WORKS[name]
    if OURS in methods and not results.has(name, OURS, problem.name):
        yield from score_freerun(work, problem)
    for method in work.peers:
        if method in methods and not results.has(name, method, problem.name):
            row = score_peer(method, problem, peers)
            if row is not None:
                yield row
    references = problem.references()
    for method, scores in references.items():
        if not results.has(name, method, problem.name):
            yield Row(method, problem.name, dict(scores))


T = TypeVar("T")


def draw_sample(problems: list[T], size: int) -> list[T]:
    """Draw a sample that is always the same, and part of each larger one; 0 takes all problems."""
    order = np.random.default_rng(0).permutation(len(problems)).tolist()
    return [problems[i] for i in order[: size or None]]


def main() -> None:
    """Run works, print their tables, and write the page."""
    arguments = _arguments()
    results = Results.read(arguments.json)
    peers = PeerProcess(arguments.peers)
    provenance_number = results.number_of(provenance())
    warnings.simplefilter("ignore", SeriesWarning)
    try:
        for name in arguments.work:
            _run_work(name, arguments, peers, results, provenance_number)
    finally:
        peers.close()
    arguments.json.with_suffix(".md").write_text(make_page(results))


def _run_work(
    name: str, arguments: argparse.Namespace, peers: PeerProcess, results: Results, provenance_number: int
) -> None:
    """Score methods on the problems of a work, keep the scores, and print its table."""
    work = WORKS[name]
    print(f"## {name}: {work.title}", flush=True)
    try:
        problems = draw_sample(work.problems(arguments.data, arguments.seeds), arguments.sample)
    except FileNotFoundError as missing:
        print(f"left out: {missing.filename} does not exist; give the folder of data with --data", file=sys.stderr)
        return
    if arguments.again:
        results.remove(name, arguments.methods)
    for number, problem in enumerate(problems, 1):
        for row in score_problem(name, problem, arguments.methods, peers, results):
            results.add(name, replace(row, provenance=provenance_number))
            scores = "  ".join(f"{measure} {np.mean(values):.4g}" for measure, values in row.scores.items())
            print(
                f"{number}/{len(problems)} {row.problem:<26} {row.method:<36} {scores}  {row.seconds:.1f} s", flush=True
            )
        results.write(arguments.json)
    print("\n".join(make_table(work, results.rows(name))), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    methods = [OURS, *PEERS]
    parser.add_argument(
        "--work", nargs="+", choices=list(WORKS), default=list(WORKS), metavar="WORK", help="of: %(choices)s"
    )
    parser.add_argument(
        "--who", dest="methods", nargs="+", choices=methods, default=methods, metavar="METHOD", help="of: %(choices)s"
    )
    parser.add_argument("--sample", type=int, default=0, help="problems of each work, always the same; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the works that have seeds; default: 3")
    parser.add_argument("--again", action="store_true", help="measure again what the file has")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FREERUN_DATA", "data")))
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-reservoirs" / "bin" / "python", help="their Python")
    parser.add_argument("--json", type=Path, default=PAGES / "systems.json", help="all scores; the page lies beside it")
    arguments = parser.parse_args()
    if not set(arguments.methods) <= {OURS} and not arguments.peers.exists():
        parser.error(f"{arguments.peers} does not exist; run make .venv-reservoirs/installed, or give --peers PYTHON")
    return arguments


if __name__ == "__main__":
    main()
