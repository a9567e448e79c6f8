//! Numbers between a dequantizer and a quantizer: functions that differ along a dimension, then movement.

use vairun_graph::{Attribute, ValueId};
use vairun_tensor::{DType, Tensor};

use super::growing::{Family, Growing, integer};
use super::{plan, run};
use crate::Options;

impl Growing {
    /// Functions of numbers, or a layer of them, movement, and a quantizer.
    pub(super) fn island(&mut self, x: ValueId, shape: Vec<usize>, size: f32) {
        let mut y = match self.random.below(4) {
            0 => self.functions(x, &shape),
            _ => x,
        };
        let axis = self.random.below(shape.len());
        for _ in 0..self.random.below(3) {
            let axis = if self.random.below(8) == 0 { shape.len() - 1 } else { axis };
            y = self.along(y, &shape, axis);
        }
        let (y, shape) = self.moves(y, shape);
        if self.random.below(8) == 0 {
            // Somebody else reads the numbers in between.
            let other = self.node(("", "HardSigmoid"), &[y], &[]);
            self.quantized(other, shape.clone(), 1.0);
        }
        self.quantized(y, shape, size);
    }

    /// A function of each number that differs along `axis`.
    fn along(&mut self, x: ValueId, shape: &[usize], axis: usize) -> ValueId {
        let n = shape[axis];
        let mut numbers = self.random.reals(n);
        if self.random.below(12) == 0 {
            let wild = [0.0, f32::INFINITY, f32::NAN, 2e38];
            numbers[self.random.below(n)] = self.random.pick(&wild);
        }
        let before = self.random.below(axis + 1);
        let after = shape.len() - 1 - axis;
        let parameter = [vec![1; before], vec![n], vec![1; after]].concat();
        let c = Tensor::new(&parameter, numbers).unwrap();
        let c = match self.random.below(6) {
            0 => {
                let c = self.constant(c);
                self.pair(Family::Vai(-128, 127, 3), c, 1.0 / 64.0, 0)
            }
            _ => self.constant(c),
        };
        match self.random.below(6) {
            0 | 1 => self.node(("", "PRelu"), &[x, c], &[]),
            2 => self.node(("", "Mul"), &[c, x], &[]),
            3 => self.node(("", "Add"), &[x, c], &[]),
            4 => self.node(("", "Sub"), &[c, x], &[]),
            _ => self.node(("", "Div"), &[x, c], &[]),
        }
    }

    /// A few moves and pools, one after the other.
    pub(super) fn moves(&mut self, mut x: ValueId, mut shape: Vec<usize>) -> (ValueId, Vec<usize>) {
        for _ in 0..1 + self.random.below(3) {
            (x, shape) = match self.random.below(6) {
                0..=2 if shape.len() > 2 => self.largest(x, shape),
                3 => self.exchanged(x, &shape),
                4 => {
                    let flat = vec![shape[0], shape[1..].iter().product()];
                    (self.node(("", "Flatten"), &[x], &[]), flat)
                }
                _ => {
                    let mut longer = shape.clone();
                    longer.insert(self.random.below(shape.len() + 1), 1);
                    if longer.len() > 4 {
                        longer = vec![shape[0] * shape[1], shape[2..].iter().product()];
                    }
                    let to = longer.iter().map(|&d| d as i64).collect();
                    let to = self.constant(Tensor::vector::<i64>(to));
                    (self.node(("", "Reshape"), &[x, to], &[]), longer)
                }
            };
        }
        (x, shape)
    }

    fn exchanged(&mut self, x: ValueId, shape: &[usize]) -> (ValueId, Vec<usize>) {
        let mut perm: Vec<usize> = (0..shape.len()).collect();
        perm.rotate_left(self.random.below(shape.len()));
        let result = perm.iter().map(|&d| shape[d]).collect();
        let perm = Attribute::Ints(perm.iter().map(|&d| d as i64).collect());
        (self.node(("", "Transpose"), &[x], &[("perm", perm)]), result)
    }

