"""The network of this folder: its parameters and its float form, in numpy."""

import numpy as np

SHAPES = {
    "module_1.weight": (8, 1, 3, 3), "module_1.bias": (8,),
    "module_4.weight": (16, 8, 3, 3), "module_4.bias": (16,),
    "module_6.weight": (16, 16, 3, 3), "module_6.bias": (16,),
    "module_7.weight": (16, 8, 1, 1), "module_7.bias": (16,),
    "module_12.weight": (10, 16), "module_12.bias": (10,),
}  # fmt: skip


def conv(x, w, b):
    """Stride 1, "same" padding, in float64: exact where all products and sums are dyadic and small."""
    k = w.shape[2]
    p = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    win = np.lib.stride_tricks.sliding_window_view(p, (k, k), axis=(2, 3))
    return np.einsum("nchwij,mcij->nmhw", win, w) + b[None, :, None, None]


def max_pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


def forward(p, x):
    """Every tensor of the float network by a short name, for calibration."""
    t = {"input": np.asarray(x, np.float64)}
    t["relu1"] = np.maximum(conv(t["input"], p["module_1.weight"], p["module_1.bias"]), 0)
    t["pool"] = max_pool(t["relu1"])
    t["relu2"] = np.maximum(conv(t["pool"], p["module_4.weight"], p["module_4.bias"]), 0)
    t["conv3"] = conv(t["relu2"], p["module_6.weight"], p["module_6.bias"])
    t["short"] = conv(t["pool"], p["module_7.weight"], p["module_7.bias"])
    t["relu3"] = np.maximum(t["conv3"] + t["short"], 0)
    t["mean"] = t["relu3"].mean((2, 3), keepdims=True)
    t["logits"] = t["mean"][:, :, 0, 0] @ p["module_12.weight"].T + p["module_12.bias"]
    return t
