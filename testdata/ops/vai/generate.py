"""Vectors of vai::QuantizeLinear, vai::DequantizeLinear and vai::fix_neuron.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 onnx==1.23.2
    venv/bin/python testdata/ops/vai/generate.py

Oracle: the kernels of pytorch_nndct 3.5.0, restated here in exact arithmetic. The restatement gives the bits of the
vectors that the real kernels gave (per-tensor, per-channel and fix_neuron), which are not in this repository.
"""

import fractions
import math
import pathlib
import sys

import numpy as np
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from vectors import SPECIAL, Folder, inputs_for, model  # noqa: E402

ORACLE = "pytorch_nndct 3.5.0 kernels restated in exact arithmetic, numpy " + np.__version__
folder = Folder(HERE)
np.seterr(all="ignore")
INT_MIN = -(2**31)
METHODS = (2, 3, 4, 5, 6, 7, 8)


def rounded(x, method):
    """One finite number, exactly."""
    low = math.floor(x)
    rest = fractions.Fraction(x) - low
    nearest = low + (rest > fractions.Fraction(1, 2))
    if method == 4 or method == 7:
        return low if method == 4 else math.ceil(x)
    if rest != fractions.Fraction(1, 2):
        return nearest
    even = low + low % 2
    toward_zero = low if x > 0 else low + 1
    return {2: low + 1, 3: low + 1 if x > 0 else low, 5: low + 1 if x < 0 else even, 6: toward_zero, 8: even}[method]


def to_int(x, method):
    """round, then C's conversion to int on x86."""
    if not math.isfinite(x):
        return INT_MIN
    value = rounded(x, method)
    return value if INT_MIN <= value < 2**31 else INT_MIN


def quantize(x, low, high, scale, zero_point, method):
    shifted = (x / scale + zero_point.astype(np.float32)).astype(np.float64)
    clipped = np.minimum(np.maximum(shifted, np.float64(low)), np.float64(high))
    return np.array([to_int(float(c), method) for c in clipped.ravel()], np.float64).astype(np.float32).reshape(x.shape)


def dequantize(q, scale, zero_point):
    return scale * (q - zero_point.astype(np.float32))


def fix_neuron(x, high, amplitude, method):
    a = np.float32(amplitude)
    codes = [min(max(to_int(float(v), method), -high - 1), high) for v in (x * a).ravel()]
    return np.array(codes, np.float64).astype(np.float32).reshape(x.shape) * (np.float32(1) / a)


