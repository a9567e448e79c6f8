"""Compiles a quantized graph for DPUCZDX8G as far as its ops on integers go: no instructions, all names and parameters.

A function, a sum and the `fix` behind them become one op, which has the name of the first and the tensor of the last.
What the DPU cannot do (`sub`) stays between `fix2float` and `float2fix`.
"""

import numpy as np

import xir

SUMS = {"conv2d": "conv2d-fix", "depthwise-conv2d": "depthwise-conv2d-fix", "transposed-conv2d": "transposed-conv2d-fix"}
PAIRS = {"add": "ADD", "mul": "MUL"}


class Compiler:
    def __init__(self, graph, outputs):
        self.ops, self.outputs, self.graph_name = graph.ops, outputs, graph.name
        self.body, self.blob, self.homes = b"", b"", {}
        self.names = {"USER": [], "DPU": [], "CPU": []}
        for name in graph.order(outputs):
            op_type, args, _, _ = self.ops[name]
            if op_type == "fix":
                self.fused(name)

    def emit(self, op_type, name, args, attrs, home, suffix="", device="DPU"):
        """An op that makes the tensor `home`; who reads that tensor reads this op."""
        shape, fix = self.ops[home][2], self.ops[home][3]
        own = dict(fix)
        if op_type == "const-fix":
            own |= {"reg_id": 0, "ddr_addr": len(self.blob)}
            codes = np.frombuffer(self.ops[name][3]["data"], np.float32) * 2.0 ** fix["fix_point"]
            self.blob += codes.astype(np.int8).tobytes()
            self.blob += bytes(-len(self.blob) % 4096)
        self.body += xir.field(5, xir.node(op_type, name, args, attrs) + xir.tensor(home + suffix, shape, xir.XINT, 8, own))
        self.names[device].append(name)
        self.homes[home] = name

    def fused(self, home):
        """The ops that end with the `fix` op `home`."""
        chain = [self.ops[home][1]["input"][0]]
        while True:
            op_type, args, _, attrs = self.ops[chain[0]]
            first = args.get("input", [None])[0]
            if first is None or self.ops[first][0] == "fix":
                break
            chain.insert(0, first)
        op_type, args, shape, attrs = self.ops[chain[0]]
        kinds = [self.ops[name][0] for name in chain]
        reads = {key: [self.homes.get(name) for name in names] for key, names in args.items()}
        name = chain[0]
        if op_type == "data":
            self.emit("data-fix", name, {}, dict(shape=shape, data_type="XINT8"), home, device="USER")
            self.emit("upload", f"{name}_upload_0", {"input": [name]}, {}, home, "_upload_0")
        elif op_type == "const":
            self.emit("const-fix", name, {}, dict(shape=shape, data_type="XINT8", data=b""), home)
        elif op_type in SUMS:
            function = {"relu": "RELU", "leaky-relu": "LEAKYRELU"}.get(kinds[-1], "NONE")
            extra = dict(nonlinear=function, hsigmoid_in=-128, shift_hsigmoid=-128, shift_hswish=-128)
            self.emit(SUMS[op_type], name, reads, attrs | extra, home)
        elif op_type in PAIRS:
            self.emit("eltwise-fix", name, reads, dict(type=PAIRS[op_type], nonlinear="NONE"), home)
        elif op_type == "concat":
            self.emit("concat-fix", name, reads, attrs, home)
        elif op_type == "resize":
            grows = shape[1] >= self.ops[args["input"][0]][2][1]
            self.emit("upsample-fix" if grows else "downsample-fix", name, reads, attrs, home)
        elif op_type == "maxpool2d":
            self.emit("pool-fix", name, reads, attrs | {"type": "MAX"}, home)
        elif op_type == "hard-sigmoid":
            before, after = self.ops[args["input"][0]][3]["fix_point"], self.ops[home][3]["fix_point"]
            self.emit("hard-sigmoid-fix", name, reads, dict(hsigmoid_in=before, shift_hsigmoid=14 + before - after), home)
        else:
            self.outside(home, name, args["input"])

    def outside(self, home, name, reads):
        """An op on numbers, on the CPU."""
        floats = []
        for i, read in enumerate(reads):
            floats.append(f"{self.homes[read]}_{name}_{i}")
            self.number(floats[-1], self.homes[read], read)
        op_type, _, shape, attrs = self.ops[name]
        self.body += xir.field(5, xir.node(op_type, name, {"input": floats}, attrs) + xir.tensor(name, shape))
        self.names["CPU"].append(name)
        fix = self.ops[home][3]
        self.emit("float2fix", home, {"input": [name]}, fix, home, device="CPU")

    def number(self, name, source, home):
        """`fix2float` of a tensor."""
        _, _, shape, fix = self.ops[home]
        self.body += xir.field(5, xir.node("fix2float", name, {"input": [source]}, fix) + xir.tensor(name, shape))
        self.names["CPU"].append(name)

    def encode(self):
        for home in self.outputs:
            self.number(f"{home}_", self.homes[home], home)
        leaf = lambda name, device, ops, attrs: xir.field(10, xir.field(1, name) + b"".join(
            xir.field(3, op) for op in ops) + xir.attributes(5, {"device": device} | attrs))
        dpu = {"dpu_name": "DPUCZDX8G_ISA1_B4096", "mc_code": b"\0" * 16,
               "reg_id_to_parameter_value": {"REG_0": self.blob}}
        root = xir.field(1, "root") + b"".join(
            leaf(f"subgraph_{i}", device, ops, dpu if device == "DPU" else {}) for i, (device, ops) in enumerate(self.names.items()))
        body = xir.field(1, self.graph_name) + self.body + xir.field(10, root)
        return body + xir.attributes(11, {"return_ops": [f"{home}_" for home in self.outputs]})


def compiled(graph, outputs):
    return Compiler(graph, outputs).encode()