    /// The largest numbers of windows, among them windows that lie in the padding alone, and ones with gaps.
    fn largest(&mut self, x: ValueId, shape: Vec<usize>) -> (ValueId, Vec<usize>) {
        let n = shape.len() - 2;
        let (kernel, stride, [begin, end], dilation) = self.random.pick(&[
            (2, 2, [0, 0], 1),
            (3, 1, [1, 1], 1),
            (3, 2, [0, 1], 1),
            (1, 2, [0, 0], 1),
            (2, 1, [0, 2], 1),
            (2, 1, [1, 1], 2),
        ]);
        let extent = (kernel - 1) * dilation + 1;
        if shape[2..].iter().any(|&d| d + begin + end < extent) {
            return (x, shape);
        }
        let ints = |value: usize, count| vec![value as i64; count];
        let ceil = self.random.below(5) == 0;
        let attributes = [
            ("kernel_shape", Attribute::Ints(ints(kernel, n))),
            ("strides", Attribute::Ints(ints(stride, n))),
            ("dilations", Attribute::Ints(ints(dilation, n))),
            ("pads", Attribute::Ints([ints(begin, n), ints(end, n)].concat())),
            ("ceil_mode", Attribute::Int(i64::from(ceil))),
        ];
        let length = |&d: &usize| {
            let room = d + begin + end - extent;
            let more = ceil && room % stride > 0 && (room / stride + 1) * stride < d + begin;
            room / stride + 1 + usize::from(more)
        };
        let result = shape[..2].iter().copied().chain(shape[2..].iter().map(length)).collect();
        (self.node(("", "MaxPool"), &[x], &attributes), result)
    }
}

/// What the steps of a fused run are, after a plain run that has the same results.
pub(super) fn forms(growing: &Growing, x: &Tensor) -> Vec<&'static str> {
    let plain = plan(&growing.graph, Options::default());
    let fused = plan(&growing.graph, Options { fused: true, ..Options::default() });
    let (want, got) = (run(&plain, x).unwrap(), run(&fused, x).unwrap());
    assert!(got[0].as_tensor().unwrap().bits_eq(want[0].as_tensor().unwrap()));
    let mut forms = Vec::new();
    assert!(
        fused.profile(vec![Some(x.clone().into())], &mut |step| forms.push(step.form)).unwrap()
    );
    forms
}

/// `x → Q → DQ`, then what `then` makes of it, then `Q → DQ`.
fn between(then: impl Fn(&mut Growing, ValueId) -> ValueId) -> Growing {
    let mut growing = Growing::empty(0);
    let x = growing.graph.inputs[0];
    let x = growing.pair(Family::Onnx(DType::U8), x, 0.02, 100);
    let y = then(&mut growing, x);
    let y = growing.pair(Family::Onnx(DType::I8), y, 0.03, -5);
    growing.graph.outputs = vec![y];
    growing
}

pub(super) fn image() -> Tensor {
    let numbers = (0..2 * 3 * 6 * 6).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0);
    Tensor::new(&[2, 3, 6, 6], numbers.collect()).unwrap()
}

fn slopes(growing: &mut Growing, x: ValueId) -> ValueId {
    let slopes = Tensor::new(&[3, 1, 1], vec![0.25f32, -0.5, 2.0]).unwrap();
    let slopes = growing.constant(slopes);
    growing.node(("", "PRelu"), &[x, slopes], &[])
}

fn pooled(growing: &mut Growing, x: ValueId, pads: [i64; 4]) -> ValueId {
    let ints = |ints: &[i64]| Attribute::Ints(ints.to_vec());
    let attributes = [("kernel_shape", ints(&[2, 2])), ("pads", ints(&pads))];
    growing.node(("", "MaxPool"), &[x], &attributes)
}

#[test]
fn slopes_and_pools_in_front_of_a_quantizer_run_on_codes() {
    let growing = between(|growing, x| {
        let y = slopes(growing, x);
        pooled(growing, y, [0, 0, 1, 1])
    });
    assert_eq!(forms(&growing, &image()), ["quantize", "tables", "max pool", "numbers"]);
}

#[test]
fn several_moves_in_front_of_a_quantizer_run_on_codes() {
    let growing = between(|growing, x| {
        let y = slopes(growing, x);
        let perm = ("perm", Attribute::Ints(vec![0, 2, 3, 1]));
        let y = growing.node(("", "Transpose"), &[y], &[perm]);
        growing.node(("", "Flatten"), &[y], &[])
    });
    assert_eq!(forms(&growing, &image()), ["quantize", "tables", "move", "numbers"]);
}

/// Channels of two groups, shuffled, by three moves with a quantizer behind each; `scale` is that of the second.
fn shuffled(scale: f32, seen: bool) -> Growing {
    let mut growing = Growing::empty(0);
    let x = growing.graph.inputs[0];
    let mut y = growing.pair(Family::Onnx(DType::U8), x, 0.02, 100);
    let mut outputs = vec![];
    let perm = Attribute::Ints(vec![0, 2, 1, 3, 4]);
    for (i, shape) in [Some(vec![2, 2, 3, 3, 6]), None, Some(vec![2, 6, 3, 6])].iter().enumerate() {
        y = match shape {
            Some(shape) => {
                let shape = growing.constant(Tensor::vector::<i64>(shape.clone()));
                growing.node(("", "Reshape"), &[y, shape], &[])
            }
            None => growing.node(("", "Transpose"), &[y], &[("perm", perm.clone())]),
        };
        y = growing.pair(Family::Onnx(DType::U8), y, if i == 1 { scale } else { 0.02 }, 100);
        outputs.push(y);
    }
    growing.graph.outputs = if seen { vec![y, outputs[1]] } else { vec![y] };
    growing
}

