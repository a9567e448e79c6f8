//! Operators that make codes of codes.

use vairun_graph::{Attribute, ValueId};
use vairun_tensor::{DType, Tensor};

use super::growing::{Growing, integer, integers, range};

/// Codes, and what they mean.
#[derive(Clone, Debug)]
struct Coded {
    id: ValueId,
    shape: Vec<usize>,
    dtype: DType,
    scale: f32,
    zero: i32,
    /// How large the numbers are.
    size: f32,
}

impl Growing {
    /// Quantizes `x`, lets a few operators on codes follow, and dequantizes what they make.
    pub(super) fn on_codes(&mut self, x: ValueId, shape: Vec<usize>, size: f32) {
        let dtype = self.random.pick(&[DType::U8, DType::I8]);
        let grid = self.grid(dtype, shape, size);
        let inputs = self.parameters(&[x], &grid);
        let mut last = Coded { id: self.node(("", "QuantizeLinear"), &inputs, &[]), ..grid };
        for _ in 0..1 + self.random.below(3) {
            last = self.layer(&last);
        }
        let inputs = self.parameters(&[last.id], &last);
        let y = self.node(("", "DequantizeLinear"), &inputs, &[]);
        self.ready.push((y, last.shape, last.size));
    }

    /// A grid for numbers about as large as `size`; the codes are to be made.
    fn grid(&mut self, dtype: DType, shape: Vec<usize>, size: f32) -> Coded {
        let exact = 2.5 * size / 255.0;
        let scale = if self.random.below(3) == 0 { exact.log2().ceil().exp2() } else { exact };
        let middle = if dtype == DType::U8 { 128 } else { 0 };
        let zero = middle + self.random.below(7) as i32 - 3;
        Coded { id: ValueId(0), shape, dtype, scale, zero, size }
    }

    /// `inputs` and the scale and the zero point of a grid behind them.
    fn parameters(&mut self, inputs: &[ValueId], of: &Coded) -> Vec<ValueId> {
        let scale = self.constant(Tensor::scalar(of.scale));
        let zero = self.constant(integer(of.dtype, of.zero));
        [inputs, &[scale, zero]].concat()
    }

    fn layer(&mut self, x: &Coded) -> Coded {
        let spatial = x.shape.len() > 2;
        match self.random.below(13) {
            0..=2 if spatial => self.qlinear_conv(x),
            0..=3 => self.qlinear_matrix(x),
            4 | 5 => self.qlinear_binary(x),
            6 => self.unary(x, "QLinearSigmoid", 1.0),
            7 => self.unary(x, "QLinearLeakyRelu", x.size),
            8 => self.qlinear_concat(x),
            9 if spatial => self.global_mean(x),
            10 if x.shape.len() == 4 => self.window(x),
            11 => self.squared(x),
            12 if x.shape.len() == 4 => {
                let (id, shape, _) = self.resized(x.id, &x.shape, x.size);
                Coded { id, shape, ..x.clone() }
            }
            _ => self.unary(x, "QLinearLeakyRelu", x.size),
        }
    }

    fn made(
        &mut self,
        op: (&str, &str),
        inputs: &[ValueId],
        attributes: &[(&str, Attribute)],
        y: Coded,
    ) -> Coded {
        Coded { id: self.node(op, inputs, attributes), ..y }
    }

    /// Codes of weights with their scale and zero point, for each index of `n` channels or for all.
    fn coded_weights(&mut self, shape: &[usize], n: usize) -> [ValueId; 3] {
        let dtype = self.random.pick(&[DType::I8, DType::I8, DType::U8]);
        let (low, high) = range(dtype);
        let count = shape.iter().product();
        let codes = (0..count).map(|_| low + self.random.below((high - low + 1) as usize) as i32);
        let codes = integers(dtype, shape, codes.collect());
        let lines = if self.random.below(2) == 0 { vec![n] } else { vec![] };
        let count = lines.iter().product();
        let scales = (0..count).map(|_| (1.5 + self.random.real()) / 256.0).collect();
        let zeros = match dtype {
            DType::U8 => (0..count).map(|_| 120 + self.random.below(17) as i32).collect(),
            _ => vec![0; count],
        };
        let tensors = [codes, Tensor::new(&lines, scales).unwrap(), integers(dtype, &lines, zeros)];
        tensors.map(|tensor| self.constant(tensor))
    }

