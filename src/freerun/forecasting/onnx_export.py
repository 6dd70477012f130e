"""Export of trained networks to ONNX: a program that predicts a step,
and one that reads values and runs free.

Both compute in the units of the series. Logarithm, trend, standardization, differences and the
ensemble are part of the graph. A state is a vector that holds the states of all networks that run,
one after the other. Of each network, these are the parts of `freerun.network.onnx_steps.Layout`,
the value that it reads next, and, if a trend was removed, the number of steps since the end of the
series. The value that it reads next is its own prediction until another one is given. A network
that reads noisy measurements has the belief of its filter as its state instead.

Opset 17 of 2022 has all operators that are needed, so that runtimes and importers of
the last years read the files: onnxruntime from 1.12 on, onnxruntime-web, and
Mathematica, which documents opsets up to 18.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from freerun._version import __version__
from freerun.data.scaling import to_numbers
from freerun.data.series import Series
from freerun.data.timeline import shown
from freerun.errors import SettingError
from freerun.files.writing import replacing
from freerun.forecasting.model import Member, Model, RunStart
from freerun.forecasting.runs import base_of, covariance_after, require_ensemble, run_starts
from freerun.network import onnx_filter
from freerun.network.assimilation import Noise
from freerun.network.onnx_graph import COUNT, TRUTH, DType, Graph, Tensor
from freerun.network.onnx_steps import Layout, step
from freerun.settings import Ensemble, OnnxProgram

OPSET, IR_VERSION = 17, 8
"""Operator set, and version of the file format that came with it."""

LARGEST_FILE = 2_000_000_000
"""Most bytes of weights; a file of Protobuf holds 2 GiB."""

LOOKED_AHEAD = 400
"""Steps that have to be equally long if a trend was removed; more than a year of days,
in which clocks are changed."""

ROUNDING = 8
"""Most units in the last place of a time by which a step may differ from the others."""

DOUBLE = np.dtype(np.float64)


@dataclass(frozen=True)
class Trend:
    """What is taken from values before they are standardized,
    as a function of the number of steps since the start.

    Attributes:
        level: shape (D,), at the last step of the series.
        climb: shape (D,), what each step adds.
    """

    level: np.ndarray
    climb: np.ndarray

    @classmethod
    def after(cls, member: Member, base: Series) -> Trend:
        """The trend of a network that goes on after a series.

        Raises:
            SettingError: a trend was removed, and steps differ in length.
        """
        scaling = member.scaling
        if not scaling.slope.any():
            return cls(scaling.mean, np.zeros_like(scaling.mean))
        times = to_numbers(np.concatenate([base.times[-1:], base.following_times(LOOKED_AHEAD)]))
        length = (times[-1] - times[0]) / LOOKED_AHEAD
        if np.abs(np.diff(times) - length).max() > ROUNDING * np.spacing(np.abs(times).max()):
            raise SettingError(
                f"detrend=True removed a trend over time, and steps of {base.calendar.step or shown(base.dt)} differ "
                "in length, which ONNX cannot compute; fit without detrend, or with difference=1"
            )
        return cls(scaling.mean + scaling.slope * (times[0] - scaling.origin), scaling.slope * length)


@dataclass(frozen=True)
class Runner:
    """A network in a graph. It runs in its own precision;
    what comes in and goes out is double precision.

    Attributes:
        graph: the graph.
        member: the network.
        trend: of its series.
    """

    graph: Graph
    member: Member
    trend: Trend

    @cached_property
    def layout(self) -> Layout:
        """The layout of the state of the network."""
        return Layout.of(self.member.network)

    @property
    def dtype(self) -> DType:
        """The precision in which it runs."""
        return self.member.network.bias.dtype

    @property
    def climbs(self) -> bool:
        """Whether a trend was removed. The last part of the state is
        then the number of steps since the start."""
        return bool(self.trend.climb.any())

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of all parts of its state, in their order: layers, what it read,
        what it reads next, steps."""
        return [*self.layout.shapes, (1, self.member.network.channels), *([(1, 1)] if self.climbs else [])]

    def start(self, run_start: RunStart, base: Series) -> np.ndarray:
        """The state from which a run after a series starts, as a vector."""
        del base
        return np.concatenate([self.layout.vector(run_start.state), run_start.value, np.zeros(int(self.climbs))])

    def parts(self, vector: Tensor) -> list[Tensor]:
        """The parts of a state that is a vector."""
        ends = np.cumsum([prod(shape) for shape in self.shapes]).tolist()
        found = list[Tensor]()
        for shape, last in zip(self.shapes, ends, strict=True):
            found.append(vector.part(last - prod(shape), last, axis=0).shaped(*shape).to(self.dtype))
        return found

    def vector(self, parts: list[Tensor]) -> Tensor:
        """The inverse of `parts`."""
        return self.graph.joined([part.shaped(-1).to(DOUBLE) for part in parts], axis=0)

    def predicted(self, parts: list[Tensor], inputs: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Predict the next step.

        Args:
            parts: the state.
            inputs: external inputs of that step, shape (1, E).

        Returns:
            The prediction, shape (1, D), and the state after the step.
        """
        inside, known = len(self.layout.shapes), self._scaled_inputs(inputs)
        read = self.graph.joined([parts[inside], *known], axis=1)
        output, following = step(self.member.network, self.layout, parts[:inside], read)
        following += [output, *self._counted(parts)]
        return self._unscaled(output, following), following

    def given(self, parts: list[Tensor], values: Tensor) -> list[Tensor]:
        """Replace what the network reads next by given values, shape (1, D),
        but for those that are NaN."""
        inside = len(self.layout.shapes)
        read = self.graph.where(self._missing(values), parts[inside], self._scaled(values, parts))
        return [*parts[:inside], read, *parts[inside + 1 :]]

    def _missing(self, values: Tensor) -> Tensor:
        return self.graph.apply("IsNaN", values, dtype=TRUTH)

    def _scaled(self, values: Tensor, parts: list[Tensor]) -> Tensor:
        """Values of the step that the network reads next, in its units and its precision."""
        values = self.graph.apply("Log", values) if self.member.scaling.log else values
        return ((values - self._taken(parts)) / self.member.scaling.scale).to(self.dtype)

    def _unscaled(self, output: Tensor, parts: list[Tensor]) -> Tensor:
        """The inverse of `_scaled`; counts stay above zero."""
        scaling = self.member.scaling
        value = output.to(DOUBLE) * scaling.scale + self._taken(parts)
        value = self.graph.apply("Exp", value) if scaling.log else value
        return (
            self.graph.apply("Max", value, self.graph.constant(scaling.least, DOUBLE))
            if scaling.nonnegative.any()
            else value
        )

    def _scaled_inputs(self, inputs: Tensor | None) -> list[Tensor]:
        """The external inputs in the units of the network, if there are some."""
        scaling = self.member.scaling
        return [] if inputs is None else [((inputs - scaling.input_mean) / scaling.input_scale).to(self.dtype)]

    def _counted(self, parts: list[Tensor]) -> list[Tensor]:
        """The number of steps since the start after one more of them,
        if it is a part of the state."""
        return [parts[-1] + 1.0] if self.climbs else []

    def _taken(self, parts: list[Tensor]) -> Tensor | np.ndarray:
        """What is taken from the value that is read next: the mean, or a trend, shape (1, D)."""
        return parts[-1].to(DOUBLE) * self.trend.climb + self.trend.level if self.climbs else self.trend.level


class FilteringRunner(Runner):
    """A network that reads noisy measurements through a Kalman filter;
    see `freerun.network.onnx_filter`."""

    @property
    def dtype(self) -> DType:
        return DOUBLE

    @property
    def noise(self) -> Noise:
        """Of the measurements and of the network."""
        assert self.member.noise is not None
        return self.member.noise

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The mean and the covariance of the last values, the external inputs at the steps before,
        steps."""
        network = self.member.network
        count, channels = network.depth + 1, network.channels
        inputs = [(network.depth, network.inputs)] if network.depth and network.inputs else []
        return [(count, channels), (count * channels,) * 2, *inputs, *([(1, 1)] if self.climbs else [])]

    def start(self, run_start: RunStart, base: Series) -> np.ndarray:
        past, channels = np.asarray(run_start.state.past, np.float64), self.member.network.channels
        mean = np.concatenate([run_start.value[None], past[::-1, :channels]])
        parts = mean, covariance_after(self.member, base), past[:, channels:], np.zeros(int(self.climbs))
        return np.concatenate([np.ravel(part) for part in parts])

    def predicted(self, parts: list[Tensor], inputs: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        network, known = self.member.network, self._scaled_inputs(inputs)
        if known and network.depth:
            known = [self.graph.joined([parts[2], *known], axis=0)]
        following = onnx_filter.predicted(network, self.noise, parts[0], parts[1], known[0] if known else None)
        output = following[0].part(0, 1, axis=0)
        if known and network.depth:
            following.append(known[0].part(1, network.depth + 1, axis=0))
        following += self._counted(parts)
        return self._unscaled(output, following), following

    def given(self, parts: list[Tensor], values: Tensor) -> list[Tensor]:
        """Correct what is known of the step by measurements, shape (1, D),
        but for those that are NaN."""
        read, missing = self._scaled(values, parts), self._missing(values)
        return [*onnx_filter.measured(self.noise, parts[0], parts[1], read, missing), *parts[2:]]


@dataclass(frozen=True)
class Program:
    """Networks that run side by side in one graph.

    Attributes:
        graph: the graph.
        runners: the networks.
        start: the state after the series, shape (S,).
        ensemble: how their predictions are combined.
        channels: D.
        inputs: E.
    """

    graph: Graph
    runners: list[Runner]
    start: np.ndarray
    ensemble: Ensemble
    channels: int
    inputs: int

    def parts(self, vector: Tensor) -> list[Tensor]:
        """The parts of the states of all networks."""
        found, first = list[Tensor](), 0
        for runner in self.runners:
            size = sum(map(prod, runner.shapes))
            found += runner.parts(vector.part(first, first + size, axis=0))
            first += size
        return found

    def vector(self, parts: list[Tensor]) -> Tensor:
        """The inverse of `parts`."""
        vectors = [runner.vector(own) for runner, own in self._own(parts)]
        return self.graph.joined(vectors, axis=0)

    def predicted(self, parts: list[Tensor], inputs: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Predict the next step; see `Runner.predicted`."""
        found = [runner.predicted(own, inputs) for runner, own in self._own(parts)]
        following = [part for _, own in found for part in own]
        return self._combined([prediction for prediction, _ in found]), following

    def given(self, parts: list[Tensor], values: Tensor) -> list[Tensor]:
        """Give the networks what they read next; see `Runner.given`."""
        return [part for runner, own in self._own(parts) for part in runner.given(own, values)]

    def _own(self, parts: list[Tensor]) -> list[tuple[Runner, list[Tensor]]]:
        ends = np.cumsum([len(runner.shapes) for runner in self.runners]).tolist()
        return [(runner, parts[end - len(runner.shapes) : end]) for runner, end in zip(self.runners, ends, strict=True)]

    def _combined(self, predictions: list[Tensor]) -> Tensor:
        """Combine M predictions of shape (1, D); see `freerun.forecasting.runs.COMBINED`."""
        count = len(predictions)
        if self.ensemble == "best":
            return predictions[0]
        rows = self.graph.joined(predictions, axis=0)
        if self.ensemble != "mean":
            left_out = count // 4 if self.ensemble == "trimmed" else (count - 1) // 2
            rows = self.graph.ordered(rows, count).part(left_out, count - left_out, axis=0)
        return self.graph.apply("ReduceMean", rows, axes=[0], keepdims=1)


Declared = tuple[list[ValueInfoProto], list[ValueInfoProto]]
"""The inputs and the outputs of a graph."""


def _step_program(program: Program) -> Declared:
    """Write the nodes of a single step, without loops and branches."""
    graph, size = program.graph, len(program.start)
    state, value = graph.named("state", DOUBLE), graph.named("value", DOUBLE)
    inputs = graph.named("inputs", DOUBLE) if program.inputs else None
    parts = program.given(program.parts(state), value.shaped(1, -1))
    prediction, after = program.predicted(parts, None if inputs is None else inputs.shaped(1, -1))
    given = [
        graph.info(state, (size,), "State before the step"),
        graph.info(value, (program.channels,), "Value of this step; NaN: the prediction made of it before"),
    ]
    if inputs is not None:
        given.append(graph.info(inputs, (program.inputs,), "External inputs of the next step"))
    outputs = [
        graph.output("prediction", prediction.shaped(-1), (program.channels,), "Prediction of the next step"),
        graph.output("next_state", program.vector(after), (size,), "State before the next step"),
        graph.output("start", graph.constant(program.start, DOUBLE), (size,), "State at the end of the series"),
    ]
    return given, outputs


def _run_program(program: Program) -> Declared:
    """Write the nodes of a loop that reads values, and of one that runs free after it."""
    graph, size, channels = program.graph, len(program.start), program.channels
    state, steps = graph.named("state", DOUBLE), graph.named("steps", COUNT)
    values = graph.named("values", DOUBLE)
    empty = graph.apply("Equal", graph.apply("Size", state, dtype=COUNT), graph.constant(0, COUNT))
    vector = graph.either(empty, graph.constant(program.start, DOUBLE), state).of_length(graph.counts(size))
    parts = program.parts(vector)
    before = graph.apply("Shape", values, dtype=COUNT).part(0, 1, axis=0)
    known = graph.named("inputs", DOUBLE) if program.inputs else None
    rows = None if known is None else known.of_length(before + steps)

    def inputs_of(number: Tensor) -> Tensor | None:
        return None if rows is None else rows.taken(number).shaped(1, -1)

    def read(number: Tensor, carried: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        prediction, after = program.predicted(carried, inputs_of(number))
        return program.given(after, values.taken(number).shaped(1, -1)), prediction.shaped(-1)

    def run(number: Tensor, carried: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        prediction, after = program.predicted(carried, inputs_of(number + before))
        return after, prediction.shaped(-1)

    later, predictions = graph.loop(before, parts, read, channels)
    last, generated = graph.loop(steps, later, run, channels)
    given = [
        graph.info(state, ("state",), f"{size} numbers; none: the state at the end of the series"),
        graph.info(values, ("read", channels), "The values that follow; NaN where one is missing"),
        graph.info(steps, (1,), "Number of steps that the networks run free after the values"),
    ]
    if known is not None:
        text = "External inputs of the values and of the steps after them"
        given.append(graph.info(known, ("read + steps", program.inputs), text))
    outputs = [
        graph.output("run", generated, ("steps", channels), "The free run"),
        graph.output("predictions", predictions, ("read", channels), "Predictions of the values, one step ahead"),
        graph.output("state_after_values", program.vector(later), (size,), "State after the values"),
        graph.output("state_after_run", program.vector(last), (size,), "State after the free run"),
    ]
    return given, outputs


PROGRAMS = {"run": _run_program, "step": _step_program}
"""What writes a program, by its name."""


def _runner(graph: Graph, member: Member, trend: Trend) -> Runner:
    return (Runner if member.noise is None else FilteringRunner)(graph, member, trend)


def onnx_model(
    model: Model, program: OnnxProgram = "run", ensemble: Ensemble = "best", after: Series | None = None
) -> ModelProto:
    """Make the ONNX model of a program; see `freerun.RNN.export_onnx`.

    Raises:
        SettingError: a part of the model cannot be exported.
        SeriesError: `after` does not fit the model.
    """
    require_ensemble(model, ensemble)
    base = base_of(model, after, None, 1)
    starts = run_starts(model, base, after is not None, ensemble == "best")
    graph = Graph()
    runners = [_runner(graph, member, Trend.after(member, base)) for member, _ in starts]
    start = np.concatenate([runner.start(begin, base) for runner, (_, begin) in zip(runners, starts, strict=True)])
    network = model.best.network
    inputs, outputs = PROGRAMS[program](Program(graph, runners, start, ensemble, network.channels, network.inputs))
    if graph.size > LARGEST_FILE:
        raise SettingError(f"the weights take {graph.size / 1e9:.1f} GB, and an ONNX file holds 2; fit fewer units")
    text = f"{program} program of a recurrent network of freerun {__version__}; channels: {', '.join(base.channels)}"
    made = helper.make_model(
        helper.make_graph(graph.nodes, program, inputs, outputs, graph.constants, doc_string=text),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="freerun",
        producer_version=__version__,
        doc_string=text,
    )
    helper.set_model_props(made, _facts(model, program, ensemble, base, len(start)))
    return made


def _facts(model: Model, program: str, ensemble: Ensemble, base: Series, size: int) -> dict[str, str]:
    """What a user of the file needs to know, for its metadata; lists are JSON."""
    best = model.best
    return {
        "freerun_version": __version__,
        "program": program,
        "channels": json.dumps(base.channels, ensure_ascii=False),
        "external_inputs": json.dumps(base.input_names, ensure_ascii=False),
        "last_time": base.calendar.shown(base.times[-1]),
        "time_step": base.calendar.step or shown(base.dt),
        "next_time": base.calendar.shown(base.following_times(1)[0]),
        "state_size": str(size),
        "washout": str(best.washout),
        "cell": str(best.settings.cell),
        "precision": str(best.network.bias.dtype),
        "networks": str(1 if ensemble == "best" else len(model.members)),
        "ensemble": ensemble,
    }


def export_onnx(
    model: Model,
    path: str | Path,
    program: OnnxProgram = "run",
    ensemble: Ensemble = "best",
    after: Series | None = None,
) -> None:
    """Write a program as an ONNX file; see `freerun.RNN.export_onnx`.

    Raises:
        OutputError: the file cannot be written.
        SettingError, SeriesError: see `onnx_model`.
    """
    made = onnx_model(model, program, ensemble, after)
    with replacing(path) as beside:
        beside.write_bytes(made.SerializeToString())
