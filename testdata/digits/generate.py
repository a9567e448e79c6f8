"""Makes the models, inputs and golden outputs of this folder from weights.npz: the same bytes on every machine.

`pip install numpy==2.4.* scikit-learn==1.9.* onnx==1.23.*; python generate.py`

- digits_vai.onnx   as vai_q_pytorch 3.5 exports it with native_onnx=False: domain `vai`, parameters as Constant nodes,
                    power-of-two scales, weights and biases rounded half away from zero (3), activations half up (2)
- digits_qdq.onnx   the same network and scales with native QuantizeLinear/DequantizeLinear (int8, half to even)
- digits_float.onnx the float network
- inputs.npz, <model>.outputs.npz, digits_vai.layers.npz: computed below in float64, which is exact for the quantized
  models (every number is a small integer times a power of two), and rounded to float32.
"""

import io
import zipfile

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper
from sklearn.datasets import load_digits

from network import conv, forward, max_pool

SAMPLES = 16
INPUT, BATCH = "Digits::input_0", "Digits::input_0_dynamic_axes_1"


def half_up(v):
    return np.floor(v) + (v - np.floor(v) >= 0.5)


def half_away(v):
    return np.sign(v) * (np.floor(np.abs(v)) + (np.abs(v) - np.floor(np.abs(v)) >= 0.5))


ROUND = {2: half_up, 3: half_away, 8: np.rint}


def fix_position(values):
    """The position with the least squared error, as the calibration of a DPU target chooses it."""
    top = int(np.floor(np.log2(127 / np.abs(values).max())))
    error = lambda fp: np.sum((np.clip(np.rint(values * 2.0**fp), -128, 127) / 2.0**fp - values) ** 2)
    return min(range(top, top + 3), key=error)


class Writer:
    """Nodes in the order and with the names of the exporter, and the value of every tensor beside them."""

    def __init__(self, weights, positions, native):
        self.weights, self.positions, self.native = weights, positions, native
        self.nodes, self.values, self.codes, self.counts = [], {}, set(), {}

    def name(self, module, kind):
        n = self.counts[module, kind] = self.counts.get((module, kind), -1) + 1
        return f"/module_{module}/{kind}" + (f"_{n}" if n else "")

    def node(self, module, kind, inputs, result, domain="", output=None, **attributes):
        name = self.name(module, kind)
        output = output or f"{name}_output_0"
        self.nodes.append(h.make_node(kind, inputs, [output], name=name, domain=domain, **attributes))
        self.values[output] = result
        return output

    def constant(self, module, value, dtype):
        array = np.array(value, dtype)
        return self.node(module, "Constant", [], array, value=numpy_helper.from_array(array))

    def parameters(self, module, fp, method, quantize):
        if self.native:
            return [self.constant(module, 2.0**-fp, np.float32), self.constant(module, 0, np.int8)]
        bounds = [self.constant(module, v, np.int32) for v in (-128, 127)] if quantize else []
        scale = [self.constant(module, 2.0**-fp, np.float32), self.constant(module, 0, np.int8)]
        method = [self.constant(module, method, np.int8)] if quantize else []
        return bounds + scale + method + [self.constant(module, 1, np.int8)]

    def quantized(self, module, x, fp, method, output=None):
        """Appends the pair of QuantizeLinear and DequantizeLinear behind `x`."""
        domain = "" if self.native else "vai"
        rounded = ROUND[8 if self.native else method]
        codes = np.clip(self.values[x] * 2.0**fp, -128, 127)  # before rounding; the same for both with integer bounds
        codes = rounded(codes) + 0.0
        q = self.node(module, "QuantizeLinear", [x, *self.parameters(module, fp, method, True)], codes, domain)
        self.codes.add(q)
        inputs = [q, *self.parameters(module, fp, method, False)]
        return self.node(module, "DequantizeLinear", inputs, codes * 2.0**-fp, domain, output)

    def weighted(self, module):
        pair = []
        for kind in ("weight", "bias"):
            name = f"module_{module}.{kind}"
            self.values[name] = self.weights[name].astype(np.float64)
            pair.append(self.quantized(module, name, self.positions[name], 3))
        return pair

    def conv(self, module, x):
        w, b = self.weighted(module)
        k = self.values[w].shape[2]
        value = conv(self.values[x], self.values[w], self.values[b])
        pads = [k // 2] * 4
        attributes = dict(dilations=[1, 1], group=1, kernel_shape=[k, k], pads=pads, strides=[1, 1])
        return self.node(module, "Conv", [x, w, b], value, **attributes)

    def relu(self, module, x):
        return self.node(module, "Relu", [x], np.maximum(self.values[x], 0))

    def build(self, x):
        fp = self.positions
        self.values[INPUT] = x.astype(np.float64)
        t = self.quantized(0, INPUT, fp["input"], 2)
        t = self.quantized(2, self.relu(2, self.conv(1, t)), fp["relu1"], 2)
        value = max_pool(self.values[t])
        pool = dict(ceil_mode=0, kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2])
        pooled = self.quantized(3, self.node(3, "MaxPool", [t], value, **pool), fp["relu1"], 2)
        t = self.quantized(5, self.relu(5, self.conv(4, pooled)), fp["relu2"], 2)
        a = self.quantized(6, self.conv(6, t), fp["conv3"], 2)
        b = self.quantized(7, self.conv(7, pooled), fp["short"], 2)
        t = self.relu(9, self.node(8, "Add", [a, b], self.values[a] + self.values[b]))
        t = self.quantized(9, t, fp["relu3"], 2)
        t = self.node(10, "GlobalAveragePool", [t], self.values[t].mean((2, 3), keepdims=True))
        factor = self.constant(10, 1.0, np.float32)  # the DPU's factor for an area that is a power of two
        t = self.quantized(10, self.node(10, "Mul", [t, factor], self.values[t].copy()), fp["mean"], 2)
        t = self.node(11, "Flatten", [t], self.values[t].reshape(len(x), -1), axis=1)
        w, bias = self.weighted(12)
        value = self.values[t] @ self.values[w].T + self.values[bias]
        t = self.node(12, "Gemm", [t, w, bias], value, alpha=1.0, beta=1.0, transB=1)
        return self.quantized(12, t, fp["logits"], 2, output="143")