#[test]
fn moves_with_quantizers_that_keep_all_codes_between_them_are_one() {
    let forms = |growing| forms(&growing, &image());
    assert_eq!(forms(shuffled(0.02, false)), ["quantize", "move", "same", "numbers"]);
}

#[test]
fn moves_stay_apart_where_codes_change_or_somebody_looks() {
    let moves = |growing| {
        let forms = forms(&growing, &image());
        forms.iter().filter(|form| **form == "move").count()
    };
    assert_eq!(moves(shuffled(0.03, false)), 2, "another scale behind the second");
    assert_eq!(moves(shuffled(0.02, true)), 2, "the second is an output");
}

#[test]
fn constants_along_the_last_dimension_are_tables_too() {
    let growing = between(|growing, x| {
        let c = growing.constant(Tensor::vector((0..6).map(|i| i as f32 - 2.5).collect()));
        let y = growing.node(("", "Mul"), &[x, c], &[]);
        let y = growing.node(("", "Relu"), &[y], &[]);
        growing.node(("", "Add"), &[c, y], &[])
    });
    assert_eq!(forms(&growing, &image()), ["quantize", "tables", "numbers"]);
}

#[test]
fn a_normalization_by_given_statistics_is_tables() {
    let normalized = |training: Option<i64>| {
        between(|growing, x| {
            let constant = |growing: &mut Growing, numbers: [f32; 3]| {
                growing.constant(Tensor::vector(numbers.to_vec()))
            };
            let scale = constant(growing, [1.0, -0.5, 2.0]);
            let others =
                [[0.1, 0.0, -1.0], [0.3, -0.2, 0.0], [1.0, 0.5, 4.0]].map(|n| constant(growing, n));
            let inputs = [&[x, scale][..], &others].concat();
            let attributes = training.map(|on| ("training_mode", Attribute::Int(on)));
            let attributes: Vec<_> = attributes.into_iter().collect();
            let y = growing.node(("", "BatchNormalization"), &inputs, &attributes);
            growing.node(("", "Relu"), &[y], &[])
        })
    };
    assert_eq!(forms(&normalized(None), &image()), ["quantize", "tables", "numbers"]);
    assert_eq!(forms(&normalized(Some(0)), &image()), ["quantize", "tables", "numbers"]);
    let training = forms(&normalized(Some(1)), &image());
    assert!(!training.contains(&"tables"), "those of the batch differ from run to run");
}

#[test]
fn means_of_images_by_a_reduction_are_taken_of_codes() {
    let of = |axes: &[i64], keepdims: i64, opset: i64| {
        let growing = between(|growing, x| {
            let keepdims = ("keepdims", Attribute::Int(keepdims));
            if opset < 18 {
                let axes = ("axes", Attribute::Ints(axes.to_vec()));
                return growing.node(("", "ReduceMean"), &[x], &[axes, keepdims]);
            }
            let axes = growing.constant(Tensor::vector(axes.to_vec()));
            let y = growing.node(("", "ReduceMean"), &[x, axes], &[keepdims]);
            growing.graph.nodes.last_mut().unwrap().op.opset = opset;
            y
        });
        forms(&growing, &image())
    };
    for (keepdims, opset) in [(0, 17), (1, 17), (0, 18), (1, 18)] {
        assert_eq!(of(&[2, 3], keepdims, opset), ["quantize", "mean", "numbers"]);
        assert_eq!(of(&[-1, -2], keepdims, opset), ["quantize", "mean", "numbers"]);
        assert!(of(&[1, 2, 3], keepdims, opset).contains(&"plain"), "over channels too");
    }
}

#[test]
fn images_are_interpolated_on_codes() {
    let of = |mode: &str, scales: [f32; 4]| {
        let growing = between(|growing, x| {
            let mode = ("mode", Attribute::String(mode.as_bytes().to_vec()));
            let scales = growing.constant(Tensor::vector(scales.to_vec()));
            let none = growing.constant(Tensor::vector(Vec::<f32>::new()));
            growing.node(("", "Resize"), &[x, none, scales], &[mode])
        });
        let numbers = (0..8 * 6 * 6).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0);
        forms(&growing, &Tensor::new(&[1, 8, 6, 6], numbers.collect()).unwrap())
    };
    assert_eq!(of("linear", [1., 1., 2., 2.]), ["quantize", "resize", "numbers"]);
    assert_eq!(of("linear", [1., 1., 0.5, 1.]), ["quantize", "resize", "numbers"]);
    assert!(of("linear", [1., 2., 1., 1.]).contains(&"plain"), "over channels");
    assert!(of("cubic", [1., 1., 2., 2.]).contains(&"plain"), "by more neighbours");
}

