"""Vectors of QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 ml_dtypes==0.5.4
    venv/bin/python testdata/ops/quantize_linear/generate.py

Oracle: onnxruntime without optimizations where it has the types, else ONNX's reference evaluator. The latter converts
NaN, infinities and quotients beyond int32 as numpy does on the machine at hand, so its inputs hold none.
"""

import pathlib
import sys
import warnings

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from vectors import SPECIAL, Folder, around, inputs_for, model  # noqa: E402

ORT = f"onnxruntime {onnxruntime.__version__}, graph optimizations disabled, x86-64"
REFERENCE = f"onnx {onnx.__version__} reference evaluator"
folder = Folder(HERE)
warnings.filterwarnings("ignore")


def by_onnxruntime(proto, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def by_reference(proto, inputs):
    names = [output.name for output in proto.graph.output]
    return dict(zip(names, ReferenceEvaluator(proto).run(names, inputs)))


def constant(name, dtype, values, shape=()):
    numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
    return numpy_helper.from_array(np.asarray(values).astype(numpy_type).reshape(shape), name)


class Case:
    """A model of several quantizers of one input."""

    def __init__(self, name, x, opset=21, domain="", ir_version=10):
        self.name, self.x, self.opset, self.domain, self.ir_version = name, x, opset, domain, ir_version
        self.nodes, self.outputs, self.initializers = [], {}, []

    def add(self, key, scale, zero_point, show, out=T.FLOAT, q={}, dq={}):
        """x → q → y. With `show` the codes are an output, else a dequantizer of scale 1 shows them."""
        inputs = [f"{key}_s"] + ([f"{key}_z"] if zero_point is not None else [])
        parameters = [scale] + ([zero_point] if zero_point is not None else [])
        for parameter, name in zip(parameters, inputs):
            copy = onnx.TensorProto()
            copy.CopyFrom(parameter)
            copy.name = name
            self.initializers.append(copy)
        make = lambda op, ins, outs, attributes: self.nodes.append(
            helper.make_node(op, ins, outs, domain=self.domain, **attributes))
        make("QuantizeLinear", ["x"] + inputs, [f"{key}_q"], q)
        make("DequantizeLinear", [f"{key}_q"] + inputs, [f"{key}_y"], dq)
        self.outputs[f"{key}_y"] = (out, None)
        if show is not None:
            self.outputs[f"{key}_q"] = (show, None)
        else:
            self.initializers.append(constant(f"{key}_one", T.FLOAT, 1))
            make("DequantizeLinear", [f"{key}_q", f"{key}_one"], [f"{key}_n"], {})
            self.outputs[f"{key}_n"] = (T.FLOAT, None)

    def write(self, oracle):
        x_type = helper.np_dtype_to_tensor_dtype(self.x.dtype)
        storable = self.x.dtype.kind in "fi" and self.x.dtype.itemsize > 1 and x_type != T.BFLOAT16
        inputs = {"x": (x_type, self.x.shape)} if storable else {}
        if not storable:
            self.initializers.append(numpy_helper.from_array(self.x, "x"))
        domains = [self.domain] if self.domain else []
        proto = model(self.nodes, inputs, self.outputs, self.initializers, self.opset, domains, self.ir_version)
        feed = {"x": self.x} if storable else {}
        outputs = (by_onnxruntime if oracle is ORT else by_reference)(proto, feed)
        assert all(array.dtype.kind in "fiu" for array in outputs.values())
        folder.case(self.name, proto, feed, outputs, oracle)


INTEGERS = {
    "int8": (T.INT8, -128, 127, T.INT8), "uint8": (T.UINT8, 0, 255, T.UINT8),
    "int16": (T.INT16, -32768, 32767, T.INT16), "uint16": (T.UINT16, 0, 65535, T.UINT16),
    "int4": (T.INT4, -8, 7, None), "uint4": (T.UINT4, 0, 15, None),
    "int2": (T.INT2, -2, 1, None), "uint2": (T.UINT2, 0, 3, None),
}


def finite(x, scale, most=2.0**31):
    with np.errstate(all="ignore"):
        quotient = x.astype(np.float64) / np.float64(scale)
    return x[np.isfinite(x.astype(np.float64)) & (np.abs(quotient) < most - 256)]


def integers():
    for name, (dtype, low, high, show) in INTEGERS.items():
        two_bits = name.endswith("int2")
        zero_points = sorted({low, low + 1, (low + high + 1) // 2, high})
        # onnxruntime wraps quotients of 2^31 and more to 2 bits.
        scales = [0.0625, 0.1, 1.0, 3e-39]
        x = np.concatenate([inputs_for(low, high, s, z) for s in scales[:3] for z in (zero_points[0], zero_points[2])])
        x = np.unique(x.view(np.uint32)).view(np.float32)
        if two_bits:
            scales, x = scales[:3], finite(x, 0.0625)
        domains = [""] if two_bits else ["", "com.microsoft"]
        for domain in domains:
            case = Case(f"{'ms_' if domain else ''}{name}", x, 25 if two_bits else 21, domain, 13 if two_bits else 10)
            for i, scale in enumerate(scales):
                for zero_point in zero_points if i < 2 else zero_points[2:3]:
                    key = f"s{i}_z{zero_point}".replace("-", "m")
                    case.add(key, constant("", T.FLOAT, scale), constant("", dtype, zero_point), show)
            case.write(ORT)


def all_codes():
    """Every code of 8 bits and some of 16 through a dequantizer, there and back, and every zero point of int8."""
    for name, scales in [("int8", [0.1, 0.0625]), ("uint8", [0.1]), ("int16", [0.003]), ("uint16", [0.1])]:
        dtype, low, high, _ = INTEGERS[name]
        numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
        step = 1 if high < 256 else 97
        q = np.append(np.arange(low, high, step), high).astype(numpy_type)
        nodes, initializers, outputs = [], [], {}
        for i, scale in enumerate(scales):
            initializers += [constant(f"s{i}", T.FLOAT, scale), constant(f"z{i}", dtype, low + 5)]
            nodes.append(helper.make_node("DequantizeLinear", ["q", f"s{i}", f"z{i}"], [f"y{i}"]))
            nodes.append(helper.make_node("QuantizeLinear", [f"y{i}", f"s{i}", f"z{i}"], [f"back{i}"]))
            outputs |= {f"y{i}": (T.FLOAT, None), f"back{i}": (dtype, None)}
        proto = model(nodes, {"q": (dtype, q.shape)}, outputs, initializers)
        folder.case(f"codes_{name}", proto, {"q": q}, by_onnxruntime(proto, {"q": q}), ORT)
    x = np.tile(around(np.arange(-3.5, 4)), 256).reshape(256, -1)
    zero_points = np.arange(-128, 128).astype(np.int8)
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=0)]
    initializers = [constant("s", T.FLOAT, np.ones(256), [256]), numpy_helper.from_array(zero_points, "z")]
    proto = model(nodes, {"x": (T.FLOAT, x.shape)}, {"q": (T.INT8, None)}, initializers)
    folder.case("all_zero_points", proto, {"x": x}, by_onnxruntime(proto, {"x": x}), ORT)


def wide():
    """int32 through a dequantizer, and int32 into a quantizer."""
    q = np.array([0, 1, -1, 2**24, 2**24 + 1, -(2**24) - 1, 2**31 - 1, -(2**31), 123456789], np.int32)
    nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["y"])]
    nodes += [helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"])]
    initializers = [constant("s", T.FLOAT, 0.1), constant("z", T.INT32, 5)]
    proto = model(nodes, {"q": (T.INT32, q.shape)}, {"y": (T.FLOAT, None), "w": (T.FLOAT, None)}, initializers)
    folder.case("int32", proto, {"q": q}, by_onnxruntime(proto, {"q": q}), ORT)
    small = q[np.abs(q.astype(np.float64)) < 2e8]
    case = Case("from_int32", np.concatenate([small, np.arange(-9, 10)]).astype(np.int32), 23, ir_version=11)
    for i, scale in enumerate([2, 0.1, 22369622.0]):
        case.add(f"s{i}", constant("", T.FLOAT, scale), constant("", T.INT8, 3), T.INT8)
    case.write(REFERENCE)


def half_precision():
    """All finite float16 numbers with scales that put many quotients on ties of float16 but not of float32."""
    every = np.arange(65536).astype(np.uint16).view(np.float16)
    x = every[np.isfinite(every) & (np.abs(every.astype(np.float32)) < 300)][::7]
    case = Case("float16", np.concatenate([x, SPECIAL.astype(np.float16)]), 23, ir_version=11)
    for i, scale in enumerate([1.0, 0.75, 0.0999755859375, 3.0]):
        case.add(f"h{i}", constant("", T.FLOAT16, scale), constant("", T.INT8, -3), T.INT8, T.FLOAT16)
    case.add("single", constant("", T.FLOAT, 0.1), constant("", T.INT8, -3), T.INT8)
    case.add("as_single", constant("", T.FLOAT16, 0.1), constant("", T.INT8, -3), T.INT8, T.FLOAT16, q={"precision": T.FLOAT})
    case.add("as_half", constant("", T.FLOAT, 0.1), constant("", T.INT16, -3), T.INT16, T.FLOAT16,
             q={"precision": T.FLOAT16}, dq={"output_dtype": T.FLOAT16})
    case.write(ORT)
    x = np.concatenate([SPECIAL, around(np.arange(-140, 140) + 0.5), np.linspace(-20, 20, 500)]).astype(np.float32)
    case = Case("float32_by_float16", x, 23, ir_version=11)
    case.add("h", constant("", T.FLOAT16, 0.75), constant("", T.UINT8, 9), T.UINT8, T.FLOAT16)
    case.write(ORT)


def brain_precision():
    every = np.arange(65536).astype(np.uint16).view(ml_dtypes.bfloat16)
    numbers = every.astype(np.float32)
    x = every[np.isfinite(numbers) & (np.abs(numbers) < 300) & (np.abs(numbers) > 1e-3)][::9]
    case = Case("bfloat16", x, 23, ir_version=11)
    for i, scale in enumerate([1.0, 0.75, 0.1, 3.0]):
        case.add(f"b{i}", constant("", T.BFLOAT16, scale), constant("", T.INT8, -3), T.INT8, q={}, dq={"output_dtype": T.FLOAT})
    case.write(REFERENCE)


def power_scales():
    x = finite(inputs_for(-128, 127, 1.0), 1.0)
    case = Case("float8e8m0", x, 24, ir_version=12)
    for i, scale in enumerate([1.0, 0.125, 4.0]):
        case.add(f"e{i}", constant("", T.FLOAT8E8M0, scale), constant("", T.INT8, 3), T.INT8, dq={"output_dtype": T.FLOAT})
    case.write(REFERENCE)


FLOATS = {"float8e4m3fn": T.FLOAT8E4M3FN, "float8e4m3fnuz": T.FLOAT8E4M3FNUZ, "float8e5m2": T.FLOAT8E5M2,
          "float8e5m2fnuz": T.FLOAT8E5M2FNUZ}


def narrow_floats():
    for name, dtype in FLOATS.items():
        numbers = np.arange(256).astype(np.uint8).view(helper.tensor_dtype_to_np_dtype(dtype)).astype(np.float32)
        numbers = np.unique(numbers[np.isfinite(numbers)])
        middles = (numbers[1:].astype(np.float64) + numbers[:-1]) / 2
        largest = numbers[-1] + np.array([0.25, 0.5, 0.75, 1]) * (numbers[-1] - numbers[-2])
        x = np.concatenate([SPECIAL, around(np.concatenate([numbers, middles, largest, -largest]))])
        # Without saturation onnxruntime 1.32 is wrong in two ranges: 448 for [480, 496) in e4m3fn, NaN for
        # [61440, 65536) in e5m2, where ONNX has NaN and infinity.
        wrong = {"float8e4m3fn": (480, 496), "float8e5m2": (61440, 65536)}.get(name, (0, 0))
        for saturate in (1, 0):
            case = Case(name + ("" if saturate else "_escape"), x, 19, ir_version=9)
            for i, scale in enumerate([1.0, 0.1]):
                quotient = np.abs(case.x / np.float32(scale))
                case.x = case.x[~((quotient >= wrong[0]) & (quotient < wrong[1]))] if not saturate else case.x
                case.add(f"s{i}", constant("", T.FLOAT, scale), constant("", dtype, 0), None, q={"saturate": saturate})
            case.write(ORT)
    numbers = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    middles = (numbers[1:] + numbers[:-1]) / 2
    x = np.concatenate([SPECIAL[2:], around(np.concatenate([numbers, middles, [6.5, 7, 9]]))])
    x = np.concatenate([x, -x])
    case = Case("float4e2m1", x, 23, ir_version=11)
    for i, scale in enumerate([1.0, 0.1]):
        case.add(f"s{i}", constant("", T.FLOAT, scale), constant("", T.FLOAT4E2M1, 0), None)
    case.write(REFERENCE)


def granularity():
    rng = np.random.default_rng(3)
    x = (rng.integers(-60, 60, (2, 6, 4, 3)) / 4).astype(np.float32)
    case = Case("axes", x)
    for axis in (-4, -3, -1, 0, 1, 2, 3):
        n = x.shape[axis]
        scale = constant("", T.FLOAT, rng.choice([0.5, 0.25, 0.3, 1.0], n), [n])
        zero_point = constant("", T.INT8, rng.integers(-9, 9, n), [n])
        case.add(f"a{axis}".replace("-", "m"), scale, zero_point, T.INT8, q={"axis": axis}, dq={"axis": axis})
    case.write(ORT)
    case = Case("blocks", x)
    for axis, size in [(0, 1), (1, 2), (1, 4), (1, 5), (-2, 3), (3, 2), (3, 3), (3, 100)]:
        shape = list(x.shape)
        shape[axis] = -(-shape[axis] // size)
        scale = constant("", T.FLOAT, rng.choice([0.5, 0.25, 0.3, 1.0], shape), shape)
        zero_point = constant("", T.UINT8, rng.integers(0, 99, shape), shape)
        attributes = {"axis": axis, "block_size": size}
        # onnxruntime 1.32 takes no block size that exceeds the dimension
        if size <= x.shape[axis]:
            case.add(f"a{axis}_b{size}".replace("-", "m"), scale, zero_point, T.UINT8, q=attributes, dq=attributes)
    case.write(ORT)


def run_time():
    """Parameters that arrive with the input."""
    x = inputs_for(-128, 127, 0.1)
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    inputs = {"x": x, "s": np.array(0.1, np.float32), "z": np.array(-7, np.int8)}
    ports = {name: (helper.np_dtype_to_tensor_dtype(array.dtype), array.shape) for name, array in inputs.items()}
    proto = model(nodes, ports, {"q": (T.INT8, None), "y": (T.FLOAT, None)})
    folder.case("run_time", proto, inputs, by_onnxruntime(proto, inputs), ORT)


def special_scales():
    case = Case("special_scales", np.concatenate([SPECIAL, np.arange(-3, 4).astype(np.float32)]))
    for i, scale in enumerate([0.0, np.inf, np.nan, -0.5, 1e-45, 3.4028235e38]):
        case.add(f"s{i}", constant("", T.FLOAT, scale), constant("", T.INT8, -3), T.INT8)
        case.add(f"u{i}", constant("", T.FLOAT, scale), constant("", T.UINT16, 300), T.UINT16)
    case.write(ORT)


def dynamic():
    rng = np.random.default_rng(5)
    for name, x in {
        "both": rng.normal(0, 3, 300), "above": rng.uniform(1, 2, 300), "below": rng.uniform(-2, -1, 300),
        "zero": np.zeros(4), "ties": np.append(np.arange(0, 128, 0.5), 255), "huge": np.array([-3e38, 1e38, 0, 5]),
        "tiny": np.array([0, 1e-44, 3e-45]), "nan": np.array([np.nan, 1, -2, 3]), "infinite": np.array([-np.inf, 1, 2]),
        "infinite_above": np.array([-1, np.inf, 2]),
    }.items():
        x = x.astype(np.float32)
        nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])]
        outputs = {"y": (T.UINT8, None), "s": (T.FLOAT, None), "z": (T.UINT8, None)}
        proto = model(nodes, {"x": (T.FLOAT, x.shape)}, outputs)
        folder.case(f"dynamic_{name}", proto, {"x": x}, by_onnxruntime(proto, {"x": x}), ORT)


for part in (integers, all_codes, wide, half_precision, brain_precision, power_scales, narrow_floats, granularity,
             run_time, special_scales, dynamic):
    part()
folder.finish()
