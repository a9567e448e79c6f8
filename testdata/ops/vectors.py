"""What the generators of the vectors share: inputs worth testing, and files that are the same bytes every time.

A folder of vectors holds for each case `<case>.onnx`, `<case>.npz` with the arrays `in_<input>` and `out_<output>`, and
`index.json` with the name, the oracle and its version.
"""

import io
import json
import pathlib
import zipfile

import numpy as np
from onnx import helper


def write_npz(path, arrays):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, buffer.getvalue())


class Folder:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.index = []
        for old in [*self.path.glob("*.onnx"), *self.path.glob("*.npz")]:
            old.unlink()

    def case(self, name, model, inputs, outputs, oracle):
        (self.path / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        arrays = {f"in_{key}": value for key, value in inputs.items()}
        arrays |= {f"out_{key}": value for key, value in outputs.items()}
        write_npz(self.path / f"{name}.npz", arrays)
        self.index.append({"name": name, "oracle": oracle})

    def finish(self):
        lines = ",\n".join(json.dumps(case) for case in self.index)
        (self.path / "index.json").write_text(f"[\n{lines}\n]\n")


SPECIAL = np.array(
    [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1.1754942e-38, 3.4028235e38,
     -3.4028235e38, 1e10, -1e10, 2147483648.0, -2147483648.0, 2147483520.0, 8388609.0, -8388609.0, 4194304.5,
     -4194304.5, 0.49999997, -0.49999997, 0.50000006, -0.50000006],
    np.float32,
)


def around(values):
    """The float32 numbers, and their neighbours on both sides."""
    values = np.asarray(values, np.float32)
    inf = np.float32(np.inf)
    return np.concatenate([values, np.nextafter(values, inf), np.nextafter(values, -inf)])


def inputs_for(low, high, scale, zero_point=0):
    """Quotients worth testing for codes from `low` to `high`: ties, their neighbours, both ends, special values."""
    ends = [end - zero_point + step for end in (low, high) for step in (-1.5, -1, -0.5, 0, 0.5, 1, 1.5)]
    few = np.arange(max(low - zero_point, -12) - 1, min(high - zero_point, 12) + 2) + 0.5
    some = np.random.default_rng(7).uniform(low - zero_point - 2, high - zero_point + 2, 40)
    quotients = around(np.concatenate([ends, few, [-3, -2, -1, 1, 2, 3]]))
    with np.errstate(all="ignore"):
        return np.concatenate([SPECIAL, (np.concatenate([quotients, some]) * np.float32(scale)).astype(np.float32)])


def model(nodes, inputs, outputs, initializers=(), opset=21, domains=(), ir_version=10):
    """`inputs` and `outputs`: name → (element type of ONNX, shape)."""
    info = lambda ports: [helper.make_tensor_value_info(name, *port) for name, port in ports.items()]
    graph = helper.make_graph(list(nodes), "vectors", info(inputs), info(outputs), list(initializers))
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="vairun")
