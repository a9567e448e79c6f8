"""Vectors of Resize: float32 and the integers that onnxruntime interpolates between.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
    venv/bin/python testdata/ops/resize/generate.py

Oracle: onnxruntime with its optimizations disabled. A case with `within` is one whose weights it rounds in another order.
"""

import pathlib
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from vectors import Folder, model  # noqa: E402

ORACLE = "onnxruntime " + ort.__version__
TYPES = {"float32": T.FLOAT, "float16": T.FLOAT16, "uint8": T.UINT8, "int8": T.INT8, "int32": T.INT32}
SHORT = {"float32": "f32", "float16": "f16", "uint8": "u8", "int8": "s8", "int32": "s32"}
folder = Folder(HERE)
random = np.random.default_rng(5)


def array(kind, shape):
    if kind.startswith("float"):
        return random.standard_normal(shape).astype(kind)
    info = np.iinfo(kind) if kind != "int32" else np.iinfo(np.int16)
    return random.integers(info.min, info.max, shape, endpoint=True).astype(kind)


class Case:
    """A model of one node after the other, each with an input of its own."""

    def __init__(self, name):
        self.name, self.nodes, self.constants, self.feed, self.outputs = name, [], [], {}, {}

    def add(self, name, kind, shape, coordinates="half_pixel", scales=None, sizes=None, roi=None, **attributes):
        given = {"roi": (roi, np.float32), "scales": (scales, np.float32), "sizes": (sizes, np.int64)}
        given = {key: np.array(value, dtype) for key, (value, dtype) in given.items() if value is not None}
        names = ["x_" + name] + [f"{key}_{name}" if key in given else "" for key in ("roi", "scales", "sizes")]
        self.nodes.append(helper.make_node(
            "Resize", names, [name], coordinate_transformation_mode=coordinates, **attributes))
        self.constants += [numpy_helper.from_array(value, f"{key}_{name}") for key, value in given.items()]
        self.feed["x_" + name] = array(kind, shape)
        self.outputs[name] = (TYPES[kind], None)

    def between_codes(self, name, shape, **attributes):
        """Quantized, interpolated between codes, dequantized: codes that a Resize does not only move."""
        self.constants += [numpy_helper.from_array(np.float32(0.05), "scale"), numpy_helper.from_array(np.uint8(117), "zero_point"),
                           numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "doubled")]
        self.nodes += [helper.make_node("QuantizeLinear", ["x_" + name, "scale", "zero_point"], ["codes"]),
                       helper.make_node("Resize", ["codes", "", "doubled"], ["between"], **attributes),
                       helper.make_node("DequantizeLinear", ["between", "scale", "zero_point"], [name])]
        self.feed["x_" + name] = array("float32", shape)
        self.outputs[name] = (T.FLOAT, None)

    def write(self, within=None):
        ports = {key: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for key, x in self.feed.items()}
        made = model(self.nodes, ports, self.outputs, self.constants, opset=19)
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(list(self.outputs), self.feed)
        folder.case(self.name, made, self.feed, dict(zip(self.outputs, results)), ORACLE)
        if within:
            folder.index[-1]["within"] = within


MODES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
for kind in TYPES:
    case = Case(SHORT[kind])
    for mode in MODES:
        case.add(f"linear_{mode}", kind, (1, 2, 5, 7), mode, [1, 1, 1.7, 2.3], mode="linear")
    case.add("linear_double", kind, (2, 3, 6, 9), scales=[1, 1, 2, 2], mode="linear")
    case.add("linear_shrunk", kind, (1, 2, 9, 8), sizes=[1, 2, 4, 3], mode="linear")
    case.add("linear_matrix", kind, (5, 6), sizes=[11, 4], mode="linear")
    case.add("linear_rank3", kind, (3, 4, 5), scales=[1, 2, 2], mode="linear")
    case.add("linear_rank5", kind, (1, 2, 3, 4, 5), scales=[1, 1, 1.5, 2, 0.7], mode="linear")
    case.add("linear_channels_last", kind, (1, 4, 5, 3), scales=[1, 2.5, 1.6, 1], mode="linear")
    case.add("linear_cropped", kind, (1, 1, 5, 6), "tf_crop_and_resize", sizes=[1, 1, 7, 8],
         roi=[0, 0, 0.2, -0.1, 1, 1, 0.9, 1.3], extrapolation_value=7.0, mode="linear")
    for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
        case.add(f"nearest_{nearest}", kind, (1, 2, 4, 5), scales=[1, 1, 1.5, 2.4], nearest_mode=nearest, mode="nearest")
    case.write()
case = Case("cubic")
for mode in MODES:
    case.add(f"cubic_{mode}", "float32", (1, 2, 5, 7), mode, [1, 1, 1.7, 2.3], mode="cubic")
case.add("cubic_excluded", "float32", (1, 1, 5, 6), scales=[1, 1, 2, 1.5], exclude_outside=1, cubic_coeff_a=-0.5, mode="cubic")
case.add("cubic_shrunk", "float32", (1, 1, 9, 8), sizes=[1, 1, 4, 5], mode="cubic")
case.write()
case = Case("smooth")
case.add("smooth_linear", "float32", (1, 1, 9, 8), sizes=[1, 1, 4, 5], antialias=1, mode="linear")
case.add("smooth_cubic", "float32", (1, 1, 9, 8), sizes=[1, 1, 4, 5], antialias=1, mode="cubic")
case.write(within=1e-6)
case = Case("between_codes")
case.between_codes("y", (1, 2, 6, 8), mode="linear")
case.write()
folder.finish()
