"""Trains the float network of this folder on scikit-learn's digits and writes weights.npz.

Run once: `pip install numpy==2.4.* scikit-learn==1.9.*; python train.py`. Sums of floats depend on the machine, so the
weights are kept; generate.py makes everything else from them, byte for byte the same everywhere.
"""

import numpy as np
from sklearn.datasets import load_digits

from network import SHAPES, forward

EPOCHS, BATCH, RATE = 60, 64, 2e-3


def columns(x, k, pad):
    """[n, c, h, w] -> [n, h*w, c*k*k], stride 1."""
    n, c, h, w = x.shape
    p = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(p, (k, k), axis=(2, 3))
    return win.transpose(0, 2, 3, 1, 4, 5).reshape(n, h * w, c * k * k)


def conv(x, w, b):
    y = columns(x, w.shape[2], w.shape[2] // 2) @ w.reshape(w.shape[0], -1).T + b
    return y.transpose(0, 2, 1).reshape(x.shape[0], w.shape[0], *x.shape[2:])


def conv_back(dy, x, w):
    n, m, h, wd = dy.shape
    k = w.shape[2]
    dyc = dy.transpose(0, 2, 3, 1).reshape(n, h * wd, m)
    dw = np.einsum("npm,npk->mk", dyc, columns(x, k, k // 2), optimize=True).reshape(w.shape)
    dx = conv(dy, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], np.zeros(w.shape[1]))
    return dx, dw, dy.sum((0, 2, 3))


def loss_and_gradients(p, x, labels):
    a1 = conv(x, p["module_1.weight"], p["module_1.bias"])
    r1 = np.maximum(a1, 0)
    n, c, h, w = r1.shape
    blocks = r1.reshape(n, c, h // 2, 2, w // 2, 2)
    m1 = blocks.max((3, 5))
    a2 = conv(m1, p["module_4.weight"], p["module_4.bias"])
    r2 = np.maximum(a2, 0)
    a3 = conv(r2, p["module_6.weight"], p["module_6.bias"])
    short = conv(m1, p["module_7.weight"], p["module_7.bias"])
    r3 = np.maximum(a3 + short, 0)
    mean = r3.mean((2, 3))
    logits = mean @ p["module_12.weight"].T + p["module_12.bias"]
    e = np.exp(logits - logits.max(1, keepdims=True))
    prob = e / e.sum(1, keepdims=True)
    loss = -np.log(prob[np.arange(n), labels]).mean()
    g = {}
    d = prob.copy()
    d[np.arange(n), labels] -= 1
    d /= n
    g["module_12.weight"], g["module_12.bias"] = d.T @ mean, d.sum(0)
    d = (d @ p["module_12.weight"])[:, :, None, None] * np.ones_like(r3) / 16 * (r3 > 0)
    ds, g["module_7.weight"], g["module_7.bias"] = conv_back(d, m1, p["module_7.weight"])
    d, g["module_6.weight"], g["module_6.bias"] = conv_back(d, r2, p["module_6.weight"])
    d, g["module_4.weight"], g["module_4.bias"] = conv_back(d * (a2 > 0), m1, p["module_4.weight"])
    d = (d + ds)[:, :, :, None, :, None] * (blocks == m1[:, :, :, None, :, None])
    d = d.reshape(n, c, h, w) * (a1 > 0)
    _, g["module_1.weight"], g["module_1.bias"] = conv_back(d, x, p["module_1.weight"])
    return loss, g


def main():
    digits = load_digits()
    x = (digits.images[:, None] / 16).astype(np.float64)
    order = np.random.default_rng(1).permutation(len(x))
    train, test = order[:1500], order[1500:]
    rng = np.random.default_rng(2)
    p = {k: rng.normal(0, np.sqrt(2 / np.prod(s[1:])), s) if len(s) > 1 else np.zeros(s) for k, s in SHAPES.items()}
    m, v = ({k: np.zeros(s) for k, s in SHAPES.items()} for _ in range(2))
    t = 0
    for epoch in range(EPOCHS):
        rng.shuffle(train)
        for i in range(0, len(train), BATCH):
            batch = train[i : i + BATCH]
            loss, g = loss_and_gradients(p, x[batch], digits.target[batch])
            t += 1
            for k in p:
                m[k] += 0.1 * (g[k] - m[k])
                v[k] += 0.001 * (g[k] ** 2 - v[k])
                p[k] -= RATE * (m[k] / (1 - 0.9**t)) / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-8)
    right = forward(p, x[test])["logits"].argmax(1) == digits.target[test]
    print(f"loss {loss:.4f}, accuracy on {len(test)} unseen digits {right.mean():.4f}")
    np.savez_compressed("weights.npz", **{k: a.astype(np.float32) for k, a in p.items()})


if __name__ == "__main__":
    main()
