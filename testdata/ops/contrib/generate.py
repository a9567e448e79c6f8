"""Vectors of the operators of vai_q_onnx 3.5 in ai.onnx.contrib.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 onnx==1.23.2
    venv/bin/python testdata/ops/contrib/generate.py

Oracle: the formulas of `qdq_ops.py` (vai_q_onnx 3.5), restated with numpy, which they are written in.
"""

import pathlib
import sys

import numpy as np
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from vectors import Folder, inputs_for, model  # noqa: E402

ORACLE = "vai_q_onnx 3.5 qdq_ops.py restated with numpy " + np.__version__
DOMAIN = "ai.onnx.contrib"
folder = Folder(HERE)
np.seterr(all="ignore")


def bounds(bits):
    return np.float32(-(2 ** (bits - 1))), np.float32(2 ** (bits - 1) - 1)


def codes(x, scale, zero_point, bits):
    return np.clip(np.rint(x / scale) + zero_point.astype(np.float32), *bounds(bits))


def fix_neuron(x, scale, zero_point, bits):
    return (codes(x, scale, zero_point, bits) - zero_point.astype(np.float32)) * scale


def dequantize(q, scale, zero_point, bits):
    low, high = bounds(bits)
    clipped = np.clip(q, np.int8(low), np.int8(high))
    return (clipped - zero_point).astype(np.float32) * scale


def write(name, op, x, in_type, out_type, settings, compute):
    nodes, initializers, outputs = [], [], {}
    for scale, zero_point, bits in settings:
        key = f"b{bits}_s{scale}_z{zero_point}".replace("-", "m").replace(".", "p")
        scale, zero_point = np.array(scale, np.float32), np.array(zero_point, np.int8)
        initializers += [numpy_helper.from_array(scale, key + "_s"), numpy_helper.from_array(zero_point, key + "_z")]
        position = str(int(np.rint(-np.log2(scale))))
        ins = ["x", key + "_s", key + "_z"]
        nodes.append(helper.make_node(op, ins, [key], domain=DOMAIN, bit_width=str(bits), pos=position))
        outputs[key] = compute(x, scale, zero_point, bits)
    ports = {key: (out_type, array.shape) for key, array in outputs.items()}
    proto = model(nodes, {"x": (in_type, x.shape)}, ports, initializers, 13, [DOMAIN], 7)
    folder.case(name, proto, {"x": x}, outputs, ORACLE)


x = np.concatenate([inputs_for(-128, 127, 0.25), inputs_for(-8, 7, 0.1, 3)])
settings = [(0.25, 0, 8), (0.1, 0, 8), (0.1, 127, 8), (0.25, -128, 8), (0.1, 3, 4), (0.25, -2, 4), (0.001, -7, 16)]
write("fix_neuron", "FixNeuron", x, T.FLOAT, T.FLOAT, settings, fix_neuron)
numbers = x[~np.isnan(x)]
to_int8 = lambda *args: codes(*args).astype(np.int8)
write("vai_quantize", "VaiQuantize", numbers, T.FLOAT, T.INT8, settings[:-1], to_int8)
every = np.arange(-128, 128).astype(np.int8)
write("vai_de_quantize", "VaiDeQuantize", every, T.INT8, T.FLOAT, settings[:-1], dequantize)
folder.finish()