    fn integer_bias(&mut self, n: usize) -> ValueId {
        let bias = (0..n).map(|_| self.random.below(4001) as i32 - 2000).collect();
        self.constant(Tensor::vector(bias))
    }

    fn qlinear_conv(&mut self, x: &Coded) -> Coded {
        let (channels, n) = (x.shape[1], x.shape.len() - 2);
        let kernel =
            if x.shape[2..].iter().any(|&d| d < 3) { 1 } else { self.random.pick(&[1, 3]) };
        let (groups, out) = match self.random.below(3) {
            0 => (channels, channels),
            _ => (1, self.random.pick(&[1, 5, 16, 20])),
        };
        let (stride, pad) = (self.random.pick(&[1, 1, 2]), self.random.below(kernel));
        let weights = [&[out, channels / groups], &[kernel, kernel][..n]].concat();
        let [w, w_scale, w_zero] = self.coded_weights(&weights, out);
        let length = |d: usize| (d + 2 * pad - kernel) / stride + 1;
        let shape = [x.shape[0], out].into_iter().chain(x.shape[2..].iter().map(|&d| length(d)));
        let terms = (channels / groups * kernel.pow(n as u32)) as f32;
        let dtype = self.random.pick(&[DType::U8, DType::I8]);
        let y = self.grid(dtype, shape.collect(), 0.5 * x.size * terms.sqrt());
        let mut inputs = self.parameters(&[x.id], x);
        inputs.extend([w, w_scale, w_zero]);
        let mut inputs = self.parameters(&inputs, &y);
        if self.random.below(3) > 0 {
            inputs.push(self.integer_bias(out));
        }
        let ints = |value: usize, count: usize| Attribute::Ints(vec![value as i64; count]);
        let attributes = [
            ("group", Attribute::Int(groups as i64)),
            ("strides", ints(stride, n)),
            ("pads", ints(pad, 2 * n)),
        ];
        let domain = self.random.pick(&["", "com.microsoft"]);
        self.made((domain, "QLinearConv"), &inputs, &attributes, y)
    }

    fn qlinear_matrix(&mut self, x: &Coded) -> Coded {
        let (k, n) = (*x.shape.last().unwrap(), self.random.pick(&[1, 5, 16, 33]));
        let mut shape = x.shape.clone();
        *shape.last_mut().unwrap() = n;
        let dtype = self.random.pick(&[DType::U8, DType::I8]);
        let y = self.grid(dtype, shape, 0.5 * x.size * (k as f32).sqrt());
        let gemm = x.shape.len() == 2 && self.random.below(2) == 0;
        let transposed = usize::from(gemm) * self.random.below(2);
        let weights = if transposed == 1 { [n, k] } else { [k, n] };
        let [w, w_scale, w_zero] = self.coded_weights(&weights, n);
        let mut inputs = self.parameters(&[x.id], x);
        inputs.extend([w, w_scale, w_zero]);
        if !gemm {
            let inputs = self.parameters(&inputs, &y);
            return self.made(("", "QLinearMatMul"), &inputs, &[], y);
        }
        inputs.push(self.integer_bias(n));
        let inputs = self.parameters(&inputs, &y);
        let attributes = [
            ("transB", Attribute::Int(transposed as i64)),
            ("alpha", Attribute::Float(self.random.pick(&[1.0, 0.7]))),
        ];
        self.made(("com.microsoft", "QGemm"), &inputs, &attributes, y)
    }

    /// A sum or product with itself, or with its channel means.
    fn qlinear_binary(&mut self, x: &Coded) -> Coded {
        let b = if x.shape.len() > 2 && self.random.below(2) == 0 {
            self.global_mean(x)
        } else {
            self.unary(x, "QLinearSigmoid", 1.0)
        };
        let op = self.random.pick(&["QLinearAdd", "QLinearMul"]);
        let y = self.grid(x.dtype, x.shape.clone(), x.size.max(b.size));
        let (a, b) = if self.random.below(2) == 0 { (x, &b) } else { (&b, x) };
        let inputs = self.parameters(&[a.id], a);
        let inputs = self.parameters(&[&inputs[..], &[b.id]].concat(), b);
        let inputs = self.parameters(&inputs, &y);
        self.made(("com.microsoft", op), &inputs, &[], y)
    }

