//! Layers between quantizers and dequantizers.

use vairun_graph::{Attribute, ValueId};
use vairun_tensor::Tensor;

use super::growing::Growing;

impl Growing {
    /// Functions of each number, as they stand between a layer and its quantizer.
    pub(super) fn functions(&mut self, mut x: ValueId, shape: &[usize]) -> ValueId {
        for _ in 0..self.random.pick(&[0, 1, 1, 2, 3]) {
            let channel = if shape.len() > 2 {
                vec![shape[1], 1, 1][..shape.len() - 1].to_vec()
            } else {
                vec![]
            };
            x = match self.random.below(10) {
                0 | 1 => self.node(("", "Relu"), &[x], &[]),
                2 => {
                    let bounds = [-0.3f32, 0.9].map(|bound| self.constant(Tensor::scalar(bound)));
                    self.node(("", "Clip"), &[x, bounds[0], bounds[1]], &[])
                }
                3 => self.node(("", "LeakyRelu"), &[x], &[("alpha", Attribute::Float(0.1))]),
                4 => self.node(("", "HardSigmoid"), &[x], &[]),
                5 => self.node(("", "Sigmoid"), &[x], &[]),
                6 if shape.len() > 2 => {
                    let mut slopes = self.random.reals(shape[1]);
                    if self.random.below(10) == 0 {
                        slopes[0] = self.random.pick(&[f32::NAN, f32::INFINITY, 3e38]);
                    }
                    let slopes = self.constant(Tensor::new(&channel, slopes).unwrap());
                    self.node(("", "PRelu"), &[x, slopes], &[])
                }
                7 => {
                    let factor = self.random.real();
                    let factor = self.constant(Tensor::scalar(factor));
                    self.node(("", "Mul"), &[factor, x], &[])
                }
                8 => self.node(("", "HardSwish"), &[x], &[]),
                _ => {
                    let values = self.random.reals(channel.iter().product());
                    let c = self.constant(Tensor::new(&channel, values).unwrap());
                    self.node(("", "Add"), &[x, c], &[])
                }
            };
        }
        x
    }

    pub(super) fn grow(&mut self) {
        let at = self.ready.len() - 1 - self.random.below(self.ready.len().min(3));
        let (x, shape, size) = self.ready[at].clone();
        let spatial = shape.len() > 2;
        let (y, shape, size) = match self.random.below(29) {
            0..=3 if spatial => self.conv(x, &shape, size),
            4 if spatial => self.conv_transpose(x, &shape, size),
            0..=4 => self.matrix(x, &shape, size),
            5 | 6 => match self.another(&shape, at) {
                Some((b, other)) => {
                    let op = self.random.pick(&["Add", "Sub", "Mul"]);
                    let inputs = if self.random.below(2) == 0 { [x, b] } else { [b, x] };
                    (self.node(("", op), &inputs, &[]), shape, size.max(other))
                }
                None => (x, shape, size),
            },
            7 if spatial => self.squeezed(x, &shape, size),
            8 if shape.len() == 4 => return self.pool(x, &shape, size),
            9 => return self.moved(x, &shape, size),
            10 => match self.another(&shape, at) {
                Some((b, other)) => {
                    let y = self.node(("", "Concat"), &[x, b], &[("axis", Attribute::Int(1))]);
                    let mut joined = shape.clone();
                    joined[1] *= 2;
                    (y, joined, size.max(other))
                }
                None => (x, shape, size),
            },
            22 | 23 if shape.len() == 4 => self.resized(x, &shape, size),
            25..=28 => return self.island(x, shape, size),
            12..=16 => return self.on_codes(x, shape, size),
            19..=21 => self.dynamic(x, &shape, size),
            17 | 18 => self.with_its_transpose(x, &shape, size),
            11 => {
                // A chain that reads one code twice.
                let f = self.node(("", "HardSigmoid"), &[x], &[]);
                (self.node(("", "Mul"), &[x, f], &[]), shape, size)
            }
            _ => (x, shape, size),
        };
        let y = self.functions(y, &shape);
        self.quantized(y, shape, size);
    }

    /// Interpolated along both axes of an image.
    pub(super) fn resized(
        &mut self,
        x: ValueId,
        shape: &[usize],
        size: f32,
    ) -> (ValueId, Vec<usize>, f32) {
        let scales = [self.random.pick(&[0.5f32, 1.0, 2.0]), self.random.pick(&[0.7f32, 1.5, 2.0])];
        let places = self.random.pick(&["half_pixel", "asymmetric", "align_corners"]);
        let attributes = [
            ("mode", Attribute::String(b"linear".to_vec())),
            ("coordinate_transformation_mode", Attribute::String(places.as_bytes().to_vec())),
        ];
        let length = |i: usize| (scales[i] * shape[2 + i] as f32) as usize;
        let result = vec![shape[0], shape[1], length(0), length(1)];
        if result.contains(&0) {
            return (x, shape.to_vec(), size);
        }
        let scales = self.constant(Tensor::vector(vec![1.0, 1.0, scales[0], scales[1]]));
        let none = self.constant(Tensor::vector(Vec::<f32>::new()));
        (self.node(("", "Resize"), &[x, none, scales], &attributes), result, size)
    }