def float_nodes():
    pads, size = dict(pads=[1] * 4), dict(kernel_shape=[3, 3])
    parameters = lambda i: [f"module_{i}.weight", f"module_{i}.bias"]
    return [
        h.make_node("Conv", [INPUT, *parameters(1)], ["c1"], "conv1", **size, **pads),
        h.make_node("Relu", ["c1"], ["r1"], "relu1"),
        h.make_node("MaxPool", ["r1"], ["p1"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Conv", ["p1", *parameters(4)], ["c2"], "conv2", **size, **pads),
        h.make_node("Relu", ["c2"], ["r2"], "relu2"),
        h.make_node("Conv", ["r2", *parameters(6)], ["c3"], "conv3", **size, **pads),
        h.make_node("Conv", ["p1", *parameters(7)], ["s3"], "shortcut", kernel_shape=[1, 1]),
        h.make_node("Add", ["c3", "s3"], ["a3"], "add"),
        h.make_node("Relu", ["a3"], ["r3"], "relu3"),
        h.make_node("GlobalAveragePool", ["r3"], ["m3"], "mean"),
        h.make_node("Flatten", ["m3"], ["f3"], "flatten", axis=1),
        h.make_node("Gemm", ["f3", *parameters(12)], ["logits"], "classify", transB=1),
    ]


def save_model(path, nodes, output, weights, vai=False):
    info = lambda name, shape: h.make_tensor_value_info(name, T.FLOAT, shape)
    initializers = [numpy_helper.from_array(a, name) for name, a in weights.items()]
    outputs = [info(output, [f"{output}_dim_0", 10])]
    graph = h.make_graph(nodes, "torch_jit", [info(INPUT, [BATCH, 1, 8, 8])], outputs, initializers)
    imports = [h.make_opsetid("", 17)] + ([h.make_opsetid("vai", 1)] if vai else [])
    model = h.make_model(graph, opset_imports=imports, ir_version=8, producer_name="pytorch")
    model.producer_version = "1.13.1"
    with open(path, "wb") as f:
        f.write(model.SerializeToString(deterministic=True))


def save_npz(path, arrays):
    """numpy.savez with a fixed time, so that the bytes are the same."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.ascontiguousarray(array))
            z.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), data.getvalue(), zipfile.ZIP_DEFLATED)


def main():
    weights = dict(np.load("weights.npz"))
    images = (load_digits().images[:, None] / 16).astype(np.float32)
    x = images[-SAMPLES:]
    calibration = forward({k: a.astype(np.float64) for k, a in weights.items()}, images[:256])
    positions = {k: fix_position(v.astype(np.float64)) for k, v in {**weights, **calibration}.items()}

    save_npz("inputs.npz", {INPUT: x})
    np.save("labels.npy", load_digits().target[-SAMPLES:].astype(np.int64))
    save_model("digits_float.onnx", float_nodes(), "logits", weights)
    save_npz("digits_float.outputs.npz", {"logits": forward(weights, x)["logits"].astype(np.float32)})
    for kind, native in (("vai", False), ("qdq", True)):
        writer = Writer(weights, positions, native)
        output = writer.build(x)
        save_model(f"digits_{kind}.onnx", writer.nodes, output, weights, vai=not native)
        made = {o for node in writer.nodes if node.op_type != "Constant" for o in node.output}
        tensors = {}
        for name in made:
            tensors[name] = writer.values[name].astype(np.int8 if native and name in writer.codes else np.float32)
            assert (tensors[name] == writer.values[name]).all(), f"{name} is not exact in {tensors[name].dtype}"
        save_npz(f"digits_{kind}.outputs.npz", {output: tensors[output]})
        save_npz(f"digits_{kind}.layers.npz", {name: tensors[name] for name in sorted(tensors)})
        classes = writer.values[output].argmax(1)
        right = (classes == np.load("labels.npy")).sum()
        print(f"{kind}: {right} of {SAMPLES} right; {len(writer.nodes)} nodes")


if __name__ == "__main__":
    main()
