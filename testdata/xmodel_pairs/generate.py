"""Makes the same small quantized networks as vai_q_pytorch exports them in three formats, and some with faults.

`pip install numpy==2.4.* onnx==1.23.*; python generate.py`

- <net>_vai.onnx     native_onnx=False: domain `vai`, parameters rounded by method 3, activations by method 2
- <net>_native.onnx  native_onnx=True: QuantizeLinear/DequantizeLinear to int8, half to even
- <net>.xmodel       XIR, channels last, names of their own, ops in another order
- curve_compiled.xmodel: as the compiler makes it for a DPU, all of it but the instructions
- <net>.inputs.npz   an input, off the grid: among the numbers are ties
- layers_wrong_*.xmodel: one weight off by one step; one fix position off by one

Weights are drawn at random and lie on their grid. `wide` has 4-bit weights and 16-bit activations, which native Q/DQ
cannot express.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

import compiler
import xir

HERE = Path(__file__).parent


class Tensor:
    """A tensor of the network: its names in both formats, its shape as NCHW, its fix position, whether it is an image."""

    def __init__(self, onnx, xir, shape, fp=None, spread=40.0):
        self.onnx, self.xir, self.shape, self.fp, self.spread = onnx, xir, tuple(shape), fp, spread


def last(shape):
    """[n, c, h, w] → [n, h, w, c]"""
    return [shape[0], *shape[2:], shape[1]] if len(shape) > 2 else list(shape)


class Net:
    def __init__(self, name, shape, seed, act_bits=8, weight_bits=8):
        self.name, self.random = name, np.random.default_rng(seed)
        self.act_bits, self.weight_bits = act_bits, weight_bits
        self.nodes = {"vai": [], "native": []}
        self.initializers, self.count, self.modules = [], 0, 0
        self.xir = xir.Graph(name)
        self.shape = shape
        fp = 5 if act_bits == 8 else 11
        self.input = Tensor(f"{name}::input_0", f"{name}__input_0", shape)
        self.xir.op("data", self.input.xir, {}, last(shape), shape=last(shape), data_type="FLOAT32")
        self.quantized_input = self.fix(self.input, fp)
        steps = self.random.integers(-4 * 120, 4 * 120, shape)
        scale = 2.0 ** -(fp + 2) if act_bits == 8 else 2.0 ** -(fp - 6)
        self.values = (steps * scale).astype(np.float32)

    # Both sides -------------------------------------------------------------------------------------------------------

    def fresh(self, kind):
        self.count += 1
        return f"{kind}.{self.count}", f"{self.name}__{self.name}_{kind}_{self.count}"

    def onnx_node(self, op, inputs, output, domain="", only=None, **attrs):
        for side, nodes in self.nodes.items():
            if only in (None, side):
                nodes.append(h.make_node(op, inputs, [output], name=f"{op}_{len(nodes)}", domain=domain, **attrs))
        return output

    def constant(self, value, name=None, only=None):
        name = name or self.fresh("onnx::Constant")[0]
        self.onnx_node("Constant", [], name, value=numpy_helper.from_array(np.asarray(value)), only=only)
        return name

    def quantize_onnx(self, source, fp, bits, method):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        scale, zero = np.float32(2.0**-fp), np.int8(0)
        codes, numbers = self.fresh("input")[0], self.fresh("blob")[0]
        constant = lambda value, only: self.constant(value, only=only)
        args = [np.int32(low), np.int32(high), scale, zero, np.int8(method), np.int8(1)]
        self.onnx_node("QuantizeLinear", [source, *(constant(a, "vai") for a in args)], codes, "vai", only="vai")
        tail = [constant(a, "vai") for a in (scale, zero, np.int8(1))]
        self.onnx_node("DequantizeLinear", [codes, *tail], numbers, "vai", only="vai")
        pair = [constant(scale, "native"), constant(zero, "native")]
        self.onnx_node("QuantizeLinear", [source, *pair], codes, only="native")
        self.onnx_node("DequantizeLinear", [codes, *pair], numbers, only="native")
        return numbers

    def fix(self, x, fp, spread=40.0, name=None, bits=None, shape=None):
        bits = bits or self.act_bits
        made = self.xir.op(
            "fix", name or f"{x.xir}_fix", {"input": [x.xir]}, shape or last(x.shape),
            fix_point=fp, bit_width=bits, if_signed=True, round_mode="DPU_ROUND",
        )
        return Tensor(self.quantize_onnx(x.onnx, fp, bits, 2), made, x.shape, fp, spread)

    def parameter(self, module, role, values, fp, bits, there):
        """Float values on the grid; `there` is how XIR has them."""
        name, other = f"module_{module}.{role}", f"{self.name}__module_{module}_{role}"
        self.initializers.append(numpy_helper.from_array(values.astype(np.float32), name))
        there = np.ascontiguousarray(there, np.float32)
        self.xir.op("const", other, {}, there.shape, shape=list(there.shape), data_type="float32", data=there.tobytes())
        fixed = self.xir.op(
            "fix", f"{other}_fix", {"input": [other]}, there.shape,
            fix_point=fp, bit_width=bits, if_signed=True, round_mode="DPU_ROUND",
        )
        return self.quantize_onnx(name, fp, bits, 3), fixed

    def scalar(self, x, value):
        """A raw constant: a scalar there, as large as the tensor here."""
        full = np.full(last(x.shape), value, np.float32)
        name = self.fresh("factor")[1]
        self.xir.op("const", name, {}, full.shape, shape=list(full.shape), data_type="float32", data=full.tobytes())
        return self.constant(np.float32(value)), name

    # Layers -----------------------------------------------------------------------------------------------------------

    def weights(self, shape, terms):
        """Codes of weights, their position, and how far sums of products with codes spread."""
        limit = 2 ** (self.weight_bits - 1)
        codes = self.random.integers(-limit, limit, shape)
        return codes, self.weight_bits - 1, np.sqrt(terms) * codes.std()

    def finish(self, made, x, fw, growth, relu=None):
        """The nonlinear function and the fix of sums."""
        if relu == "relu":
            made = self.apply(made, "Relu", "relu")
        elif relu == "leaky":
            made = self.apply(made, "LeakyRelu", "leaky-relu", {"alpha": 26 / 256}, {"alpha": 26 / 256})
        target = 40.0 if self.act_bits == 8 else 8000.0
        shift = int(np.round(np.log2(growth * x.spread / target)))
        return self.fix(made, x.fp + fw - shift, target)

    def apply(self, x, onnx_op, xir_op, onnx_attrs={}, xir_attrs={}, shape=None, extra=()):
        a, b = self.fresh(xir_op.replace("-", "_"))
        shape = x.shape if shape is None else tuple(shape)
        self.onnx_node(onnx_op, [x.onnx, *extra], a, **onnx_attrs)
        self.xir.op(xir_op, b, {"input": [x.xir]}, last(shape), **xir_attrs)
        return Tensor(a, b, shape, x.fp, x.spread)

    def conv(self, x, out, kernel, stride=1, pad=0, group=1, transposed=False, relu=None):
        module, self.modules = self.modules, self.modules + 1
        kh, kw = kernel
        n, c, height, width = x.shape
        depthwise = group == c and group > 1
        per_group = c // group
        shape = (c, out // group, kh, kw) if transposed else (out, per_group, kh, kw)
        codes, fw, growth = self.weights(shape, per_group * kh * kw / (stride**2 if transposed else 1))
        w = codes / 2.0**fw
        bias = self.random.integers(-100, 100, out) if self.act_bits == 8 else self.random.integers(-30000, 30000, out)
        fb = x.fp + fw - (4 if self.act_bits == 8 else 8)
        if transposed:
            there = np.transpose(w[:, :, ::-1, ::-1], (1, 2, 3, 0))
            size = [(d - 1) * stride + k - 2 * pad for d, k in zip((height, width), kernel)]
        elif depthwise:
            there = np.transpose(w, (1, 2, 3, 0))
            size = [(d + 2 * pad - k) // stride + 1 for d, k in zip((height, width), kernel)]
        else:
            there = np.transpose(w, (0, 2, 3, 1))
            size = [(d + 2 * pad - k) // stride + 1 for d, k in zip((height, width), kernel)]
        wo, wx = self.parameter(module, "weight", w, fw, self.weight_bits, there)
        bo, bx = self.parameter(module, "bias", bias / 2.0**fb, fb, 8 if self.act_bits == 8 else 16, bias / 2.0**fb)
        a, b = self.fresh("conv")
        self.onnx_node(
            "ConvTranspose" if transposed else "Conv", [x.onnx, wo, bo], a, kernel_shape=[kh, kw],
            strides=[stride] * 2, pads=[pad] * 4, dilations=[1, 1], group=group,
        )
        kind = "transposed-conv2d" if transposed else "depthwise-conv2d" if depthwise else "conv2d"
        attrs = dict(kernel=[kw, kh], stride=[stride] * 2, dilation=[1, 1], pad=[pad] * 4, pad_mode="FLOOR")
        if not depthwise:
            attrs["group"] = group
        shape = (n, out, *size)
        self.xir.op(kind, b, {"input": [x.xir], "weights": [wx], "bias": [bx]}, last(shape), **attrs)
        return self.finish(Tensor(a, b, shape), x, fw, growth, relu)

    def linear(self, x, out):
        module, self.modules = self.modules, self.modules + 1
        codes, fw, growth = self.weights((out, x.shape[1]), x.shape[1])
        bias = self.random.integers(-100, 100, out)
        fb = x.fp + fw - 4
        wo, wx = self.parameter(module, "weight", codes / 2.0**fw, fw, self.weight_bits, codes / 2.0**fw)
        bo, bx = self.parameter(module, "bias", bias / 2.0**fb, fb, 8, bias / 2.0**fb)
        a, b = self.fresh("linear")
        self.onnx_node("Gemm", [x.onnx, wo, bo], a, transB=1)
        shape = (x.shape[0], out)
        self.xir.op("matmul", b, {"input": [x.xir, wx], "bias": [bx]}, shape, transpose_a=False, transpose_b=True)
        return self.finish(Tensor(a, b, shape), x, fw, growth)

    def pair(self, x, y, onnx_op, xir_op, fp, spread=40.0):
        a, b = self.fresh(xir_op)
        self.onnx_node(onnx_op, [x.onnx, y.onnx], a)
        self.xir.op(xir_op, b, {"input": [x.xir, y.xir]}, last(x.shape))
        return self.fix(Tensor(a, b, x.shape), fp, spread)

    def square(self, x, fp):
        """`Pow` there, a product with itself here."""
        a, b = self.fresh("square")
        self.onnx_node("Pow", [x.onnx, self.constant(np.float32(2))], a)
        self.xir.op("mul", b, {"input": [x.xir, x.xir]}, last(x.shape))
        return self.fix(Tensor(a, b, x.shape), fp)

    def scalar_parameter(self, x, value, fp):
        """A quantized constant: a scalar there, as large as the tensor here."""
        name, other = self.fresh("scalar")
        self.constant(np.float32(value), name)
        full = np.full(last(x.shape), value, np.float32)
        self.xir.op("const", other, {}, full.shape, shape=list(full.shape), data_type="float32", data=full.tobytes())
        fixed = self.xir.op(
            "fix", f"{other}_fix", {"input": [other]}, full.shape,
            fix_point=fp, bit_width=8, if_signed=True, round_mode="DPU_ROUND",
        )
        return Tensor(self.quantize_onnx(name, fp, 8, 3), fixed, x.shape, fp)

    def concat(self, parts):
        a, b = self.fresh("concat")
        shape = (parts[0].shape[0], sum(p.shape[1] for p in parts), *parts[0].shape[2:])
        self.onnx_node("Concat", [p.onnx for p in parts], a, axis=1)
        self.xir.op("concat", b, {"input": [p.xir for p in parts]}, last(shape), axis=len(shape) - 1)
        return self.fix(Tensor(a, b, shape), min(p.fp for p in parts))

    def times(self, x, value):
        """A factor that the exporter puts behind an op."""
        a, b = self.fresh("mul")
        factor, full = self.scalar(x, value)
        self.onnx_node("Mul", [x.onnx, factor], a)
        self.xir.op("mul", b, {"input": [x.xir, full]}, last(x.shape))
        return Tensor(a, b, x.shape, x.fp, x.spread)

    def max_pool(self, x, k, stride):
        size = [(d - k) // stride + 1 for d in x.shape[2:]]
        window = dict(kernel=[k, k], stride=[stride] * 2, pad=[0] * 4, pad_mode="FLOOR")
        window["global"] = False
        made = self.apply(x, "MaxPool", "maxpool2d", dict(kernel_shape=[k, k], strides=[stride] * 2), window, (*x.shape[:2], *size))
        return self.fix(made, x.fp)

    def avg_pool(self, x, k, factor):
        window = dict(kernel=[k, k], stride=[1, 1], pad=[1] * 4, pad_mode="FLOOR", count_include_pad=True)
        window |= {"global": False, "count_include_invalid": True}
        attrs = dict(kernel_shape=[k, k], strides=[1, 1], pads=[1] * 4, count_include_pad=1)
        made = self.apply(x, "AveragePool", "avgpool2d", attrs, window)
        return self.fix(self.times(made, factor), x.fp + 1)

    def mean(self, x, factor, fp):
        a, b = self.fresh("mean")
        self.onnx_node("ReduceMean", [x.onnx], a, axes=[2, 3], keepdims=0)
        shape = x.shape[:2]
        self.xir.op("reduction_mean", b, {"input": [x.xir]}, shape, axis=[1, 2], keep_dims=False)
        made = Tensor(a, b, shape, x.fp)
        return self.fix(self.times(made, factor) if factor else made, fp)

    def hard_sigmoid(self, x):
        """Four nodes there, two ops here."""
        three, six, sixth = (self.constant(np.float32(v)) for v in (3, 6, 2731 / 2**14))
        zero = self.constant(np.float32(0))
        names = [self.fresh("hs")[0] for _ in range(3)]
        self.onnx_node("Add", [x.onnx, three], names[0])
        self.onnx_node("Clip", [names[0], zero, six], names[1])
        self.onnx_node("Mul", [names[1], sixth], names[2])
        plain, product = self.fresh("hard_sigmoid")[1], self.fresh("mul")[1]
        self.xir.op("hard-sigmoid", plain, {"input": [x.xir]}, last(x.shape))
        full = np.full(last(x.shape), 6 * 2731 / 2**14, np.float32)
        factor = self.fresh("factor")[1]
        self.xir.op("const", factor, {}, full.shape, shape=list(full.shape), data_type="float32", data=full.tobytes())
        self.xir.op("mul", product, {"input": [plain, factor]}, last(x.shape))
        return self.fix(Tensor(names[2], product, x.shape), 7)

    def hard_swish(self, x):
        return self.pair(self.hard_sigmoid(x), x, "Mul", "mul", x.fp)

    def resize(self, x, mode, scale=2.0):
        linear = mode == "BILINEAR"
        shape = (*x.shape[:2], int(scale * x.shape[2]), int(scale * x.shape[3]))
        scales = self.constant(np.array([1, 1, scale, scale], np.float32))
        attrs = dict(mode="linear", coordinate_transformation_mode="pytorch_half_pixel") if linear else dict(
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        there = dict(mode=mode, align_corners=False, half_pixel_centers=linear, scale=[scale, scale])
        made = self.apply(x, "Resize", "resize", attrs, there, shape, ("", scales))
        return self.fix(made, x.fp)

    def pad(self, x, mode):
        shape = (*x.shape[:2], x.shape[2] + 1, x.shape[3] + 3)
        pads = self.constant(np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64))
        there = dict(paddings=[0, 0, 1, 0, 2, 1, 0, 0], mode=mode.upper())
        if mode == "constant":
            there["constant_values"] = [0.0] * 8
        return self.fix(self.apply(x, "Pad", "pad", dict(mode=mode), there, shape, (pads,)), x.fp)

    def slice(self, x):
        """Rows 1, 3, 5 …, all columns but the last."""
        n, c, height, width = x.shape
        ends = [self.constant(np.array(v, np.int64)) for v in ([1, 0], [height, width - 1], [2, 3], [2, 1])]
        shape = (n, c, height // 2, width - 1)
        there = dict(begin=[0, 1, 0, 0], end=[n, height, width - 1, c], strides=[1, 2, 1, 1],
                     begin_mask=0, end_mask=9, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)
        return self.fix(self.apply(x, "Slice", "strided_slice", {}, there, shape, ends), x.fp)

    def pixel_shuffle(self, x, scale):
        n, c, height, width = x.shape
        shape = (n, c // scale**2, height * scale, width * scale)
        there = dict(scale=scale, upscale=True)
        return self.fix(self.apply(x, "DepthToSpace", "pixel-shuffle", dict(blocksize=scale, mode="CRD"), there, shape), x.fp)

    def softmax(self, x):
        return self.apply(x, "Softmax", "softmax", dict(axis=-1), dict(axis=-1))

    # Files ------------------------------------------------------------------------------------------------------------

    def write(self, outputs, native=True):
        for side, nodes in self.nodes.items():
            if side == "native" and not native:
                continue
            graph = h.make_graph(
                nodes, "torch_jit", [h.make_tensor_value_info(self.input.onnx, T.FLOAT, self.shape)],
                [h.make_tensor_value_info(o.onnx, T.FLOAT, o.shape) for o in outputs], self.initializers,
            )
            opsets = [h.make_opsetid("", 15)] + ([h.make_opsetid("vai", 1)] if side == "vai" else [])
            model = h.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="pytorch", producer_version="1.12.1")
            onnx.save(model, HERE / f"{self.name.lower()}_{side}.onnx")
        (HERE / f"{self.name.lower()}.xmodel").write_bytes(self.xir.encode([o.xir for o in outputs]))
        np.savez_compressed(HERE / f"{self.name.lower()}.inputs.npz", **{self.input.onnx: self.values})
        return [o.xir for o in outputs]


def layers():
    net = Net("Layers", (1, 3, 12, 10), 1)
    first = net.conv(net.quantized_input, 8, (3, 3), pad=1, relu="relu")
    second = net.conv(first, 8, (3, 3), pad=1, group=8, relu="leaky")
    total = net.pair(first, second, "Add", "add", min(first.fp, second.fp) - 1)
    pooled = net.avg_pool(net.max_pool(total, 2, 2), 3, 9 * 7 / 64)
    wide = net.conv(pooled, 4, (2, 2), stride=2, transposed=True)
    joined = net.concat([wide, net.resize(pooled, "BILINEAR")])
    gated = net.pair(joined, net.hard_sigmoid(joined), "Mul", "mul", joined.fp)
    cut = net.slice(net.pad(gated, "reflect"))
    last_conv = net.conv(net.conv(cut, 16, (1, 3), relu="relu"), 6, (3, 3), stride=3, group=2)
    means = net.mean(last_conv, 0, last_conv.fp + 1)
    scores = net.linear(means, 5)
    return net, [net.softmax(scores)]


def shuffle():
    net = Net("Shuffle", (1, 4, 3, 3), 2)
    swish = net.hard_swish(net.conv(net.quantized_input, 12, (1, 1)))
    shuffled = net.pixel_shuffle(swish, 2)
    both = net.pair(net.resize(swish, "NEAREST"), net.conv(shuffled, 12, (3, 3), pad=1), "Add", "add", 2)
    difference = net.pair(both, net.resize(net.hard_sigmoid(swish), "NEAREST"), "Sub", "sub", 2)
    padded = net.pad(difference, "constant")
    # A mean over 9 elements has the factor that a search finds, not that of a 3 × 3 pool.
    return net, [padded, net.mean(swish, 9 * 57 / 512, swish.fp + 1)]


def curve():
    """Enhancement of dark images: separable convolutions with skips, then the same curve again and again."""
    net = Net("Curve", (1, 3, 8, 8), 4)
    image = net.quantized_input
    small = net.resize(image, "BILINEAR", 0.5)

    def separable(x, out):
        return net.conv(net.conv(x, x.shape[1], (3, 3), pad=1, group=x.shape[1]), out, (1, 1), relu="relu")

    first = separable(small, 8)
    second = separable(first, 8)
    third = separable(second, 8)
    fourth = separable(net.concat([second, third]), 8)
    gate = net.resize(net.hard_sigmoid(separable(net.concat([first, fourth]), 3)), "BILINEAR")
    gate = net.pair(gate, net.scalar_parameter(gate, 2.0, 5), "Mul", "mul", 6)
    gate = net.pair(gate, net.scalar_parameter(gate, -1.0, 6), "Add", "add", 6)
    for _ in range(3):
        change = net.pair(net.square(image, 3), image, "Sub", "sub", 3)
        image = net.pair(image, net.pair(gate, change, "Mul", "mul", 3), "Add", "add", 3)
    shifted = net.pair(image, net.scalar_parameter(image, -1.0, 6), "Add", "add", 3)
    return net, [shifted]


def wide():
    net = Net("Wide", (1, 3, 6, 5), 3, act_bits=16, weight_bits=4)
    net.quantized_input.spread = 16000.0
    first = net.conv(net.quantized_input, 8, (3, 3), pad=1, relu="relu")
    second = net.conv(first, 8, (3, 3), pad=1, group=8)
    return net, [net.pair(first, second, "Add", "add", min(first.fp, second.fp) - 1, 8000.0)]


def faults(net, outputs):
    """One weight, and one fix position, off by one."""
    def changed(op, change, file):
        op_type, args, shape, attrs = before = net.xir.ops[op]
        net.xir.ops[op] = (op_type, args, shape, attrs | change(attrs))
        (HERE / file).write_bytes(net.xir.encode(outputs))
        net.xir.ops[op] = before

    def next_weight(attrs):
        values = np.frombuffer(attrs["data"], np.float32).copy()
        values[3] += 2.0**-7 * (-1 if values[3] > 0 else 1)
        return {"data": values.tobytes()}

    changed("Layers__module_1_weight", next_weight, "layers_wrong_weight.xmodel")
    add = next(name for name in net.xir.ops if "_add_" in name and name.endswith("_fix"))
    changed(add, lambda attrs: {"fix_point": attrs["fix_point"] + 1}, "layers_wrong_fix.xmodel")


if __name__ == "__main__":
    net, outputs = layers()
    faults(net, net.write(outputs))
    net, outputs = shuffle()
    net.write(outputs)
    net, outputs = curve()
    (HERE / "curve_compiled.xmodel").write_bytes(compiler.compiled(net.xir, net.write(outputs)))
    net, outputs = wide()
    net.write(outputs, native=False)
