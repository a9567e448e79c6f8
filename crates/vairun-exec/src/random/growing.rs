//! Values, quantizers and weights of a random graph.

use vairun_graph::{Attribute, Attributes, Graph, Node, OpId, ValueId};
use vairun_tensor::{DType, Tensor};

use super::Random;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Family {
    Onnx(DType),
    Microsoft(DType),
    Quark(DType),
    /// valmin, valmax, method
    Vai(i32, i32, i8),
    FixNeuron(i8),
}

/// A graph that grows layer by layer.
pub(super) struct Growing {
    pub(super) random: Random,
    pub(super) graph: Graph,
    /// The shape of its input.
    pub(super) input: Vec<usize>,
    /// Dequantized tensors with their shapes and how large their numbers are.
    pub(super) ready: Vec<(ValueId, Vec<usize>, f32)>,
}

impl Growing {
    pub(super) fn new(seed: u64) -> Self {
        let mut growing = Self::empty(seed);
        let x = growing.graph.inputs[0];
        let shape = match growing.random.below(6) {
            0 => vec![1 + growing.random.below(3), 3 + growing.random.below(30)],
            1 => vec![1, 1 + growing.random.below(6), 5 + growing.random.below(9)],
            _ => vec![
                growing.random.pick(&[1, 1, 2]),
                growing.random.pick(&[1, 2, 3, 4, 8, 17]),
                3 + growing.random.below(6),
                3 + growing.random.below(6),
            ],
        };
        growing.input.clone_from(&shape);
        let (x, shape) = match growing.random.below(4) {
            0 => growing.moves(x, shape),
            _ => (x, shape),
        };
        growing.quantized(x, shape, 1.0);
        growing
    }

    /// With nothing but an input `x`.
    pub(super) fn empty(seed: u64) -> Self {
        let mut graph = Graph::default();
        let x = graph.add_value("x");
        graph.inputs.push(x);
        Self { random: Random(seed), graph, input: Vec::new(), ready: Vec::new() }
    }

    pub(super) fn constant(&mut self, tensor: Tensor) -> ValueId {
        let id = self.graph.add_value(format!("c{}", self.graph.values.len()));
        self.graph.initializers.insert(id, tensor);
        id
    }

