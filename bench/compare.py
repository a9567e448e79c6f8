#!/usr/bin/env python3
"""Times vairun, onnxruntime and OpenVINO on the same models and inputs, in turn, and prints ratios of medians.

    pip install onnxruntime openvino numpy
    cargo build --release
    bench/compare.py model.onnx … [--float float.onnx] [--vairun target/release/vairun]
    bench/compare.py --corpus FOLDER            # FOLDER/<base>-<variant>/{model.onnx,inputs.npz}

One thread each. A round gives every runtime its turn, so that a change of the machine's speed meets all of them; the
median over the rounds of the medians within a round counts. Ratios are vairun / other: below 1 vairun is faster. A
runtime that cannot load a model (a quantizer of its own domain, say) is left out of the row. Memory is the most that a
process held: all of vairun's, and what onnxruntime's took beyond Python and its imports. `--float` (or
`<base>-float` in the corpus) is what onnxruntime runs in the column `float`: the same network before quantization.
"""

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


class Vairun:
    name = "vairun"

    def __init__(self, command, model, inputs):
        self.command = [command, "bench", str(model), "--threads", "1", "--json", "-q"]
        self.command += ["-i", str(inputs)] if inputs else ["--random"]

    def turn(self, runs):
        command = [*self.command, "-n", str(runs), "--warmup", "2"]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.load_ms, self.peak = report["load_ms"], report["peak_rss_bytes"]
        return report["median_ms"]


class InProcess:
    def turn(self, runs):
        self.run(), self.run()
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e3


class OnnxRuntime(InProcess):
    name = "onnxruntime"

    def __init__(self, model, feed):
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        start = time.perf_counter()
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.load_ms = (time.perf_counter() - start) * 1e3
        feed = feed or {i.name: random(i.shape, i.type) for i in session.get_inputs()}
        self.run = lambda: session.run(None, feed)

    @staticmethod
    def peak(model, inputs):
        """Bytes that a process of its own takes beyond Python and its imports."""
        command = [sys.executable, __file__, "--peak", str(model), *(["-i", str(inputs)] if inputs else [])]
        result = subprocess.run(command, capture_output=True, text=True)
        return int(result.stdout) if result.returncode == 0 else None


class OpenVino(InProcess):
    name = "openvino"

    def __init__(self, model, feed):
        import openvino

        config = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        start = time.perf_counter()
        compiled = openvino.Core().compile_model(str(model), "CPU", config)
        self.load_ms = (time.perf_counter() - start) * 1e3
        request = compiled.create_infer_request()
        feed = feed or {i.any_name: random(i.shape, "float") for i in compiled.inputs}
        self.run = lambda: request.infer(feed)


def random(shape, kind):
    shape = [n if isinstance(n, int) else 1 for n in shape]
    dtype = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}.get(kind, np.float32)
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def made(build):
    """The runtime, or why it does not take the model."""
    try:
        runtime = build()
        runtime.turn(1)
        return runtime
    except Exception as error:  # every runtime has its own kinds
        print(f"  left out: {str(error).strip().splitlines()[-1][:140]}", file=sys.stderr)
        return None


def print_peak(model, inputs):
    import onnxruntime  # its own memory does not count

    # Not getrusage: what that tells begins with what the parent held.
    def held():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    feed = dict(np.load(inputs)) if inputs else None
    before = held()
    runtime = OnnxRuntime(model, feed)
    runtime.turn(3)
    print(held() - before)


def megabytes(number):
    return f"{number / 1e6:.0f}" if number else "–"


def measure(args, model, inputs, float_model):
    feed = dict(np.load(inputs)) if inputs else None
    columns = {
        "vairun": made(lambda: Vairun(args.vairun, model, inputs)),
        "onnxruntime": made(lambda: OnnxRuntime(model, feed)),
        "openvino": made(lambda: OpenVino(model, feed)),
        "float": float_model and made(lambda: OnnxRuntime(float_model, feed)),
    }
    columns = {name: runtime for name, runtime in columns.items() if runtime}
    times = {name: [] for name in columns}
    for _ in range(args.rounds):
        for name, runtime in columns.items():
            times[name].append(runtime.turn(args.runs))
    row = {name: statistics.median(values) for name, values in times.items()}
    row["load"] = {name: runtime.load_ms for name, runtime in columns.items()}
    row["peak"] = {
        "vairun": columns["vairun"].peak if "vairun" in columns else None,
        "onnxruntime": OnnxRuntime.peak(model, inputs) if "onnxruntime" in columns else None,
    }
    return row


def cell(row, name):
    if name not in row:
        return " –"
    return f"{row[name]:.2f} ({row['vairun'] / row[name]:.2f}×)"


def geometric_mean(rows, names):
    ratios = []
    for row in rows:
        others = [row[name] for name in names if name in row]
        if others and "vairun" in row:
            ratios.append(row["vairun"] / min(others))
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else math.nan


def versions():
    import onnxruntime
    import openvino

    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    return f"{time.strftime('%Y-%m-%d')}, {cpu}, onnxruntime {onnxruntime.__version__}, OpenVINO {openvino.__version__.split('-')[0]}"


def models(args):
    """(label, model, inputs, float model)"""
    for path in map(Path, args.models):
        yield path.stem, path, args.input, args.float
    if args.corpus:
        for folder in sorted(Path(args.corpus).iterdir()):
            model, base = folder / "model.onnx", folder.name.split("-")[0]
            if model.exists() and args.only in folder.name:
                float_model = folder.parent / f"{base}-float" / "model.onnx"
                yield folder.name, model, folder / "inputs.npz", float_model if float_model.exists() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("-i", "--input", help="an .npz for all models; random numbers if not given")
    parser.add_argument("--float", help="the network before quantization")
    parser.add_argument("--corpus", help="a folder of folders with model.onnx and inputs.npz")
    parser.add_argument("--only", default="", help="models of the corpus with this in their name")
    parser.add_argument("--vairun", default=str(Path(__file__).resolve().parents[1] / "target/release/vairun"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="in each round")
    parser.add_argument("--json", help="also write the medians here")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        return print_peak(args.peak, args.input)
    rows = {}
    print("| model | vairun ms | onnxruntime | OpenVINO | float in onnxruntime | load ms (onnxruntime) | MB (onnxruntime) |")
    print("|---|---|---|---|---|---|---|")
    for label, model, inputs, float_model in models(args):
        row = rows[label] = measure(args, model, inputs, float_model)
        load = " ".join(
            form.format(f"{row['load'][name]:.0f}" if name in row["load"] else "–")
            for name, form in (("vairun", "{}"), ("onnxruntime", "({})"))
        )
        mine = f"{row['vairun']:.2f}" if "vairun" in row else "refused"
        others = [cell(row, name) if "vairun" in row else "" for name in ("onnxruntime", "openvino", "float")]
        peak = f"{megabytes(row['peak']['vairun'])} ({megabytes(row['peak']['onnxruntime'])})"
        print(f"| {label} | {mine} | " + " | ".join(others) + f" | {load} | {peak} |", flush=True)
    print(f"\nGeometric means: {geometric_mean(rows.values(), ['onnxruntime', 'openvino']):.2f}× the better of the two, "
          f"{geometric_mean(rows.values(), ['float']):.2f}× the float model. {versions()}, 1 thread.")
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
