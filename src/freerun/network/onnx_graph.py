"""`Graph` and `Tensor`: the nodes of an ONNX graph, written as formulas.

A `Tensor` is the result of a node. Its operators, and the methods of `Graph`, append nodes to the
graph: `a @ b + c` is a matrix product followed by a sum. All are operators of ONNX opset 17 that
onnxruntime computes in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

DType = np.dtype[np.generic]

COUNT, TRUTH = np.dtype(np.int64), np.dtype(np.bool_)
"""Types of sizes and indices, and of conditions."""

WIDE = 128
"""Rows of a matrix from which on its transpose is stored. In double precision
onnxruntime multiplies a row by a matrix of 1000 rows and columns in 2.5 ms, and the
transposed matrix by a column in 0.7 ms."""

Body = Callable[["Tensor", list["Tensor"]], tuple[list["Tensor"], "Tensor"]]
"""One step of a loop: from its number and what is carried to what is carried on,
and what the loop collects."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """The result of a node of a graph, or a constant or an input of it.

    Attributes:
        graph: the graph.
        name: its name in the graph.
        dtype: type of its numbers. An array beside a tensor in a formula is a constant of this
            type.
    """

    graph: Graph
    name: str
    dtype: DType

    def __add__(self, other: Operand) -> Tensor:
        return self._with("Add", other)

    def __sub__(self, other: Operand) -> Tensor:
        return self._with("Sub", other)

    def __rsub__(self, other: np.ndarray | float) -> Tensor:
        return self.graph.constant(other, self.dtype)._with("Sub", self)

    def __mul__(self, other: Operand) -> Tensor:
        return self._with("Mul", other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self._with("Div", other)

    def __matmul__(self, weights: np.ndarray) -> Tensor:
        if len(weights) < WIDE:
            return self._with("MatMul", weights)
        graph = self.graph
        columns = graph.apply("Transpose", self, perm=[1, 0])
        product = graph.apply("MatMul", graph.constant(weights.T, self.dtype), columns)
        return graph.apply("Transpose", product, perm=[1, 0])

    __radd__, __rmul__ = __add__, __mul__

    def _with(self, operator: str, other: Operand) -> Tensor:
        return self.graph.apply(operator, self, self.graph.tensor(other, self.dtype))

    def part(self, first: int, last: int, axis: int = -1) -> Tensor:
        """The places `first` to `last` - 1 along an axis."""
        bounds = [self.graph.counts(first), self.graph.counts(last), self.graph.counts(axis)]
        return self.graph.apply("Slice", self, *bounds)

    def of_length(self, count: Tensor) -> Tensor:
        """The same, refused as it runs if it has another length than `count`, shape (1,),
        along the first axis.

        `Split` checks the sum of the lengths of its parts, of which there is one here. A `Reshape`
        would check too, but onnxruntime leaves out those that it takes to change nothing.
        """
        return self.graph.apply("Split", self, count, axis=0)

    def taken(self, indices: Operand, axis: int = 0) -> Tensor:
        """The places of an array of indices along an axis,
        whose dimensions take the place of that axis."""
        return self.graph.apply("Gather", self, self.graph.tensor(indices, COUNT), axis=axis)

    def shaped(self, *shape: int) -> Tensor:
        """The same numbers in another shape; -1 stands for what is left."""
        return self.graph.apply("Reshape", self, self.graph.counts(*shape))

    def to(self, dtype: DType) -> Tensor:
        """The same in another type of numbers."""
        if dtype == self.dtype:
            return self
        return self.graph.apply("Cast", self, dtype=dtype, to=helper.np_dtype_to_tensor_dtype(dtype))

    def sum(self, axis: int) -> Tensor:
        """The sum along an axis, which disappears."""
        return self.graph.apply("ReduceSum", self, self.graph.counts(axis), keepdims=0)


Operand = Tensor | np.ndarray | float
"""What may stand beside a tensor in a formula."""


class Graph:
    """A graph under construction: its constants,
    and its nodes in the order in which they compute."""

    def __init__(self) -> None:
        self.constants: list[TensorProto] = []
        self._known: dict[tuple[DType, tuple[int, ...], bytes], Tensor] = {}
        self._open: list[list[NodeProto]] = [[]]
        self._names = 0

    @property
    def nodes(self) -> list[NodeProto]:
        """The nodes of the graph that is being built: of the body of a loop inside of it,
        otherwise its own."""
        return self._open[-1]

    @property
    def size(self) -> int:
        """Bytes of all constants."""
        return sum(len(one.raw_data) for one in self.constants)

    def constant(self, array: np.ndarray | float, dtype: DType) -> Tensor:
        """A constant; equal constants are stored once."""
        array = np.ascontiguousarray(np.asarray(array, dtype)).reshape(np.shape(array))
        key = dtype, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self.named(self._name("c"), dtype)
            self.constants.append(numpy_helper.from_array(array, self._known[key].name))
        return self._known[key]

    def counts(self, *numbers: int) -> Tensor:
        """A vector of whole numbers, such as a shape."""
        return self.constant(np.array(numbers), COUNT)

    def tensor(self, operand: Operand, dtype: DType) -> Tensor:
        """A tensor as it is, and anything else as a constant of this type."""
        return operand if isinstance(operand, Tensor) else self.constant(operand, dtype)

    def named(self, name: str, dtype: DType) -> Tensor:
        """The tensor of a name, such as an input of the graph."""
        return Tensor(self, name, dtype)

    def apply(self, operator: str, *inputs: Tensor | None, dtype: DType | None = None, **attributes: object) -> Tensor:
        """Append a node with one output.

        Args:
            operator: its name in ONNX.
            inputs: None leaves an optional input out.
            dtype: type of the output; None is that of the first input.
            attributes: of the operator.
        """
        return self._append(operator, inputs, [dtype or _dtype(inputs)], attributes)[0]

    def affine(self, rows: Tensor, weights: np.ndarray, bias: np.ndarray) -> Tensor:
        """The affine map rows @ weights + bias, shape (S, A) for rows of shape (S, D)."""
        if len(weights) >= WIDE:
            return rows @ weights + bias
        return self.apply("Gemm", rows, *(self.constant(one, rows.dtype) for one in (weights, bias)))

    def joined(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors side by side along an axis."""
        return tensors[0] if len(tensors) == 1 else self.apply("Concat", *tensors, axis=axis)

    def where(self, condition: Tensor, chosen: Tensor, otherwise: Tensor) -> Tensor:
        """Numbers of `chosen` where a condition holds, of `otherwise` elsewhere."""
        return self.apply("Where", condition, chosen, otherwise, dtype=chosen.dtype)

    def ordered(self, rows: Tensor, count: int) -> Tensor:
        """The rows of a tensor with `count` rows, each column in ascending order."""
        attributes = {"axis": 0, "largest": 0, "sorted": 1}
        return self._append("TopK", [rows, self.counts(count)], [rows.dtype, COUNT], attributes)[0]

    def either(self, condition: Tensor, chosen: Tensor, otherwise: Tensor) -> Tensor:
        """One of two tensors, which may differ in shape."""
        branches: dict[str, object] = {}
        for name, one in (("then_branch", chosen), ("else_branch", otherwise)):
            with _Inside(self._open) as nodes:
                result = self.apply("Identity", one)
            branches[name] = helper.make_graph(nodes, name, [], [self.info(result)])
        return self._append("If", [condition], [chosen.dtype], branches)[0]

    def loop(self, trips: Tensor, carried: Sequence[Tensor], body: Body, width: int) -> tuple[list[Tensor], Tensor]:
        """A loop whose steps follow each other.

        Args:
            trips: the number of steps, shape (1,).
            carried: what the first step gets.
            body: builds a step. What it collects has shape (width,).
            width: see `body`.

        Returns:
            What the last step carried on, and what the steps collected, shape (trips, width).
        """
        number, condition = self.named(self._name("i"), COUNT), self.named(self._name("go"), TRUTH)
        inside = [self.named(self._name("carried"), one.dtype) for one in carried]
        with _Inside(self._open) as nodes:
            following, kept = body(number, inside)
            results = [self.apply("Identity", one) for one in (condition, *following)]
            kept = self.apply("Identity", kept)
        graph = helper.make_graph(
            nodes,
            "step",
            [self.info(number, ()), self.info(condition, ()), *map(self.info, inside)],
            [self.info(results[0], ()), *map(self.info, results[1:]), self.info(kept, (width,))],
        )
        types = [*(one.dtype for one in carried), kept.dtype]
        *after, collected = self._append("Loop", [trips, None, *carried], types, {"body": graph})
        return after, collected

    def info(self, tensor: Tensor, shape: Sequence[int | str] | None = None, text: str = "") -> ValueInfoProto:
        """The declaration of an input or an output; a name in place of
        a number is a size that is not fixed."""
        return helper.make_tensor_value_info(
            tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), shape, doc_string=text
        )

    def output(self, name: str, tensor: Tensor, shape: Sequence[int | str], text: str) -> ValueInfoProto:
        """Make a tensor an output of the graph by this name, and declare it; see `info`."""
        self.nodes.append(helper.make_node("Identity", [tensor.name], [name]))
        return self.info(self.named(name, tensor.dtype), shape, text)

    def _append(
        self, operator: str, inputs: Sequence[Tensor | None], types: Sequence[DType], attributes: Mapping[str, object]
    ) -> list[Tensor]:
        outputs = [self.named(self._name(operator.lower()), one) for one in types]
        names = ["" if one is None else one.name for one in inputs]
        node = helper.make_node(operator, names, [one.name for one in outputs])
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
        self.nodes.append(node)
        return outputs

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}_{self._names}"


class _Inside:
    """Nodes that are appended in this context make a graph inside of another one;
    it reads tensors of both."""

    def __init__(self, graphs: list[list[NodeProto]]) -> None:
        """Begin no graph yet; `graphs` are the nodes of those under construction,
        the innermost last."""
        self._graphs = graphs

    def __enter__(self) -> list[NodeProto]:
        self._graphs.append([])
        return self._graphs[-1]

    def __exit__(self, *_: object) -> None:
        self._graphs.pop()


def _dtype(inputs: Sequence[Tensor | None]) -> DType:
    first = inputs[0]
    assert first is not None
    return first.dtype