    pub(super) fn node(
        &mut self,
        (domain, op): (&str, &str),
        inputs: &[ValueId],
        attributes: &[(&str, Attribute)],
    ) -> ValueId {
        let y = self.graph.add_value(format!("v{}", self.graph.values.len()));
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.graph.nodes.push(Node {
            name: format!("{op}{}", self.graph.nodes.len()),
            op: OpId::new(domain, op, if domain.is_empty() { 17 } else { 1 }),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(y)],
            attributes,
        });
        y
    }

    pub(super) fn family(&mut self) -> Family {
        let dtypes = [DType::U8, DType::I8, DType::U8, DType::I8, DType::I16, DType::U16];
        let dtype = self.random.pick(&dtypes);
        match self.random.below(8) {
            0..=2 => Family::Onnx(self.random.pick(&[DType::U8, DType::I8])),
            3 => Family::Microsoft(dtype),
            4 => Family::Quark(dtype),
            5 => Family::FixNeuron(2 + self.random.below(7) as i8),
            _ => {
                let (low, high) = self.random.pick(&[
                    (-128, 127),
                    (0, 255),
                    (-8, 7),
                    (-127, 127),
                    (-32768, 32767),
                ]);
                Family::Vai(low, high, 2 + self.random.below(7) as i8)
            }
        }
    }

    /// Quantizes and dequantizes `x`, whose numbers are about as large as `size`.
    pub(super) fn quantized(&mut self, x: ValueId, shape: Vec<usize>, size: f32) {
        let family = self.family();
        let (low, high) = match family {
            Family::Onnx(dtype) | Family::Microsoft(dtype) | Family::Quark(dtype) => range(dtype),
            Family::Vai(low, high, _) => (low, high),
            Family::FixNeuron(_) => (-128, 127),
        };
        let exact = 2.5 * size / (high - low) as f32;
        let scale = match (family, self.random.below(2)) {
            (Family::FixNeuron(_), _) | (_, 0) => exact.log2().ceil().exp2(),
            _ => exact,
        };
        let zero = match self.random.below(3) {
            _ if low == 0 => high / 2 + self.random.below(5) as i32 - 2,
            0 => self.random.below(7) as i32 - 3,
            _ => 0,
        };
        let y = self.pair(family, x, scale, zero);
        self.ready.push((y, shape, size));
    }

    pub(super) fn pair(&mut self, family: Family, x: ValueId, scale: f32, zero: i32) -> ValueId {
        let s = self.constant(Tensor::scalar(scale));
        match family {
            Family::Onnx(dtype) | Family::Microsoft(dtype) | Family::Quark(dtype) => {
                let (domain, q, dq) = match family {
                    Family::Onnx(_) => ("", "QuantizeLinear", "DequantizeLinear"),
                    Family::Microsoft(_) => ("com.microsoft", "QuantizeLinear", "DequantizeLinear"),
                    _ => ("com.amd.quark", "ExtendedQuantizeLinear", "ExtendedDequantizeLinear"),
                };
                let z = self.constant(integer(dtype, zero));
                let q = self.node((domain, q), &[x, s, z], &[]);
                self.node((domain, dq), &[q, s, z], &[])
            }
            Family::Vai(low, high, method) => {
                // Zero points are int8 in these files.
                let z = self.constant(Tensor::scalar(zero.clamp(-128, 127) as i8));
                let bounds = [low, high].map(|bound| self.constant(Tensor::scalar(bound)));
                let method = self.constant(Tensor::scalar(method));
                let axis = self.constant(Tensor::scalar(1i8));
                let inputs = [x, bounds[0], bounds[1], s, z, method, axis];
                let q = self.node(("vai", "QuantizeLinear"), &inputs, &[]);
                self.node(("vai", "DequantizeLinear"), &[q, s, z, axis], &[])
            }
            Family::FixNeuron(method) => {
                let numbers = [
                    Tensor::scalar(127i64),
                    Tensor::scalar(f64::from(1.0 / scale)),
                    Tensor::scalar(i64::from(method)),
                    Tensor::scalar(1i64),
                    Tensor::scalar(0i64),
                ];
                let mut inputs = vec![x];
                inputs.extend(numbers.map(|number| self.constant(number)));
                self.node(("vai", "fix_neuron"), &inputs, &[])
            }
        }
    }

    /// Dequantized weights of that shape; output channels along `axis`.
    pub(super) fn weights(&mut self, shape: &[usize], axis: usize) -> ValueId {
        let count = shape.iter().product();
        if self.random.below(3) == 0 {
            let data = self.random.reals(count);
            let w = self.constant(Tensor::new(shape, data).unwrap());
            return self.pair(Family::Vai(-128, 127, 3), w, 1.0 / 128.0, 0);
        }
        let dtype = self.random.pick(&[DType::I8, DType::I8, DType::U8]);
        let (low, high) = range(dtype);
        let codes = (0..count).map(|_| low + self.random.below((high - low + 1) as usize) as i32);
        let tensor = integers(dtype, shape, codes.collect());
        let per_channel = self.random.below(2) == 0;
        let n = if per_channel { shape[axis] } else { 1 };
        let scales: Vec<f32> = (0..n).map(|_| (1.5 + self.random.real()) / 256.0).collect();
        let zero = if dtype == DType::U8 { 120 + self.random.below(17) as i32 } else { 0 };
        let parameter = if per_channel { vec![n] } else { vec![] };
        let s = self.constant(Tensor::new(&parameter, scales).unwrap());
        let z = self.constant(integers(dtype, &parameter, vec![zero; n]));
        let w = self.constant(tensor);
        let axis = Attribute::Int(axis as i64);
        self.node(("", "DequantizeLinear"), &[w, s, z], &[("axis", axis)])
    }

    pub(super) fn bias(&mut self, n: usize) -> ValueId {
        let data = self.random.reals(n);
        let b = self.constant(Tensor::vector(data));
        match self.random.below(3) {
            0 => b,
            _ => self.pair(Family::Vai(-32768, 32767, 3), b, 1.0 / 8192.0, 0),
        }
    }
}

pub(super) fn range(dtype: DType) -> (i32, i32) {
    match dtype {
        DType::U8 => (0, 255),
        DType::I8 => (-128, 127),
        DType::U16 => (0, 65535),
        _ => (-32768, 32767),
    }
}

pub(super) fn integers(dtype: DType, shape: &[usize], codes: Vec<i32>) -> Tensor {
    let codes = codes.into_iter();
    match dtype {
        DType::U8 => Tensor::new(shape, codes.map(|c| c as u8).collect()),
        DType::I8 => Tensor::new(shape, codes.map(|c| c as i8).collect()),
        DType::U16 => Tensor::new(shape, codes.map(|c| c as u16).collect()),
        _ => Tensor::new(shape, codes.map(|c| c as i16).collect()),
    }
    .unwrap()
}

pub(super) fn integer(dtype: DType, code: i32) -> Tensor {
    integers(dtype, &[], vec![code])
}
