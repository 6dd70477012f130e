"""Damaged and hostile files: each is read, or refused with a `FreerunError`,
in bounded time and memory.

    .venv/bin/python benchmarks/fuzz.py models|series [--runs 1000000] [--guided] [--seed 0]

Good files are damaged by chance: bytes are changed, cut out and put in; and, as someone would who
knows the format, names, numbers and shapes inside are changed and the checksum is set anew. With
--guided, atheris chooses what to damage further by the lines of freerun that it reaches. A fault is
whatever is raised beside `FreerunError`, a file that takes longer than 10 seconds, and memory
beyond the bound; the first file of each goes to the folder `fuzz-found`. Prints a summary and
writes docs/reliability/fuzz-WHAT.json; the exit status is 1 if there were faults.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import inspect
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import freerun
from freerun.cli.info import info
from freerun.data import timeline
from freerun.data.io import csv, grid, parquet, source
from freerun.errors import FreerunError, SeriesWarning
from freerun.files import archive
from freerun.files.archive import pack, read_archive
from freerun.files.writing import replacing
from freerun.forecasting import modelfile
from freerun.settings import CellName
from machine import provenance

RECORDS = Path(__file__).parents[1] / "docs" / "reliability"

SECONDS, MEMORY = 10, 2**30
"""Bounds for one file: seconds, and bytes beyond what the program takes before."""

ODD: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**63, 10**30, -(10**9), 0.5, 1e-320, 1e308, float("nan"), float("inf"), True, False, None),
    *("", "x", "nan", "\0", "ä" * 1000, "exec", "D", "ns", "generic", "../../etc/passwd"),
    *([], {}, [[]], {"": 0}, [None] * 100, [0, 1, 2], [-1], list(range(1000)), "9" * 5000, [[[[[[]]]]]]),
)
"""Values that are put in the place of others."""

BYTES = (
    b"",
    b"\0",
    b"\xff",
    b"\r",
    b"\n",
    b",",
    b";",
    b"\t",
    b'"',
    b"'",
    b"#",
    b"-",
    b"1e999",
    b"nan",
    b"9" * 400,
    b"\xef\xbb\xbf",
)
"""Bytes that are put between others."""

Case = tuple[bytes, str]
"""The bytes of a file, and its suffix."""


def good_models(folder: Path) -> list[Case]:
    """One model of each cell, with and without inputs, dates, members;
    and one of the oldest format."""
    dates = pd.date_range("2000-01-01", periods=120, freq="D")
    steps = np.arange(120)
    frame = pd.DataFrame({"a": np.sin(steps * 0.3) + 2, "b": np.cos(steps * 0.2)}, index=dates)
    small: dict[str, Any] = {"hidden": 3, "optimizer": "adam", "epochs": 3, "delays": (0, 2)}
    cells: tuple[CellName, ...] = ("simple", "leaky", "gru", "memoryless", "clipped-plrnn")
    fits = [
        freerun.RNN(**small, cell=cell, layers=1 + i % 2).fit(frame["a"].to_numpy()) for i, cell in enumerate(cells)
    ]
    fits.append(freerun.RNN(**small, cell="lstm", difference=1, restarts=2, members=2, holdout=0.2).fit(frame))
    fits.append(freerun.RNN(**small, cell="simple", detrend=True, log=True).fit(frame[["a"]], inputs=frame[["b"]]))
    cases = []
    for i, rnn in enumerate(fits):
        rnn.save(folder / f"{i}.freerun")
        cases.append(((folder / f"{i}.freerun").read_bytes(), ".freerun"))
    old = Path(__file__).parents[1] / "tests" / "models" / "format-2.freerun"
    return [*cases, (old.read_bytes(), ".freerun")]


def good_series(folder: Path) -> list[Case]:
    """Files of each format that freerun reads, in the forms that people have them."""
    dates = pd.date_range("2020-02-27", periods=30, freq="6h")
    values = np.random.default_rng(0).normal(size=(30, 2))
    plain, dated = freerun.Series(values, ("a", "b")), freerun.Series(values, ("a", "b"), dates.to_numpy())
    for series, name in ((plain, "plain"), (dated, "dated")):
        for suffix in (".csv", ".parquet", ".npz", ".npy"):
            series.write(folder / f"{name}{suffix}")
    np.savez_compressed(folder / "packed.npz", values=values, channels=np.array(["a", "b"]))
    pd.DataFrame(values, index=dates, columns=["a", "b"]).to_parquet(folder / "zone.parquet")
    np.savetxt(folder / "white.txt", values, header="a b")
    comma = "Zeit;Wert\n" + "".join(f"{i};{x:.3f}\n".replace(".", ",") for i, x in enumerate(values[:, 0]))
    (folder / "comma.csv").write_bytes(comma.encode("cp1252"))
    (folder / "wide.csv").write_bytes(("\ufeff" + plain_text(values)).encode("utf-16"))
    (folder / "orders.csv").write_text(
        "".join(f"{x:,.2f} €;{date:%d.%m.%y}\n" for x, date in zip(values[:, 0], dates, strict=True))
    )
    records = [{"ds": str(date), "y": x} for date, x in zip(dates, values[:, 0].tolist(), strict=True)]
    (folder / "records.json").write_text(json.dumps(records))
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "packed.gz").write_bytes(gzip.compress(plain_text(values).encode()))
    pd.DataFrame(values, index=dates, columns=["a", "b"]).to_excel(folder / "sheet.xlsx")
    (folder / "quoted.csv").write_text(
        '"time, local","x ""y"""\n"2020-01-01T00:00+01:00",1\n"2020-01-02T00:00+01:00",\n'
    )
    return [
        (path.read_bytes(), ".csv.gz" if path.suffix == ".gz" else path.suffix) for path in sorted(folder.iterdir())
    ]


