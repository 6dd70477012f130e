"""How well systems are learned: `python benchmarks/systems.py [--work WORK ...] --data FOLDER`.

Runs freerun's default and its peers, in turn, on the works of `works.py`. Prints a table for each work, keeps all
scores in docs/benchmarks/systems.json, and writes docs/benchmarks/systems.md from them. What the file has is not done
again, so that a run that was stopped goes on; `--again` does the works anew. The peers of `peers.py` run in an
environment of their own, see `--peers`. FOLDER (or $FREERUN_DATA) has the data, see docs/benchmarks/README.md; works
without theirs are left out.
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
from freerun.compute.cores import on_cores
from freerun.errors import FreerunError, SeriesWarning, SettingError
from freerun.forecasting.enduring import endures
from machine import provenance
from peers import PEERS
from systems_page import FORECAST, OURS, Results, Row, page, table
from works import WORKS, Problem, Run, Runs, Work

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "benchmarks"

NOTED = ("cell", "hidden", "delays", "leak", "difference", "measurement_noise")
"""Settings of freerun's best network that are kept with its scores."""


class PeerProcess:
    """The program `peers.py`, run by a Python that has the peers. It starts with the first question."""

    def __init__(self, python: Path) -> None:
        self.python = python
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory()

    def ask(self, who: str, problem: Problem) -> tuple[Runs, dict[str, Any]]:
        """The free runs of a peer, and its processor seconds under `fit` and `seconds`, or why it has none, `error`."""
        file = str(Path(self._folder.name) / "task.npz")
        wanted = [[run.start, run.steps, run.read] for run in problem.runs]
        np.savez(file, values=problem.values, split=problem.split, runs=wanted, seed=problem.seed)
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"who": who, "file": file}), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.python} {process.args} ended with exit status {process.wait()}")
        told = json.loads(line)
        if "error" in told:
            return [], told
        with np.load(file) as found:
            return [found[str(number)] for number in range(len(wanted))], told

    def _started(self) -> subprocess.Popen[str]:
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


def our_rows(work: Work, problem: Problem) -> Iterator[Row]:
    """The scores of freerun: of the runs of its best network, and of its forecast where that is asked for."""
    began = time.process_time()
    with on_cores(1):
        rnn = freerun.RNN(seed=problem.seed, **work.settings).fit(problem.training)
        fit = time.process_time() - began
        found = [_run(rnn, problem, run) for run in problem.runs]
        states = None if problem.score_states is None else _states(rnn, problem)
    seconds = time.process_time() - began
    best = rnn.model_.best
    chosen = {name: getattr(best.settings, name) for name in NOTED}
    scores = problem.score(found)
    if problem.score_states is not None and states is not None:
        scores |= problem.score_states(states)
    if work.endures:
        scores["endures"] = [float(endures(best, [freerun.Series.of(problem.training)]))]
    yield Row(OURS, problem.case, scores, seconds, fit, chosen)
    if work.forecast:
        forecast = rnn.forecast(problem.runs[0].steps).to_numpy()
        yield Row(FORECAST, problem.case, problem.score([forecast]), seconds, fit)


def _run(rnn: freerun.RNN, problem: Problem, run: Run) -> np.ndarray:
    """A free run of the best network; infinite where it diverged."""
    after = None if run.start == problem.split else problem.read(run)
    try:
        return rnn.generate(run.steps, after=after).values
    except FreerunError as error:
        print(f"{problem.case}: {error}", file=sys.stderr)
        return np.full((run.steps, problem.values.shape[1]), np.inf)


def _states(rnn: freerun.RNN, problem: Problem) -> np.ndarray | None:
    """The states behind the learned steps; None where no network that was fitted with noise in measurements is best."""
    try:
        return rnn.smooth(problem.training).values
    except SettingError as error:
        print(f"{problem.case}: {error}", file=sys.stderr)
        return None