class Case:
    def __init__(self, name, x, kind="Constant"):
        self.name, self.x, self.kind = name, x, kind
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], {"x": x}, {}

    def parameter(self, name, value):
        """As exporters write it: a Constant node; or an initializer, an Identity of a Constant, an input."""
        tensor = numpy_helper.from_array(value, name)
        if self.kind == "Constant":
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        elif self.kind == "Identity":
            self.nodes.append(helper.make_node("Constant", [], [name + "_of"], value=tensor))
            self.nodes.append(helper.make_node("Identity", [name + "_of"], [name]))
        elif self.kind == "initializer":
            self.initializers.append(tensor)
        else:
            self.inputs[name] = value
        return name

    def pair(self, key, low, high, scale, zero_point, method, axis=1, shape=None, short=False):
        scale, zero_point = np.array(scale, np.float32), np.array(zero_point, np.int8)
        p = lambda name, value, dtype: self.parameter(f"{key}_{name}", np.array(value, dtype))
        grid = [p("s", scale, np.float32), p("z", zero_point, np.int8)]
        bounds = [p("lo", low, np.int32), p("hi", high, np.int32)]
        q = ["x", *bounds, *grid, p("m", method, np.int8)] + ([] if short else [p("a", axis, np.int8)])
        dq = [f"{key}_q", *grid] + ([] if short else [f"{key}_a"])
        self.nodes.append(helper.make_node("QuantizeLinear", q, [f"{key}_q"], domain="vai"))
        self.nodes.append(helper.make_node("DequantizeLinear", dq, [f"{key}_y"], domain="vai"))
        if shape is not None:
            scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
        self.outputs[f"{key}_q"] = quantize(self.x, low, high, scale, zero_point, method)
        self.outputs[f"{key}_y"] = dequantize(self.outputs[f"{key}_q"], scale, zero_point)

    def fix(self, key, high, amplitude, method):
        p = lambda name, value, dtype: self.parameter(f"{key}_{name}", np.array(value, dtype))
        ins = ["x", p("max", high, np.int64), p("amp", amplitude, np.float64), p("m", method, np.int64),
               p("dev", 1, np.int64), p("in", 0, np.int64)]
        self.nodes.append(helper.make_node("fix_neuron", ins, [f"{key}_y"], domain="vai"))
        self.outputs[f"{key}_y"] = fix_neuron(self.x, high, amplitude, method)

    def write(self):
        types = lambda arrays: {k: (helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in arrays.items()}
        proto = model(self.nodes, types(self.inputs), types(self.outputs), self.initializers, 14, ["vai"], 7)
        folder.case(self.name, proto, self.inputs, self.outputs, ORACLE)


RANGES = {"s8": (-128, 127), "u8": (0, 255), "n8": (-127, 127), "s4": (-8, 7), "u4": (0, 15), "s16": (-32768, 32767),
          "u16": (0, 65535), "s32": (INT_MIN, 2**31 - 1), "s2": (-2, 1), "s12": (-2048, 2047)}


def per_tensor():
    for name, (low, high) in RANGES.items():
        ends = (max(low, -70000), min(high, 70000))
        x = np.concatenate([inputs_for(*ends, scale, zero_point)[::1 if scale < 1 else 3]
                            for scale, zero_point in [(0.125, 0), (0.1, 3), (64.0, 0)]])
        x = np.unique(x.view(np.uint32)).view(np.float32)
        case = Case(f"{name}", x)
        for method in METHODS:
            case.pair(f"m{method}", low, high, 0.125, 0, method)
        for method, zero_point in [(2, 3), (3, -7), (5, 127), (8, -128), (8, 1)]:
            case.pair(f"m{method}_z{zero_point}".replace("-", "m"), low, high, 0.1, zero_point, method)
        case.write()


def special_scales():
    x = np.concatenate([SPECIAL, np.arange(-4, 4.5, 0.5)]).astype(np.float32)
    case = Case("special_scales", x)
    for i, scale in enumerate([0.0, np.inf, np.nan, -0.5, 1e-45, 1e-40, 3.4028235e38, -np.inf]):
        for zero_point in (0, -3):
            case.pair(f"s{i}_z{'m3' if zero_point else 0}", -128, 127, scale, zero_point, 2)
    case.pair("inverted", 5, -5, 1, 0, 8)
    case.write()


def per_channel():
    rng = np.random.default_rng(11)
    x = (rng.integers(-90, 90, (2, 3, 4, 5)) / 8).astype(np.float32)
    case = Case("per_channel", x)
    for axis, n in enumerate(x.shape):
        shape = [1, 1, 1, 1]
        shape[axis] = n
        scale, zero_point = rng.choice([0.5, 0.25, 0.3, 0.125], n), rng.integers(-9, 9, n)
        for method in (2, 3, 8):
            case.pair(f"a{axis}_m{method}", -128, 127, scale, zero_point, method, axis, shape)
    scale, zero_point = rng.choice([0.5, 0.3], 5), rng.integers(-9, 9, 5)
    for axis in (4, 100, -5):
        case.pair(f"beyond{axis}".replace("-", "m"), -128, 127, scale, zero_point, 3, axis)
    case.pair("no_axis", -128, 127, scale, zero_point, 3, short=True)
    case.write()


def kinds():
    x = inputs_for(-128, 127, 0.25)[::3]
    for kind in ("initializer", "Identity", "input"):
        case = Case(f"as_{kind.lower()}", x, kind)
        case.pair("m2", -128, 127, 0.25, 0, 2)
        case.pair("m8_vector", -128, 127, [0.1], [3], 8)
        case.pair("short", -8, 7, 0.25, 0, 3, short=True)
        case.write()


def codes():
    """Every code of 8 bits, and some of 16, there and back."""
    q = np.concatenate([np.arange(-128, 256), np.arange(-32768, 32768, 97), [32767]]).astype(np.float32)
    case = Case("codes", (q * np.float32(0.1)).astype(np.float32))
    case.pair("s16", -32768, 32767, 0.1, 0, 3)
    case.pair("s8", -128, 127, 0.1, 0, 2)
    case.pair("u8", 0, 255, 0.1, 0, 8)
    case.write()


def fixed_point():
    for name, high in [("s8", 127), ("s4", 7), ("s16", 32767)]:
        x = np.unique(np.concatenate([inputs_for(-high - 1, high, 1 / 16), inputs_for(-high - 1, high, 0.1)]).view(np.uint32)).view(np.float32)
        case = Case(f"fix_{name}", x)
        for method in METHODS:
            case.fix(f"m{method}", high, 16.0, method)
        case.fix("odd", high, 10.0, 4)
        case.fix("long", high, 7.8274593, 8)
        case.write()


for part in (per_tensor, special_scales, per_channel, kinds, codes, fixed_point):
    part()
folder.finish()