    fn unary(&mut self, x: &Coded, op: &str, size: f32) -> Coded {
        let y = self.grid(x.dtype, x.shape.clone(), size);
        let inputs = self.parameters(&[x.id], x);
        let inputs = self.parameters(&inputs, &y);
        self.made(("com.microsoft", op), &inputs, &[], y)
    }

    fn qlinear_concat(&mut self, x: &Coded) -> Coded {
        let other = self.unary(x, "QLinearLeakyRelu", x.size);
        let axis = self.random.below(x.shape.len());
        let mut shape = x.shape.clone();
        shape[axis] *= 2;
        let y = self.grid(x.dtype, shape, x.size);
        let inputs = self.parameters(&[], &y);
        let inputs = self.parameters(&[&inputs[..], &[x.id]].concat(), x);
        let inputs = self.parameters(&[&inputs[..], &[other.id]].concat(), &other);
        let axis = Attribute::Int(axis as i64);
        self.made(("com.microsoft", "QLinearConcat"), &inputs, &[("axis", axis)], y)
    }

    fn global_mean(&mut self, x: &Coded) -> Coded {
        let ones = x.shape[2..].iter().map(|_| 1);
        let shape = x.shape[..2].iter().copied().chain(ones).collect();
        let y = self.grid(x.dtype, shape, x.size);
        let inputs = self.parameters(&[x.id], x);
        let inputs = self.parameters(&inputs, &y);
        self.made(("com.microsoft", "QLinearGlobalAveragePool"), &inputs, &[], y)
    }

    /// The largest codes of windows, or their means.
    fn window(&mut self, x: &Coded) -> Coded {
        let (kernel, stride, pad) = self.random.pick(&[(2, 2, 0), (3, 1, 1), (3, 2, 1)]);
        if x.shape[2..].iter().any(|&d| d + 2 * pad < kernel) {
            return x.clone();
        }
        let mut attributes = vec![
            ("kernel_shape", Attribute::Ints(vec![kernel as i64; 2])),
            ("strides", Attribute::Ints(vec![stride as i64; 2])),
            ("pads", Attribute::Ints(vec![pad as i64; 4])),
        ];
        let length = |d: usize| (d + 2 * pad - kernel) / stride + 1;
        let shape = vec![x.shape[0], x.shape[1], length(x.shape[2]), length(x.shape[3])];
        if self.random.below(2) == 0 {
            let y = Coded { shape, ..x.clone() };
            return self.made(("", "MaxPool"), &[x.id], &attributes, y);
        }
        attributes.push(("count_include_pad", Attribute::Int(self.random.below(2) as i64)));
        let y = self.grid(x.dtype, shape, x.size);
        let inputs = self.parameters(&[x.id], x);
        let inputs = self.parameters(&inputs, &y);
        self.made(("com.microsoft", "QLinearAveragePool"), &inputs, &attributes, y)
    }

    /// The product with its own transpose.
    fn squared(&mut self, x: &Coded) -> Coded {
        let rank = x.shape.len();
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank - 1, rank - 2);
        let perm = Attribute::Ints(perm.iter().map(|&d| d as i64).collect());
        let turned = self.node(("", "Transpose"), &[x.id], &[("perm", perm)]);
        let mut shape = x.shape.clone();
        let k = shape[rank - 1];
        shape[rank - 1] = shape[rank - 2];
        let dtype = self.random.pick(&[DType::U8, DType::I8]);
        let y = self.grid(dtype, shape, x.size * x.size * (k as f32).sqrt());
        let inputs = self.parameters(&[x.id], x);
        let inputs = self.parameters(&[&inputs[..], &[turned]].concat(), x);
        let inputs = self.parameters(&inputs, &y);
        self.made(("", "QLinearMatMul"), &inputs, &[], y)
    }
}
