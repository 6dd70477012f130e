"""Read a model file and let the network run free with nothing but NumPy:
`python read_model.py MODEL [STEPS]`.

For networks of simple, leaky or memoryless cells without external inputs;
docs/model-file.md describes the layout.
"""

import json
import sys
from pathlib import Path

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64}
NONLINEARITIES = {
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "relu": lambda a: np.maximum(a, 0),
    "softplus": lambda a: np.logaddexp(a, 0),
    "identity": lambda a: a,
}


def read(path):
    """The JSON of the model and its arrays by name."""
    content = Path(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    model, data, arrays = json.loads(header.pop("__metadata__")["freerun"]), content[8 + size :], {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return model, arrays


def generate(model, arrays, steps, member=0):
    """A free run of `steps` steps after the end of training, shape (steps, D)."""
    settings = model["members"][member]["settings"]
    a = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{member}.")}
    lags = settings["delays"] if isinstance(settings["delays"], list) else range(settings["delays"] or 1)
    differences = settings["difference"] or []
    for name in [name.removesuffix(".data") for name in a if name.endswith(".recurrent.data")]:  # a sparse matrix
        rows, pointers = a[f"{name}.rows"], a[f"{name}.pointers"]
        a[name] = np.zeros((len(pointers) - 1, len(pointers) - 1))
        a[name][rows, np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))] = a[f"{name}.data"]
    f = NONLINEARITIES[settings["nonlinearity"]]
    h, values = [a[f"ending.cells.{i}"] for i in range(settings["layers"])], [*a["ending.past"], a["ending.value"]]
    for _ in range(steps):
        seen, base = np.array(values), 0.0
        for lag in [differences] if isinstance(differences, int) else differences:
            base = base + seen[-lag]
            seen = seen[lag:] - seen[:-lag]
        x = window = np.concatenate([seen[-1 - lag] for lag in lags])
        for i in range(settings["layers"]):
            drive = x @ a[f"network.cells.{i}.input"] + a[f"network.cells.{i}.bias"]
            drive = drive + (0 if settings["cell"] == "memoryless" else h[i] @ a[f"network.cells.{i}.recurrent"])
            leak = 1 / (1 + np.exp(-a[f"network.cells.{i}.logit"])) if settings["cell"] == "leaky" else 1
            x = h[i] = (1 - leak) * h[i] + leak * f(drive)
        y = np.concatenate(h) @ a["network.readout"] + a["network.bias"] + base
        values.append(y + window @ a["network.direct"] if settings["direct"] else y)
    run = np.array(values[-steps:]) * a["scaling.scale"] + a["scaling.mean"]
    return np.exp(run) if model["members"][member]["log"] else run


if __name__ == "__main__":
    np.savetxt(sys.stdout, generate(*read(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100))
