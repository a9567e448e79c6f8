"""Vectors of the float operators of com.microsoft that quantizers leave behind.

    python -m venv venv && venv/bin/pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
    venv/bin/python testdata/ops/microsoft/generate.py

Oracle: onnxruntime with its optimizations disabled. Its kernels compute in float32 and approximate; the test says how close
results must come.
"""

import pathlib
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from vectors import Folder, model  # noqa: E402

ORACLE = "onnxruntime " + ort.__version__
TYPES = {"float32": T.FLOAT, "int32": T.INT32, "int64": T.INT64}
folder = Folder(HERE)
random = np.random.default_rng(3)
f = lambda *shape: random.standard_normal(shape).astype(np.float32)  # noqa: E731


def case(name, op, inputs, outputs=("y",), domain="com.microsoft", opset=21, **attributes):
    """`inputs`: arrays in order, None where one is left out."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    given = {name: x for name, x in zip(names, inputs) if name}
    node = helper.make_node(op, names, list(outputs), domain=domain, **attributes)
    ports = {key: (TYPES[str(x.dtype)], list(x.shape)) for key, x in given.items()}
    made = model([node], ports, {key: (T.INT32 if key == "mask" else T.FLOAT, None) for key in outputs if key}, opset=opset, domains=["com.microsoft"])
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(made.SerializeToString(), options)
    results = session.run([key for key in outputs if key], given)
    folder.case(name, made, given, dict(zip([key for key in outputs if key], results)), ORACLE)


case("gelu", "Gelu", [f(3, 50)])
case("fast_gelu", "FastGelu", [f(2, 20), f(20)])
case("bias_gelu", "BiasGelu", [f(2, 20), f(20)])
case("quick_gelu", "QuickGelu", [f(40)], alpha=1.5)
case("skip_layer_norm", "SkipLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8)], ("y", "", "", "sum"), epsilon=1e-5)
case("skip_layer_norm_broadcast", "SkipLayerNormalization", [f(2, 3, 8), f(1, 3, 8), f(8)])
case("skip_simplified_layer_norm", "SkipSimplifiedLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8)], epsilon=1e-5)
case("simplified_layer_norm", "SimplifiedLayerNormalization", [f(2, 3, 8), f(8)], domain="", axis=-1, epsilon=1e-5)
ids = lambda high, *shape: random.integers(0, high, shape).astype(np.int32)  # noqa: E731
case("embed_layer_norm", "EmbedLayerNormalization",
     [ids(9, 2, 4), ids(2, 2, 4), f(9, 8), f(6, 8), f(2, 8), f(8), f(8)], ("y", "mask", "sum"), epsilon=1e-5)
case("fused_matmul", "FusedMatMul", [f(2, 5, 3), f(2, 4, 5)], transA=1, transB=1, alpha=0.5)
case("fused_gemm", "FusedGemm", [f(3, 5), f(5, 4), f(4)], activation="LeakyRelu", activation_alpha=0.2)
case("fused_conv", "FusedConv", [f(1, 2, 5, 5), f(3, 2, 3, 3), f(3), f(1, 3, 3, 3)], activation="Relu")
case("fused_conv_clip", "FusedConv", [f(1, 2, 5, 5), f(3, 2, 3, 3)], activation="Clip", activation_params=[-0.5, 1.0])
angles = np.outer(np.arange(16), 0.5 ** np.arange(2)).astype(np.float32)
cos, sin = np.cos(angles), np.sin(angles)
case("rotary", "RotaryEmbedding", [f(1, 3, 8), np.array([2], np.int64), cos, sin])
case("rotary_interleaved", "RotaryEmbedding", [f(2, 2, 3, 4), random.integers(0, 16, (2, 3)), cos, sin], interleaved=1)
case("mha", "MultiHeadAttention", [f(2, 3, 8), f(2, 5, 8), f(2, 5, 8)], num_heads=2)
case("mha_bias", "MultiHeadAttention", [f(2, 3, 8), f(2, 5, 8), f(2, 5, 8), f(24)], num_heads=2, scale=0.3)
case("mha_mask", "MultiHeadAttention",
     [f(2, 3, 8), f(2, 5, 8), f(2, 5, 8), None, np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], np.int32), f(1, 2, 3, 5)], num_heads=2)
case("mha_past", "MultiHeadAttention",
     [f(1, 2, 8), f(1, 2, 8), f(1, 2, 8), None, None, None, f(1, 2, 3, 4), f(1, 2, 3, 4)], ("y", "k", "v"), num_heads=2)
lens = lambda *n: np.array(n, np.int32)  # noqa: E731
total = lambda n: np.array([n], np.int32)  # noqa: E731
angles = np.outer(np.arange(8), 0.5 ** np.arange(8)).astype(np.float32)
cos, sin = np.cos(angles), np.sin(angles)
q, kv, past = lambda b, s: f(b, s, 64), lambda b, s: f(b, s, 32), lambda b: f(b, 2, 5, 16)  # noqa: E731
heads = {"num_heads": 4, "kv_num_heads": 2}
case("gqa_prompt", "GroupQueryAttention", [q(1, 4), kv(1, 4), kv(1, 4), None, None, lens(3), total(4)], ("y", "k", "v"), **heads)
case("gqa_token", "GroupQueryAttention",
     [q(2, 1), kv(2, 1), kv(2, 1), past(2), past(2), lens(5, 5), total(6)], ("y", "k", "v"), **heads)
case("gqa_rotary", "GroupQueryAttention",
     [q(1, 1), kv(1, 1), kv(1, 1), past(1), past(1), lens(5), total(6), cos, sin], ("y", "k", "v"), do_rotary=1, **heads)
case("gqa_packed", "GroupQueryAttention", [f(1, 4, 128), None, None, None, None, lens(3), total(4), cos, sin],
     ("y", "k", "v"), do_rotary=1, rotary_interleaved=1, **heads)
case("gqa_window", "GroupQueryAttention", [q(1, 6), kv(1, 6), kv(1, 6), None, None, lens(5), total(6)],
     ("y", "k", "v"), local_window_size=2, softcap=5.0, **heads)
folder.finish()
