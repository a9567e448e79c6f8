//! Products of codes that are quantized as they come.

use vairun_graph::{Attribute, ValueId};
use vairun_tensor::{DType, Tensor};

use super::growing::{Growing, integers, range};

impl Growing {
    /// `DynamicQuantizeLinear`, an integer product, the cast of its sums, a factor, and perhaps a bias.
    pub(super) fn dynamic(
        &mut self,
        x: ValueId,
        shape: &[usize],
        size: f32,
    ) -> (ValueId, Vec<usize>, f32) {
        let [codes, x_scale, x_zero] = self.dynamic_codes(x);
        let conv = shape.len() > 2 && self.random.below(3) > 0;
        let (sums, shape, axis, w_scale) = match conv {
            true => self.conv_integer([codes, x_zero], shape),
            false => self.mat_mul_integer([codes, x_zero], shape),
        };
        let to = ("to", Attribute::Int(1));
        let numbers = self.node(("", "Cast"), &[sums], &[to]);
        let factor = self.node(("", "Mul"), &[x_scale, w_scale], &[]);
        let product = self.either("Mul", numbers, factor);
        let y = match self.random.below(4) {
            0 => product,
            // Of every dimension, which is no bias of channels.
            1 => self.either("Add", product, product),
            _ => {
                let parameter = aligned(shape[axis], shape.len() - axis - 1);
                let data = self.random.reals(shape[axis]);
                let bias = self.constant(Tensor::new(&parameter, data).unwrap());
                self.either("Add", product, bias)
            }
        };
        (y, shape, 2.0 * size)
    }

    fn either(&mut self, op: &str, a: ValueId, b: ValueId) -> ValueId {
        let inputs = if self.random.below(2) == 0 { [a, b] } else { [b, a] };
        self.node(("", op), &inputs, &[])
    }

    fn dynamic_codes(&mut self, x: ValueId) -> [ValueId; 3] {
        let codes = self.node(("", "DynamicQuantizeLinear"), &[x], &[]);
        let [scale, zero] = [0, 1].map(|_| {
            let id = self.graph.add_value(format!("v{}", self.graph.values.len()));
            self.graph.nodes.last_mut().unwrap().outputs.push(Some(id));
            id
        });
        [codes, scale, zero]
    }

    fn conv_integer(
        &mut self,
        [codes, x_zero]: [ValueId; 2],
        shape: &[usize],
    ) -> (ValueId, Vec<usize>, usize, ValueId) {
        let (channels, n) = (shape[1], shape.len() - 2);
        let kernel = if shape[2..].iter().any(|&d| d < 3) { 1 } else { self.random.pick(&[1, 3]) };
        let (groups, out) = match self.random.below(3) {
            0 => (channels, channels),
            _ => (1, self.random.pick(&[1, 5, 16, 20])),
        };
        let pad = self.random.below(kernel);
        let weights = [&[out, channels / groups], &[kernel, kernel][..n]].concat();
        let [w, w_zero, w_scale] = self.integer_weights(&weights, out, n);
        let attributes = [
            ("group", Attribute::Int(groups as i64)),
            ("pads", Attribute::Ints(vec![pad as i64; 2 * n])),
        ];
        let sums = self.node(("", "ConvInteger"), &[codes, w, x_zero, w_zero], &attributes);
        let result = shape[2..].iter().map(|&d| d + 2 * pad - kernel + 1);
        (sums, [shape[0], out].into_iter().chain(result).collect(), 1, w_scale)
    }

    fn mat_mul_integer(
        &mut self,
        [codes, x_zero]: [ValueId; 2],
        shape: &[usize],
    ) -> (ValueId, Vec<usize>, usize, ValueId) {
        let (last, n) = (shape.len() - 1, self.random.pick(&[1, 5, 16, 33]));
        let [w, w_zero, w_scale] = self.integer_weights(&[shape[last], n], n, 0);
        let sums = self.node(("", "MatMulInteger"), &[codes, w, x_zero, w_zero], &[]);
        let mut shape = shape.to_vec();
        shape[last] = n;
        (sums, shape, last, w_scale)
    }

    /// Codes, their zero point, and their scale for sums that have so many dimensions behind their channels.
    fn integer_weights(&mut self, shape: &[usize], n: usize, after: usize) -> [ValueId; 3] {
        let dtype = self.random.pick(&[DType::I8, DType::U8]);
        let (low, high) = range(dtype);
        let count = shape.iter().product();
        let codes = (0..count).map(|_| low + self.random.below((high - low + 1) as usize) as i32);
        let codes = integers(dtype, shape, codes.collect());
        let zero = if dtype == DType::U8 { 100 + self.random.below(57) as i32 } else { 0 };
        let lines = if self.random.below(2) == 0 { aligned(n, after) } else { vec![] };
        let scales = (0..lines.iter().product()).map(|_| (1.5 + self.random.real()) / 256.0);
        let scales = Tensor::new(&lines, scales.collect()).unwrap();
        [codes, integers(dtype, &[], vec![zero]), scales].map(|tensor| self.constant(tensor))
    }
}

/// The shape of a parameter for `n` channels with so many dimensions behind them.
fn aligned(n: usize, after: usize) -> Vec<usize> {
    [n].into_iter().chain(vec![1; after]).collect()
}
