"""A writer of .xmodel files: `serial_v2.Graph` as plain protobuf, without any library."""

import numpy as np


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    """A length-delimited field."""
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(n, value):
    return varint(n << 3) + varint(value)


def attribute(value):
    """An AttrValue; the type follows from the Python type."""
    if isinstance(value, bool):
        return number(4, value)
    if isinstance(value, int):
        return number(5, value)
    if isinstance(value, float):
        return varint(9 << 3 | 5) + np.float32(value).tobytes()
    if isinstance(value, str):
        return field(11, value)
    if isinstance(value, bytes):
        return field(12, field(1, value))
    if isinstance(value, dict):
        return field(27, b"".join(field(1, field(1, k) + field(2, field(1, v))) for k, v in value.items()))
    if all(isinstance(v, str) for v in value):
        return field(20, b"".join(field(1, v) for v in value))
    if all(isinstance(v, int) for v in value):
        return field(14, field(1, b"".join(varint(v) for v in value)))
    return field(18, field(1, np.array(value, np.float32).tobytes()))


def attributes(number, values):
    return b"".join(field(number, field(1, k) + field(2, attribute(v))) for k, v in sorted(values.items()))


FLOAT, XINT = 4, 2


def tensor(name, shape, kind=FLOAT, bits=32, attrs={}):
    body = field(1, name) + field(2, b"".join(map(varint, shape)))
    return field(5, body + number(5, kind) + number(6, bits) + attributes(10, attrs))


class Graph:
    """Ops by name; `encode` writes those that the outputs need, in the depth-first order of the vendor's exporter."""

    def __init__(self, name):
        self.name, self.ops = name, {}

    def op(self, op_type, name, args, shape, /, **attrs):
        self.ops[name] = (op_type, args, [int(d) for d in shape], attrs)
        return name

    def order(self, outputs):
        order = []

        def visit(name):
            if name not in order:
                for reads in reversed(list(self.ops[name][1].values())):
                    for read in reversed(reads):
                        visit(read)
                order.append(name)

        for output in outputs:
            visit(output)
        return order

    def encode(self, outputs):
        order = self.order(outputs)
        body = field(1, self.name)
        for name in order:
            op_type, args, shape, attrs = self.ops[name]
            body += field(5, node(op_type, name, args, attrs) + tensor(name, shape))
        body += field(10, field(1, "root") + b"".join(field(3, name) for name in order))
        return body + attributes(11, {"return_ops": list(outputs)})


def node(op_type, name, args, attrs):
    reads = b"".join(field(4, field(1, a) + b"".join(field(2, r) for r in rs)) for a, rs in args.items())
    return field(1, name) + field(2, op_type) + attributes(3, attrs) + reads