#[test]
fn images_of_codes_are_interpolated_as_integers() {
    for dtype in [DType::U8, DType::I8] {
        let mut growing = Growing::empty(0);
        let x = growing.graph.inputs[0];
        let (scale, zero) =
            (growing.constant(Tensor::scalar(0.02f32)), growing.constant(integer(dtype, 100)));
        let codes = growing.node(("", "QuantizeLinear"), &[x, scale, zero], &[]);
        let scales = growing.constant(Tensor::vector(vec![1f32, 1.0, 2.0, 0.7]));
        let none = growing.constant(Tensor::vector(Vec::<f32>::new()));
        let mode = ("mode", Attribute::String(b"linear".to_vec()));
        let codes = growing.node(("", "Resize"), &[codes, none, scales], &[mode]);
        let y = growing.node(("", "DequantizeLinear"), &[codes, scale, zero], &[]);
        growing.graph.outputs = vec![y];
        let numbers = (0..8 * 6 * 6).map(|i| ((i * 37 % 101) as f32 - 50.0) / 12.0);
        let x = Tensor::new(&[1, 8, 6, 6], numbers.collect()).unwrap();
        assert_eq!(forms(&growing, &x), ["quantize", "resize", "numbers"], "{dtype}");
    }
}

#[test]
fn functions_along_a_dimension_are_given_as_numbers() {
    let mut growing = Growing::empty(0);
    let x = growing.graph.inputs[0];
    let x = growing.pair(Family::Onnx(DType::U8), x, 0.02, 100);
    let y = slopes(&mut growing, x);
    let other = growing.pair(Family::Onnx(DType::U8), y, 0.02, 100);
    growing.graph.outputs = vec![y, other];
    assert_eq!(forms(&growing, &image()), ["quantize", "tables", "numbers", "numbers"]);
}

#[test]
fn what_does_not_commute_stays_where_it_is() {
    // A window may lie in the padding alone.
    let growing = between(|growing, x| {
        let y = slopes(growing, x);
        pooled(growing, y, [0, 0, 2, 2])
    });
    assert_eq!(forms(&growing, &image()), ["quantize", "numbers", "node", "quantize", "numbers"]);
    // Zeros come from outside.
    let growing = between(|growing, x| {
        let y = slopes(growing, x);
        let pads = growing.constant(Tensor::vector(vec![0i64, 0, 0, 0, 0, 0, 1, 1]));
        growing.node(("", "Pad"), &[y, pads], &[])
    });
    assert_eq!(forms(&growing, &image()), ["quantize", "numbers", "node", "quantize", "numbers"]);
    // Two lines.
    let growing = between(|growing, x| {
        let y = slopes(growing, x);
        let c = growing.constant(Tensor::vector(vec![1f32; 6]));
        growing.node(("", "Add"), &[y, c], &[])
    });
    assert_eq!(forms(&growing, &image()), ["quantize", "numbers", "node", "quantize", "numbers"]);
}

#[test]
fn a_number_without_a_code_is_the_largest_of_its_window_on_both_plans() {
    let mut growing = Growing::empty(0);
    let x = growing.graph.inputs[0];
    let w = growing.constant(Tensor::new(&[3, 3, 1, 1], vec![1f32; 9]).unwrap());
    let w = growing.pair(Family::Onnx(DType::I8), w, 0.01, 0);
    let x = growing.pair(Family::Onnx(DType::U8), x, 0.02, 100);
    let conv = growing.node(("", "Conv"), &[x, w], &[]);
    let c = growing.constant(Tensor::scalar(0f32));
    // 0 / 0 where a sum is 0.
    let y = growing.node(("", "Div"), &[conv, c], &[]);
    let y = pooled(&mut growing, y, [0; 4]);
    let y = growing.pair(Family::Onnx(DType::U8), y, 0.02, 3);
    growing.graph.outputs = vec![y];
    let zeros = Tensor::new(&[1, 3, 4, 4], vec![0f32; 48]).unwrap();
    let plain = run(&plan(&growing.graph, Options::default()), &zeros).unwrap();
    let fused = plan(&growing.graph, Options { fused: true, ..Options::default() });
    let got = run(&fused, &zeros).unwrap();
    assert!(got[0].as_tensor().unwrap().bits_eq(plain[0].as_tensor().unwrap()));
    let fits = fused.profile(vec![Some(zeros.into())], &mut |_| {}).unwrap();
    assert!(!fits, "the run starts again on the plain plan");
    assert_eq!(forms(&growing, &image())[..3], ["quantize", "product", "max pool"]);
}