    fn another(&mut self, shape: &[usize], not: usize) -> Option<(ValueId, f32)> {
        let found = self
            .ready
            .iter()
            .enumerate()
            .rev()
            .find(|(i, (_, other, _))| *i != not && other == shape);
        found.map(|(_, &(id, _, size))| (id, size))
    }

    fn conv(&mut self, x: ValueId, shape: &[usize], size: f32) -> (ValueId, Vec<usize>, f32) {
        let channels = shape[1];
        let kernel =
            if shape[2..].iter().any(|&d| d < 3) { 1 } else { self.random.pick(&[1, 1, 2, 3]) };
        let (groups, out) = match self.random.below(4) {
            0 => (channels, channels),
            1 if channels.is_multiple_of(2) => (2, 2 * (1 + self.random.below(3))),
            _ => (1, self.random.pick(&[1, 3, 5, 16, 20])),
        };
        let n = shape.len() - 2;
        let (stride, pad) = (self.random.pick(&[1, 1, 2]), self.random.below(kernel));
        let dilation =
            if shape[2..].iter().all(|&d| d > 4) { self.random.pick(&[1, 1, 2]) } else { 1 };
        let spatial = [kernel, kernel];
        let weights = [&[out, channels / groups], &spatial[..n]].concat();
        let mut inputs = vec![x, self.weights(&weights, 0)];
        if self.random.below(3) > 0 {
            inputs.push(self.bias(out));
        }
        let ints = |value: usize, count: usize| Attribute::Ints(vec![value as i64; count]);
        let attributes = [
            ("group", Attribute::Int(groups as i64)),
            ("strides", ints(stride, n)),
            ("dilations", ints(dilation, n)),
            ("pads", ints(pad, 2 * n)),
        ];
        let length = |d: usize| (d + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
        let result = shape[2..].iter().map(|&d| length(d));
        let result = [shape[0], out].into_iter().chain(result).collect();
        let terms = (channels / groups * kernel.pow(n as u32)) as f32;
        (self.node(("", "Conv"), &inputs, &attributes), result, 0.5 * size * terms.sqrt())
    }

    fn conv_transpose(
        &mut self,
        x: ValueId,
        shape: &[usize],
        size: f32,
    ) -> (ValueId, Vec<usize>, f32) {
        let (n, out) = (shape.len() - 2, self.random.pick(&[1, 4, 9]));
        let (kernel, stride) = self.random.pick(&[(2, 2), (3, 1), (1, 1), (3, 2)]);
        let spatial = [kernel, kernel];
        let weights = [&[shape[1], out], &spatial[..n]].concat();
        let inputs = [x, self.weights(&weights, 1), self.bias(out)];
        let strides = Attribute::Ints(vec![stride as i64; n]);
        let result = shape[2..].iter().map(|&d| (d - 1) * stride + kernel);
        let result = [shape[0], out].into_iter().chain(result).collect();
        let y = self.node(("", "ConvTranspose"), &inputs, &[("strides", strides)]);
        (y, result, 0.5 * size * (shape[1] as f32).sqrt())
    }

    fn matrix(&mut self, x: ValueId, shape: &[usize], size: f32) -> (ValueId, Vec<usize>, f32) {
        let (k, n) = (shape[shape.len() - 1], self.random.pick(&[1, 5, 16, 33]));
        let mut result = shape.to_vec();
        *result.last_mut().unwrap() = n;
        let size = 0.5 * size * (k as f32).sqrt();
        if shape.len() != 2 || self.random.below(2) == 0 {
            let w = self.weights(&[k, n], 1);
            return (self.node(("", "MatMul"), &[x, w], &[]), result, size);
        }
        let transposed = self.random.below(2);
        let w = if transposed == 1 { self.weights(&[n, k], 0) } else { self.weights(&[k, n], 1) };
        let inputs = [x, w, self.bias(n)];
        let attributes = [("transB", Attribute::Int(transposed as i64))];
        (self.node(("", "Gemm"), &inputs, &attributes), result, size)
    }

    /// The matrix product with its own transpose.
    fn with_its_transpose(
        &mut self,
        x: ValueId,
        shape: &[usize],
        size: f32,
    ) -> (ValueId, Vec<usize>, f32) {
        let rank = shape.len();
        let mut perm: Vec<i64> = (0..rank as i64).collect();
        perm.swap(rank - 1, rank - 2);
        let turned = self.node(("", "Transpose"), &[x], &[("perm", Attribute::Ints(perm))]);
        let mut result = shape.to_vec();
        result[rank - 1] = shape[rank - 2];
        let size = size * size * (shape[rank - 1] as f32).sqrt();
        (self.node(("", "MatMul"), &[x, turned], &[]), result, size)
    }

    /// Scales the channels by a function of their means.
    fn squeezed(&mut self, x: ValueId, shape: &[usize], size: f32) -> (ValueId, Vec<usize>, f32) {
        let mean = match self.random.pick(&[true, false]) {
            true => self.node(("", "GlobalAveragePool"), &[x], &[]),
            false => {
                let axes = Attribute::Ints((2..shape.len() as i64).collect());
                self.node(("", "ReduceMean"), &[x], &[("axes", axes)])
            }
        };
        let small = shape.iter().enumerate().map(|(i, &d)| if i < 2 { d } else { 1 }).collect();
        self.quantized(mean, small, size);
        let (gate, ..) = *self.ready.last().unwrap();
        (self.node(("", "Mul"), &[x, gate], &[]), shape.to_vec(), size * size)
    }

    fn pool(&mut self, x: ValueId, shape: &[usize], size: f32) {
        let op = self.random.pick(&["MaxPool", "AveragePool"]);
        let (kernel, stride, pad) = self.random.pick(&[(2, 2, 0), (3, 1, 1), (3, 2, 1), (2, 1, 0)]);
        let attributes = [
            ("kernel_shape", Attribute::Ints(vec![kernel as i64; 2])),
            ("strides", Attribute::Ints(vec![stride as i64; 2])),
            ("pads", Attribute::Ints(vec![pad as i64; 4])),
        ];
        if shape[2..].iter().any(|&d| d + 2 * pad < kernel) {
            return;
        }
        let length = |d: usize| (d + 2 * pad - kernel) / stride + 1;
        let result = vec![shape[0], shape[1], length(shape[2]), length(shape[3])];
        let y = self.node(("", op), &[x], &attributes);
        // A largest element keeps its grid; a mean needs a new one.
        if op == "MaxPool" && self.random.below(2) == 0 {
            self.ready.push((y, result, size));
        } else {
            self.quantized(y, result, size);
        }
    }

    fn moved(&mut self, x: ValueId, shape: &[usize], size: f32) {
        let rank = shape.len();
        let (y, result) = match self.random.below(5) {
            3 => self.padded(x, shape, 0.0),
            4 => {
                let value = self.random.pick(&[0.0, 1.0, 2.0, -0.5]);
                self.padded(x, shape, value)
            }
            0 => {
                let perm: Vec<usize> = [1].into_iter().chain(2..rank).chain([0]).collect();
                let result = perm.iter().map(|&d| shape[d]).collect();
                let perm = Attribute::Ints(perm.iter().map(|&d| d as i64).collect());
                (self.node(("", "Transpose"), &[x], &[("perm", perm)]), result)
            }
            1 => {
                let result = vec![shape[0], shape[1..].iter().product()];
                (self.node(("", "Flatten"), &[x], &[]), result)
            }
            _ => {
                let axis = rank - 1;
                let numbers = [1i64, shape[axis] as i64, axis as i64];
                if shape[axis] < 2 {
                    return;
                }
                let inputs = numbers.map(|number| self.constant(Tensor::vector(vec![number])));
                let mut result = shape.to_vec();
                result[axis] -= 1;
                (self.node(("", "Slice"), &[x, inputs[0], inputs[1], inputs[2]], &[]), result)
            }
        };
        self.ready.push((y, result, size));
    }

    /// One more at the beginning of the last dimension, one less or more at its end.
    fn padded(&mut self, x: ValueId, shape: &[usize], value: f32) -> (ValueId, Vec<usize>) {
        let (rank, end) = (shape.len(), self.random.pick(&[-1i64, 0, 2]));
        let mut pads = vec![0i64; 2 * rank];
        (pads[rank - 1], pads[2 * rank - 1]) = (1, end);
        let mut result = shape.to_vec();
        result[rank - 1] = (shape[rank - 1] as i64 + 1 + end) as usize;
        let inputs = [self.constant(Tensor::vector(pads)), self.constant(Tensor::scalar(value))];
        (self.node(("", "Pad"), &[x, inputs[0], inputs[1]], &[]), result)
    }
}