def peer_row(who: str, problem: Problem, peers: PeerProcess) -> Row | None:
    """The scores of a peer, or None where it could not run, which is said."""
    found, told = peers.ask(who, problem)
    if "error" in told:
        print(f"{who} on {problem.case}: {told['error']}", file=sys.stderr)
        return None
    with np.errstate(all="ignore"):  # runs that diverged
        scores = problem.score(found)
    return Row(who, problem.case, scores, told["seconds"], told["fit"])


def rows_of(name: str, problem: Problem, asked: list[str], peers: PeerProcess, kept: Results) -> Iterator[Row]:
    """All rows of a problem that are asked for and not kept yet, freerun first and the peers in turn."""
    work = WORKS[name]
    if OURS in asked and not kept.has(name, OURS, problem.case):
        yield from our_rows(work, problem)
    for who in work.peers:
        if who in asked and not kept.has(name, who, problem.case):
            row = peer_row(who, problem, peers)
            if row is not None:
                yield row
    references = problem.references()
    for who, scores in references.items():
        if not kept.has(name, who, problem.case):
            yield Row(who, problem.case, dict(scores))


T = TypeVar("T")


def drawn(problems: list[T], sample: int) -> list[T]:
    """The first problems of an order by lot that is always the same, as many as asked for; 0 for all."""
    order = np.random.default_rng(0).permutation(len(problems)).tolist()
    return [problems[i] for i in order[: sample or None]]


def main() -> None:
    """Run the works that are asked for, print their tables, and write the page."""
    arguments = _arguments()
    kept = Results.read(arguments.json)
    peers = PeerProcess(arguments.peers)
    made = kept.made(provenance())
    warnings.simplefilter("ignore", SeriesWarning)
    try:
        for name in arguments.work:
            _work(name, arguments, peers, kept, made)
    finally:
        peers.close()
    arguments.json.with_suffix(".md").write_text(page(kept))


def _work(name: str, arguments: argparse.Namespace, peers: PeerProcess, kept: Results, made: int) -> None:
    work = WORKS[name]
    print(f"## {name}: {work.what}", flush=True)
    try:
        problems = drawn(work.problems(arguments.data, arguments.seeds), arguments.sample)
    except FileNotFoundError as missing:
        print(f"left out: {missing.filename} is not there; say where the data are with --data", file=sys.stderr)
        return
    if arguments.again:
        kept.forget(name, arguments.who)
    for number, problem in enumerate(problems, 1):
        for row in rows_of(name, problem, arguments.who, peers, kept):
            kept.add(name, replace(row, made=made))
            shown = "  ".join(f"{measure} {np.mean(values):.4g}" for measure, values in row.scores.items())
            print(f"{number}/{len(problems)} {row.case:<26} {row.who:<36} {shown}  {row.seconds:.1f} s", flush=True)
        kept.write(arguments.json)
    print("\n".join(table(work, kept.rows(name))), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    everybody = [OURS, *PEERS]
    parser.add_argument(
        "--work", nargs="+", choices=list(WORKS), default=list(WORKS), metavar="WORK", help="of: %(choices)s"
    )
    parser.add_argument("--who", nargs="+", choices=everybody, default=everybody, help="default: all")
    parser.add_argument("--sample", type=int, default=0, help="problems of each work, always the same; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the works that have seeds; default: 3")
    parser.add_argument("--again", action="store_true", help="do what the file has anew")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FREERUN_DATA", "data")))
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-reservoirs" / "bin" / "python", help="their Python")
    parser.add_argument("--json", type=Path, default=PAGES / "systems.json", help="all scores; the page lies beside it")
    arguments = parser.parse_args()
    if not set(arguments.who) <= {OURS} and not arguments.peers.exists():
        parser.error(f"{arguments.peers} does not exist; run make .venv-reservoirs/installed, or give --peers PYTHON")
    return arguments


if __name__ == "__main__":
    main()