def plain_text(values: np.ndarray) -> str:
    """A CSV without a header."""
    return "\n".join(",".join(map(repr, row)) for row in values.tolist())


def damage(content: bytes, draw: random.Random) -> bytes:
    """Change, cut out, double or insert a few bytes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        at = draw.randrange(len(data) + 1)
        length = draw.choice((1, 1, 2, 4, 8, 64))
        kind = draw.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at : at + length] = draw.randbytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = draw.choice(BYTES)
        elif kind == 4:
            data[at:at] = data[at : at + length]
        else:
            del data[at:]
    return bytes(data)


def change_tree(tree: Any, draw: random.Random) -> Any:
    """Change one value of JSON."""
    if draw.random() < 0.15 or not isinstance(tree, dict | list) or not tree:
        return draw.choice(ODD)
    if isinstance(tree, dict):
        key = draw.choice(list(tree))
        if draw.random() < 0.1:
            return {k: v for k, v in tree.items() if k != key} | ({f"{key}_": tree[key]} if draw.random() < 0.5 else {})
        return tree | {key: change_tree(tree[key], draw)}
    at = draw.randrange(len(tree))
    if draw.random() < 0.1:
        return tree[:at] + tree[at + 1 :] if draw.random() < 0.5 else [*tree, tree[at]]
    return [change_tree(v, draw) if i == at else v for i, v in enumerate(tree)]


def change_array(array: np.ndarray, draw: random.Random) -> np.ndarray:
    """Change the shape, the type or the numbers of an array."""
    kind = draw.randrange(5)
    if kind == 0:
        return array.reshape(-1)[: draw.randrange(array.size + 1)]
    if kind == 1:
        return array[None] if draw.random() < 0.5 else array.T
    if kind == 2:
        with np.errstate(over="ignore", invalid="ignore"):
            return array.astype(draw.choice(("float32", "float16", "int8", "int64", "uint8", "bool")))
    if kind == 3:
        return np.resize(array, draw.choice(((0,), (1,), (7, 3), (1000,), (2, 2, 2)))) if array.size else array
    changed = array.astype(np.float64).reshape(-1).copy()
    if changed.size:
        changed[draw.randrange(changed.size)] = draw.choice((np.nan, np.inf, -np.inf, 0.0, 1e308, -1e-320, 2.0**63))
    return changed.reshape(array.shape)


@cache
def read_model(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the header and the arrays of a good model."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        return read_archive(Path(file.name), without_checksum=2)


def change_model(content: bytes, draw: random.Random) -> bytes:
    """Change the header or the arrays of a model, and write it with a valid checksum."""
    header, arrays = read_model(content)
    for _ in range(draw.choice((1, 1, 2, 3))):
        if draw.random() < 0.6:
            changed = change_tree(header, draw)
            header = changed if isinstance(changed, dict) else {"format": changed}
        elif arrays:
            name = draw.choice(list(arrays))
            rest = {k: v for k, v in arrays.items() if k != name}
            arrays = rest if draw.random() < 0.2 else rest | {name: change_array(arrays[name], draw)}
    return pack(header, arrays)


def damage_members(content: bytes, draw: random.Random) -> bytes:
    """Damage members of an npz file whose archive stays valid."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            inside = old.read(name)
            new.writestr(name, damage(inside, draw) if draw.random() < 0.6 else inside)
    return packed.getvalue()


def damage_case(case: Case, draw: random.Random) -> Case:
    """Damage a file."""
    content, suffix = case
    if draw.random() < 0.7:
        if suffix == ".freerun":
            return change_model(content, draw), suffix
        if suffix == ".npz":
            return damage_members(content, draw), suffix
    return damage(content, draw), suffix


def use_model(path: Path) -> None:
    """Load a model and print its facts, as `freerun info` does."""
    with contextlib.redirect_stdout(io.StringIO()):
        info(path)


def use_series(path: Path) -> None:
    """Read a series in the two ways that missing values are taken."""
    warnings.simplefilter("ignore", SeriesWarning)  # warnings are no faults
    freerun.Series.read(path)
    with contextlib.suppress(FreerunError):
        freerun.Series.read(path, missing="interpolate")


