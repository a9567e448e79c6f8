"""Vectors of the operators on codes: QLinear…, the integer contractions, and com.microsoft's with weights of a few bits.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 ml_dtypes==0.5.4
    venv/bin/python testdata/ops/qlinear/generate.py

Oracle: onnxruntime without optimizations, one thread, on x86-64 with AVX2. Weights of int8 against uint8 stay within
-64..63: onnxruntime's kernel for CPUs without VNNI saturates pairs of products at 16 bits. A case with `within` holds
numbers that come out of float32 sums and exponentials; it allows that relative difference.
"""

import pathlib
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from vectors import Folder, model  # noqa: E402

ORT = f"onnxruntime {onnxruntime.__version__}, graph optimizations disabled, 1 thread, x86-64 with AVX2"
MS = "com.microsoft"
folder = Folder(HERE)
random = np.random.default_rng(11)
TYPES = {"u8": (np.uint8, 0, 255), "s8": (np.int8, -128, 127)}


def run(proto, feed):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed)))


class Case:
    """A model of nodes of one operator; every array is an initializer but those in `feed`."""

    def __init__(self, name, op, domain="", opset=21):
        self.name, self.op, self.domain, self.opset = name, op, domain, opset
        self.nodes, self.initializers, self.outputs, self.feed = [], [], {}, {}

    def input(self, name, array):
        self.feed[name] = np.asarray(array)

    def add(self, inputs, out, attributes=None, outputs=1):
        """`inputs`: names of the feed, arrays, or None. `out`: the element types of the outputs."""
        index, names = len(self.nodes), []
        for i, value in enumerate(inputs):
            if value is None or isinstance(value, str):
                names.append(value or "")
                continue
            names.append(f"i{index}_{i}")
            tensor = value(names[-1]) if callable(value) else numpy_helper.from_array(np.asarray(value), names[-1])
            self.initializers.append(tensor)
        results = [f"y{index}" if i == 0 else f"y{index}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(self.op, names, results, domain=self.domain, **(attributes or {})))
        self.outputs |= {name: (out, None) for name in results}

    def write(self, within=None):
        ports = {n: (helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in self.feed.items()}
        domains = [self.domain] if self.domain else []
        proto = model(self.nodes, ports, self.outputs, self.initializers, self.opset, domains)
        folder.case(self.name, proto, self.feed, run(proto, self.feed), ORT)
        if within:
            folder.index[-1]["within"] = within


def codes(kind, shape, small=False):
    dtype, low, high = TYPES[kind]
    low, high = (-64, 63) if small else (low, high)
    return random.integers(low, high + 1, shape).astype(dtype)


f32 = np.float32
SCALES = [(0.5, 0.25, 0.5), (0.125, 0.125, 0.25), (0.1, 0.037, 0.11), (0.02, 0.3, 0.007), (1e-3, 2e-3, 5e-2)]


def binary():
    for op in ("QLinearAdd", "QLinearMul"):
        for kind, (dtype, low, high) in TYPES.items():
            case = Case(f"{op.lower()}_{kind}", op, MS)
            case.input("a", np.arange(low, high + 1).astype(dtype).reshape(1, 256))
            b = np.array([low, low + 1, -1 if low else 100, (low + high + 1) // 2, high - 1, high]).astype(dtype)
            for i, (sa, sb, sc) in enumerate(SCALES):
                zeros = [dtype(z) for z in ((low + high + 1) // 2, low + 7, high - 3)]
                if i % 2:
                    zeros = [zeros[1], zeros[2], zeros[0]]
                case.add(["a", f32(sa), zeros[0], b.reshape(6, 1), f32(sb), zeros[1], f32(sc), zeros[2]],
                         helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
            case.add([b.reshape(6, 1), f32(0.1), dtype(0), "a", f32(0.07), dtype(0), f32(0.2), dtype(0)],
                     helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
            case.add(["a", f32(0.1), dtype(3), dtype(low + 9), f32(0.07), dtype(1), f32(0.2), dtype(2)],
                     helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
            case.write()


def tables():
    for kind, (dtype, low, high) in TYPES.items():
        out = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        every = np.arange(low, high + 1).astype(dtype)
        middle = (low + high + 1) // 2
        for op, more in (("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1})):
            case = Case(f"{op.lower()}_{kind}", op, MS)
            case.input("x", every)
            for sx, zx in ((0.05, middle), (0.0627, low), (0.5, high), (0.01, middle + 3), (1.0, middle)):
                for sy, zy in ((1 / 256, low), (0.004, low + 1), (0.25 * sx, middle), (sx, zx)):
                    case.add(["x", f32(sx), dtype(zx), f32(sy), dtype(zy)], out, more)
            case.add(["x", f32(0.05), dtype(0), f32(1 / 255), dtype(0)], out, more)
            case.write()
        case = Case(f"qlinearsoftmax_{kind}", "QLinearSoftmax", MS)
        case.input("x", codes(kind, (3, 4, 20)))
        # A result of 1 must fit int8, or onnxruntime wraps it.
        for sx in (0.01, 0.1, 0.5, 2.0):
            for sy, zy in ((1 / 255, low), (0.004, low), (0.0101, low + 20)):
                case.add(["x", f32(sx), dtype(middle), f32(sy), dtype(zy)], out, {"opset": 13})
        for attributes in ({"opset": 12}, {"opset": 13, "axis": 1}, {"opset": 12, "axis": 2}, {"opset": 11, "axis": 0}):
            case.add(["x", f32(0.05), dtype(middle), f32(1 / 255), dtype(low)], out, attributes)
        case.write()


def pools():
    for kind, (dtype, low, high) in TYPES.items():
        out = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        case = Case(f"qlinearaveragepool_{kind}", "QLinearAveragePool", MS)
        for name, shape in (("x1", (2, 3, 11)), ("x2", (2, 3, 9, 10)), ("x3", (1, 2, 4, 5, 6)), ("last", (2, 7, 8, 3))):
            case.input(name, codes(kind, shape))
        grid = [f32(0.05), dtype(low + 90), f32(0.06), dtype(low + 101)]
        even = [f32(0.5), dtype(low + 3), f32(0.25), dtype(low + 8)]
        for name, rank in (("x1", 1), ("x2", 2), ("x3", 3), ("last", 2)):
            for attributes in (
                {"kernel_shape": [3] * rank},
                {"kernel_shape": [2] * rank, "strides": [2] * rank, "ceil_mode": 1},
                {"kernel_shape": [3] * rank, "pads": [1] * 2 * rank, "strides": [2] * rank},
                {"kernel_shape": [3] * rank, "pads": [1] * 2 * rank, "count_include_pad": 1},
                {"kernel_shape": [3] * rank, "pads": [1] * 2 * rank, "count_include_pad": 1, "ceil_mode": 1,
                 "strides": [2] * rank},
                {"kernel_shape": [2] * rank, "auto_pad": "SAME_UPPER", "strides": [2] * rank},
                {"kernel_shape": [3] * rank, "auto_pad": "SAME_LOWER"},
            ):
                last = {"channels_last": 1} if name == "last" else {}
                case.add([name, *grid], out, attributes | last)
            case.add([name, *even], out, {"kernel_shape": [2] * rank} | last)
        case.write()
        case = Case(f"qlinearglobalaveragepool_{kind}", "QLinearGlobalAveragePool", MS)
        case.input("x", codes(kind, (2, 9, 7, 5)))
        case.input("two", np.stack([np.full((256, 1), low), np.arange(low, high + 1)[:, None]], -1).astype(dtype)[None])
        for sx, zx, sy, zy in ((0.05, low + 90, 0.06, low + 101), (0.5, low + 3, 0.25, low + 8), (1, low, 1, low + 1),
                               (0.013, high, 0.0007, low), (2.0, low, 0.5, low)):
            for name in ("x", "two"):
                case.add([name, f32(sx), dtype(zx), f32(sy), dtype(zy)], out)
            case.add(["x", f32(sx), dtype(zx), f32(sy), dtype(zy)], out, {"channels_last": 1})
        case.write()


def movement():
    for kind, (dtype, low, high) in TYPES.items():
        out = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        every = np.arange(low, high + 1).astype(dtype).reshape(2, 128)
        middle = (low + high + 1) // 2
        case = Case(f"qlinearconcat_{kind}", "QLinearConcat", MS)
        case.input("a", every)
        case.input("b", codes(kind, (2, 5)))
        for (sa, sb, sy), z in zip(SCALES, (middle, low, high, middle + 5, low + 1)):
            case.add([f32(sy), dtype(middle), "a", f32(sa), dtype(z), "b", f32(sb), dtype(low + 3)], out, {"axis": 1})
            case.add([f32(sa), dtype(z), "a", f32(sa), dtype(z), "a", f32(sb), dtype(low + 3)], out, {"axis": -2})
        case.write()
        case = Case(f"qlinearwhere_{kind}", "QLinearWhere", MS)
        case.input("a", every)
        case.input("b", codes(kind, (3, 1, 128)))
        condition = random.integers(0, 2, (2, 128)).astype(bool)
        for (sa, sb, sy), z in zip(SCALES, (middle, low, high, middle + 5, low + 1)):
            case.add([condition, "a", f32(sa), dtype(z), "b", f32(sb), dtype(low + 3), f32(sy), dtype(middle)], out)
        case.write()


def convolutions():
    for x_kind, w_kind in (("u8", "u8"), ("u8", "s8"), ("s8", "s8")):
        x_dtype, x_low, _ = TYPES[x_kind]
        w_dtype, w_low, _ = TYPES[w_kind]
        out = helper.np_dtype_to_tensor_dtype(np.dtype(x_dtype))
        small = (x_kind, w_kind) == ("u8", "s8")
        x = codes(x_kind, (2, 4, 9, 8))
        geometries = [
            ({}, (5, 4, 3, 3)),
            ({"pads": [1, 1, 1, 1], "strides": [2, 1]}, (6, 4, 3, 3)),
            ({"pads": [2, 0, 1, 3], "dilations": [2, 2], "group": 2}, (6, 2, 2, 3)),
            ({"auto_pad": "SAME_UPPER", "strides": [2, 2], "group": 4}, (8, 1, 3, 3)),
            ({}, (17, 4, 1, 1)),
        ]
        case = Case(f"qlinearconv_{x_kind}{w_kind}", "QLinearConv")
        integer = Case(f"convinteger_{x_kind}{w_kind}", "ConvInteger")
        case.input("x", x)
        integer.input("x", x)
        for i, (attributes, shape) in enumerate(geometries):
            w, m = codes(w_kind, shape, small), shape[0]
            w_zero = w_dtype(0 if w_low else 129)
            bias = random.integers(-4000, 4000, m).astype(np.int32)
            per_channel = (random.uniform(0.01, 0.05, m).astype(np.float32), np.full(m, w_zero))
            for scale, zero in (per_channel, (f32(0.02), w_zero)):
                y = [f32(0.9), x_dtype(x_low + 100)]
                case.add(["x", f32(0.03), x_dtype(x_low + 77), w, scale, zero, *y, bias], out, attributes)
            # Powers of two: every other sum is a tie.
            case.add(["x", f32(0.5), x_dtype(x_low + 77), w, f32(0.5), w_zero, f32(64.0), x_dtype(x_low + 101)], out,
                     attributes)
            integer.add(["x", w, x_dtype(x_low + 77), w_zero], T.INT32, attributes)
            integer.add(["x", w], T.INT32, attributes)
        case.write()
        if x_kind == "u8":
            integer.write()
    case = Case("qlinearconv_channels_last", "QLinearConv", MS)
    case.input("x", codes("u8", (2, 9, 8, 4)))
    w = codes("u8", (6, 2, 3, 2))
    bias = random.integers(-4000, 4000, 6).astype(np.int32)
    scale = random.uniform(0.01, 0.05, 6).astype(np.float32)
    case.add(["x", f32(0.03), np.uint8(77), w, scale, np.full(6, 100, np.uint8), f32(0.9), np.uint8(100), bias],
             T.UINT8, {"channels_last": 1, "group": 2, "pads": [1, 0, 1, 1], "strides": [2, 1]})
    case.write()


def products():
    for a_kind, b_kind in (("u8", "u8"), ("u8", "s8"), ("s8", "s8")):
        a_dtype, a_low, _ = TYPES[a_kind]
        b_dtype, b_low, _ = TYPES[b_kind]
        small = (a_kind, b_kind) == ("u8", "s8")
        out = helper.np_dtype_to_tensor_dtype(np.dtype(a_dtype))
        b, wide = codes(b_kind, (35, 21), small), codes(b_kind, (3, 35, 8), small)
        b_zero, a_zero = b_dtype(0 if b_low else 120), a_dtype(a_low + 50)
        columns = random.uniform(0.01, 0.05, 21).astype(np.float32)
        zeros = np.full(21, b_zero)
        feed = {"a": codes(a_kind, (4, 35)), "batch": codes(a_kind, (3, 2, 35))}
        suffix = a_kind + b_kind

        def start(op, domain=""):
            case = Case(f"{op.lower()}_{suffix}", op, domain)
            for name, array in feed.items():
                case.input(name, array)
            return case

        case = start("QLinearMatMul")
        y = [f32(1.1), a_dtype(a_low + 120)]
        for a in ("a", "batch"):
            case.add([a, f32(0.03), a_zero, b, columns, zeros, *y], out)
            case.add([a, f32(0.5), a_zero, b, f32(0.25), b_zero, f32(32.0), a_dtype(a_low + 121)], out)
        case.add(["batch", f32(0.03), a_zero, wide, f32(0.02), b_zero, *y], out)
        case.write()
        case = start("MatMulInteger")
        for a in ("a", "batch"):
            case.add([a, b, a_zero, b_zero], T.INT32)
            case.add([a, b, a_zero, zeros], T.INT32)
            case.add([a, b], T.INT32)
        case.add(["batch", wide, a_zero, b_zero], T.INT32)
        if a_kind == "u8":
            case.write()
        case = start("MatMulIntegerToFloat", MS)
        bias = random.normal(0, 3, 21).astype(np.float32)
        for a in ("a", "batch"):
            case.add([a, b, f32(0.03), columns, a_zero, zeros, bias], T.FLOAT)
            case.add([a, b, f32(0.03), f32(0.01), a_zero, b_zero, bias], T.FLOAT)
            case.add([a, b, f32(0.03), f32(0.01), a_zero, b_zero], T.FLOAT)
            case.add([a, b, f32(0.03), f32(0.01)], T.FLOAT)
        case.write()
        if (a_kind, b_kind) == ("s8", "s8") or a_kind == "u8":
            gemms(suffix, a_dtype, a_low, b_kind, b_dtype, b_zero, small, a_kind)
    dynamic()


def gemms(suffix, a_dtype, a_low, b_kind, b_dtype, b_zero, small, a_kind):
    out = helper.np_dtype_to_tensor_dtype(np.dtype(a_dtype))
    case = Case(f"qgemm_{suffix}", "QGemm", MS)
    case.input("a", codes(a_kind, (6, 33)))
    case.input("at", codes(a_kind, (33, 6)))
    b, bt = codes(b_kind, (33, 10), small), codes(b_kind, (10, 33), small)
    a_zero = a_dtype(a_low + 50)
    columns = random.uniform(0.01, 0.05, 10).astype(np.float32)
    y = [f32(1.1), a_dtype(a_low + 120)]
    for shape in ((10,), (1, 10), (6, 1), (6, 10), (1,)):
        c = random.integers(-3000, 3000, shape).astype(np.int32)
        case.add(["a", f32(0.03), a_zero, b, columns, np.full(10, b_zero), c, *y], out)
        case.add(["at", f32(0.5), a_zero, bt, f32(0.25), b_zero, c, f32(32.0), y[1]], out,
                 {"transA": 1, "transB": 1, "alpha": 0.5})
        case.add(["a", f32(0.03), a_zero, b, f32(0.01), b_zero, c], T.FLOAT, {"alpha": 0.7})
    case.add(["a", f32(0.03), a_zero, b, f32(0.01), b_zero, None, *y], out)
    case.add(["a", f32(0.03), a_zero, b, columns, np.full(10, b_zero)], T.FLOAT)
    case.write()


def dynamic():
    case = Case("dynamicquantizematmul", "DynamicQuantizeMatMul", MS)
    case.input("a", random.normal(0, 2, (4, 35)).astype(np.float32))
    case.input("positive", random.uniform(1, 2, (2, 3, 35)).astype(np.float32))
    case.input("zero", np.zeros((1, 35), np.float32))
    bias = random.normal(0, 3, 12).astype(np.float32)
    for name in case.feed:
        for kind in ("u8", "s8"):
            b = codes(kind, (35, 12), kind == "s8")
            zero = TYPES[kind][0](0 if kind == "s8" else 130)
            case.add([name, b, f32(0.02), zero, bias], T.FLOAT)
            case.add([name, b, f32(0.02)], T.FLOAT)
            columns = random.uniform(0.01, 0.05, 12).astype(np.float32)
            case.add([name, b, columns, np.full(12, zero), bias], T.FLOAT)
    case.write()


def few_bits():
    case = Case("matmulnbits", "MatMulNBits", MS)
    case.input("a", random.normal(0, 2, (5, 300)).astype(np.float32))
    case.input("short", random.normal(0, 2, (2, 3, 40)).astype(np.float32))
    n = 19
    for name, k in (("a", 300), ("short", 40)):
        for bits, block in ((4, 16), (4, 32), (4, 128), (8, 32)):
            blocks = -(-k // block)
            b = random.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8)
            scales = random.uniform(0.01, 0.1, n * blocks).astype(np.float32)
            attributes = {"K": k, "N": n, "bits": bits, "block_size": block}
            zeros = random.integers(0, 256, n * -(-blocks * bits // 8)).astype(np.uint8)
            case.add([name, b, scales], T.FLOAT, attributes)
            case.add([name, b, scales, zeros], T.FLOAT, attributes)
    b = random.integers(0, 256, (140, 3, 64)).astype(np.uint8)
    scales = random.uniform(0.01, 0.1, 420).astype(np.float32)
    case.add(["a", b, scales], T.FLOAT, {"K": 300, "N": 140, "bits": 4, "block_size": 128})
    case.write()
    case = Case("gatherblockquantized", "GatherBlockQuantized", MS)
    case.input("indices", np.array([[0, 5, -1], [3, 3, -6]], np.int64))
    for bits in (4, 8):
        data = random.integers(0, 256, (6, 3, 40 * bits // 8)).astype(np.uint8)
        scales = random.uniform(0.01, 0.1, (6, 3, 3)).astype(np.float32)
        zeros = random.integers(0, 256, (6, 3, -(-3 * bits // 8))).astype(np.uint8)
        attributes = {"bits": bits, "block_size": 16, "quantize_axis": 2}
        case.add([data, "indices", scales], T.FLOAT, attributes)
        case.add([data, "indices", scales, zeros], T.FLOAT, attributes)
    for dtype in (T.INT4, T.UINT4):
        low = -8 if dtype == T.INT4 else 0
        values = random.integers(low, low + 16, 6 * 33 * 2)
        make = lambda shape, values: (lambda name: helper.make_tensor(name, dtype, shape, values))
        scales = random.uniform(0.01, 0.1, (6, 3, 2)).astype(np.float32)
        zeros = random.integers(low, low + 16, 36)
        case.add([make((6, 33, 2), values), "indices", scales], T.FLOAT, {"block_size": 16})
        case.add([make((6, 33, 2), values), "indices", scales, make((6, 3, 2), zeros)], T.FLOAT, {"block_size": 16})
        across = random.uniform(0.01, 0.1, (2, 6, 3)).astype(np.float32)
        case.add([make((22, 6, 3), values), "indices", across], T.FLOAT,
                 {"block_size": 16, "quantize_axis": 0, "gather_axis": 1})
    case.write()


def lstms():
    for name, batch, directions in (("one", 1, 1), ("batch", 3, 1), ("both", 2, 2)):
        hidden, inputs, steps = 7, 5, 6
        case = Case(f"dynamicquantizelstm_{name}", "DynamicQuantizeLSTM", MS)
        case.input("x", random.normal(0, 1, (steps, batch, inputs)).astype(np.float32))
        weights = lambda rows, kind: codes(kind, (directions, rows, 4 * hidden), kind == "s8")
        bias = random.normal(0, 0.3, (directions, 8 * hidden)).astype(np.float32)
        lengths = np.array([steps, 4, 2][:batch], np.int32)
        state = lambda: random.normal(0, 0.5, (directions, batch, hidden)).astype(np.float32)
        peephole = random.normal(0, 0.3, (directions, 3 * hidden)).astype(np.float32)
        per_tensor = lambda: random.uniform(0.004, 0.01, directions).astype(np.float32)
        per_column = lambda: random.uniform(0.004, 0.01, (directions, 4 * hidden)).astype(np.float32)
        for direction in ("forward", "reverse") if directions == 1 else ("bidirectional",):
            attributes = {"hidden_size": hidden, "direction": direction}
            add = lambda parts, more=None: case.add(["x", *parts], T.FLOAT, attributes | (more or {}), 3)
            zero = lambda dtype, value: np.full(directions, value, dtype)
            w, r = weights(inputs, "s8"), weights(hidden, "s8")
            add([w, r, bias, None, None, None, None, per_tensor(), zero(np.int8, 0), per_tensor(), zero(np.int8, 0)])
            add([w, r, None, lengths, state(), state(), peephole, per_column(), np.zeros((directions, 4 * hidden), np.int8),
                 per_column(), np.zeros((directions, 4 * hidden), np.int8)])
            w, r = weights(inputs, "u8"), weights(hidden, "u8")
            add([w, r, bias, lengths, None, None, None, per_tensor(), zero(np.uint8, 128), per_tensor(), zero(np.uint8, 131)],
                {"clip": 1.5})
            add([w, r, bias, None, state(), None, None, per_tensor(), zero(np.uint8, 128), per_tensor(), zero(np.uint8, 131)],
                {"activations": ["HardSigmoid", "Relu", "Tanh"] * directions})
        case.write()


def attention():
    case = Case("qattention", "QAttention", MS)
    batch, steps, width, heads, hidden, before = 2, 5, 12, 2, 8, 3
    case.input("x", codes("u8", (batch, steps, width)))
    past = random.normal(0, 1, (2, batch, heads, before, hidden // heads)).astype(np.float32)
    bias = random.normal(0, 0.3, 3 * hidden).astype(np.float32)
    columns = random.uniform(0.001, 0.003, 3 * hidden).astype(np.float32)
    w, v = codes("s8", (width, 3 * hidden), True), codes("u8", (width, 3 * hidden))
    masks = [None, np.array([4, 2], np.int32), np.array([5, 3, 1, 0], np.int32),
             random.integers(0, 2, (batch, steps)).astype(np.int32) | (np.arange(steps) == 0).astype(np.int32),
             random.integers(0, 2, (batch, steps, steps)).astype(np.int32) | np.eye(steps, dtype=np.int32)]
    for mask in masks:
        case.add(["x", w, bias, f32(0.02), columns, mask, np.uint8(120)], T.FLOAT, {"num_heads": heads})
        case.add(["x", v, bias, f32(0.02), f32(0.002), mask, np.uint8(120), np.uint8(125)], T.FLOAT,
                 {"num_heads": heads, "unidirectional": 1})
    case.add(["x", w, bias, f32(0.02), columns, None, np.uint8(120), None, past], T.FLOAT,
             {"num_heads": heads, "unidirectional": 1}, 2)
    case.write(within=2e-6)


def float_attention():
    """The same with float projections."""
    case = Case("attention", "Attention", MS)
    batch, steps, width, heads, hidden, before = 2, 5, 12, 2, 8, 3
    normal = lambda *shape: random.normal(0, 1, shape).astype(np.float32)
    case.input("x", normal(batch, steps, width))
    bias = normal(3 * hidden)
    w, narrow = normal(width, 3 * hidden), normal(width, 2 * hidden + 4)
    masks = [None, np.array([4, 2], np.int32), np.array([5, 3, 1, 0], np.int32),
             random.integers(0, 2, (batch, steps)).astype(np.int32) | (np.arange(steps) == 0).astype(np.int32),
             random.integers(0, 2, (batch, steps, steps)).astype(np.int32) | np.eye(steps, dtype=np.int32)]
    for mask in masks:
        case.add(["x", w, bias, mask], T.FLOAT, {"num_heads": heads})
        case.add(["x", w, bias, mask], T.FLOAT, {"num_heads": heads, "unidirectional": 1})
    case.add(["x", w, bias, None, None, normal(1, heads, steps, steps)], T.FLOAT, {"num_heads": heads, "scale": 0.3})
    case.add(["x", narrow, normal(2 * hidden + 4)], T.FLOAT,
             {"num_heads": heads, "qkv_hidden_sizes": [hidden, hidden, 4]})
    past = normal(2, batch, heads, before, hidden // heads)
    case.add(["x", w, bias, None, past], T.FLOAT, {"num_heads": heads, "unidirectional": 1}, 2)
    case.write(within=2e-6)


binary()
tables()
pools()
movement()
convolutions()
products()
few_bits()
lstms()
attention()
float_attention()
folder.finish()
