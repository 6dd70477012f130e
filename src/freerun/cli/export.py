"""`freerun export`: the free run of a network as a StableHLO program, or as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freerun.cli.console import Console
from freerun.cli.options import (
    NO_OPTIONS,
    Json,
    ModelFile,
    Quiet,
    Reading,
    read,
    reads_series,
    require_file_for,
    require_writable,
)
from freerun.errors import SettingError
from freerun.settings import Ensemble, OnnxProgram

STEPS = 100
"""Length of the free run of a StableHLO program by default."""


@reads_series
def export(
    model: ModelFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write the program to.")],
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            "-n",
            min=1,
            help=f"Of StableHLO: length of the free run. Default: {STEPS}. An ONNX file is given it as it runs.",
        ),
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX file; needs freerun[onnx].")] = False,
    program: Annotated[
        OnnxProgram | None,
        typer.Option(
            help="Of ONNX: run reads values and runs free after them; step predicts one step, without loops. "
            "Default: run."
        ),
    ] = None,
    ensemble: Annotated[
        Ensemble | None,
        typer.Option(
            help="Of ONNX: the best network, or the mean, median or trimmed mean over all ensemble members; a forecast "
            "is the trimmed mean. Default: best."
        ),
    ] = None,
    after: Annotated[
        Path | None, typer.Option(help="Of ONNX: series to continue. Default: the training series.")
    ] = None,
    reading: Reading = NO_OPTIONS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the free run of a network as a StableHLO program or an ONNX file,
    which other runtimes run, not freerun.

    Example: freerun export mg.freerun --onnx -o mg.onnx

    Example: freerun export mg.freerun --steps 200 -o mg.stablehlo
    """
    from freerun.estimator import RNN
    from freerun.forecasting.modelfile import load_model

    require_writable(output, read=(model, after))
    require_file_for(after, reading)
    _refuse_what_has_no_effect(output, onnx, steps, {"program": program, "ensemble": ensemble, "after": after})
    rnn, console = RNN(), Console(as_json, quiet)
    rnn.model_ = load_model(model)
    if onnx:
        rnn.export_onnx(
            output, program or "run", ensemble or "best", after=None if after is None else read(after, reading)
        )
        facts = {"program": str(output), "format": "onnx", "kind": program or "run"}
        note = f"ONNX file written to {output}; in Python: onnxruntime.InferenceSession({str(output)!r})"
    else:
        rnn.export(output, steps or STEPS)
        facts = {"program": str(output), "format": "stablehlo", "steps": steps or STEPS}
        note = f"program written to {output}; in Python: jax.export.deserialize(content).call(values)"
    if as_json:
        console.result(facts)
    else:
        console.note(note)


def _refuse_what_has_no_effect(output: Path, onnx: bool, steps: int | None, others: dict[str, object]) -> None:
    """Check that the options belong to the format.

    Raises:
        SettingError: one does not, or the name of the file is that of the other format.
    """
    if onnx and steps is not None:
        raise SettingError(f"--steps {steps} has no effect with --onnx; an ONNX file is given its steps as it runs")
    given = [name for name, value in others.items() if value is not None]
    if not onnx and given:
        raise SettingError(f"--{given[0]} applies to ONNX files alone; add --onnx, or leave it out")
    if not onnx and output.suffix == ".onnx":
        raise SettingError(
            f"{output}: without --onnx the program is StableHLO; add --onnx, or name the file .stablehlo"
        )