WHAT: dict[str, tuple[Callable[[Path], list[Case]], Callable[[Path], None]]] = {
    "models": (good_models, use_model),
    "series": (good_series, use_series),
}


class Trial:
    """Tries files one after the other, and counts the outcomes."""

    def __init__(self, use: Callable[[Path], None], folder: Path) -> None:
        self.use, self.folder = use, folder
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    def __call__(self, case: Case) -> None:
        content, suffix = case
        path = self.folder / f"case{suffix}"
        path.write_bytes(content)
        began = time.perf_counter()
        signal.alarm(SECONDS)
        try:
            self.use(path)
            self.outcomes["read"] += 1
        except FreerunError as error:
            self.outcomes[f"refused: {type(error).__name__}"] += 1
        except Exception as error:
            self._note_fault(error, content, suffix)
        finally:
            signal.alarm(0)
        self.slowest = max(self.slowest, time.perf_counter() - began)

    @property
    def faulty(self) -> bool:
        """Whether there was any outcome but a file that was read or refused."""
        return any(outcome.startswith("fault") for outcome in self.outcomes)

    def _note_fault(self, error: Exception, content: bytes, suffix: str) -> None:
        places = [f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)]
        fault = f"fault: {type(error).__name__} {' < '.join(places[:-4:-1])}"
        self.outcomes[fault] += 1
        if self.outcomes[fault] == 1:
            found = Path("fuzz-found")
            found.mkdir(exist_ok=True)
            (found / f"{len(list(found.iterdir()))}{suffix}").write_bytes(content)
            traceback.print_exception(error)


def try_at_random(trial: Trial, cases: list[Case], runs: int, draw: random.Random) -> None:
    """Try files that are damaged at random."""
    for run in range(runs):
        trial(damage_case(draw.choice(cases), draw))
        if run % 10_000 == 9999:
            print(f"{run + 1} of {runs}: {dict(trial.outcomes)}", file=sys.stderr, flush=True)


def try_guided(trial: Trial, cases: list[Case], runs: int, seed: int, end: Callable[[], None]) -> None:
    """Try files that are damaged so as to reach new lines. Does not return.

    A case in the corpus is the suffix of a file, a NUL and its bytes.
    """
    import atheris  # pyright: ignore[reportMissingImports, reportMissingModuleSource] - an extra that the type check does without

    corpus = trial.folder / "corpus"
    corpus.mkdir()
    for i, (content, suffix) in enumerate(cases):
        (corpus / str(i)).write_bytes(suffix.encode() + b"\0" + content)

    def split(data: bytes) -> Case:
        name, _, content = data.partition(b"\0")
        suffix = name.decode(errors="replace")
        return content, suffix if suffix in {s for _, s in cases} else cases[0][1]

    def mutate(data: bytes, most: int, number: int) -> bytes:
        draw = random.Random(number)
        try:
            content, suffix = damage_case(split(data), draw)
        except Exception:  # the case is damaged already, so its inside cannot be changed
            content, suffix = damage(data, draw), cases[0][1]
        return (suffix.encode() + b"\0" + content)[:most]

    def once(data: bytes) -> None:
        trial(split(data))
        if sum(trial.outcomes.values()) >= runs:
            end()
            os._exit(trial.faulty)

    options = [f"-seed={seed + 1}", "-max_len=200000", "-verbosity=0"]
    for module in (archive, csv, grid, parquet, source, modelfile, timeline):
        for _, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__:
                atheris.instrument_func(function)  # pyright: ignore[reportAttributeAccessIssue] - made at run time
    atheris.Setup([sys.argv[0], *options, str(corpus)], once, custom_mutator=mutate)
    atheris.Fuzz()


def raise_timeout(*_: Any) -> None:
    """Raise an error after `SECONDS`."""
    raise TimeoutError(f"a file took longer than {SECONDS} seconds")


def main() -> None:
    """Try damaged files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--guided", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    make, use = WHAT[asked.what]
    signal.signal(signal.SIGALRM, raise_timeout)
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shared) as name, tempfile.TemporaryDirectory() as first:
        cases, trial = make(Path(first)), Trial(use, Path(name))
        for case in cases:
            trial(case)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        if asked.guided:
            try_guided(trial, cases, asked.runs, asked.seed, lambda: record(asked, trial, before, began))
        try_at_random(trial, cases, asked.runs, random.Random(asked.seed))
        record(asked, trial, before, began)
    sys.exit(trial.faulty)


def record(asked: argparse.Namespace, trial: Trial, before: int, began: float) -> None:
    """Print the outcomes and keep them in a file."""
    result = {
        **provenance(),
        "files": sum(trial.outcomes.values()),
        "guided": asked.guided,
        "outcomes": dict(trial.outcomes.most_common()),
        "slowest file, seconds": round(trial.slowest, 3),
        "memory grown, MiB": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(result, indent=1))
    RECORDS.mkdir(parents=True, exist_ok=True)
    suffix = "-guided" if asked.guided else ""
    with replacing(RECORDS / f"fuzz-{asked.what}{suffix}.json") as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
