//! Nodes through tract, one at a time.

use crate::TractOps;
use vairun_graph::{Attribute, Attributes, OpId};
use vairun_ops::{
    BuildError, InputSpec, Inputs, NoBodies, NodeSpec, OpError, Operator, Outputs, Provider,
};
use vairun_tensor::{DType, Tensor};

/// A node to be run: its operator, and for each input whether it is the same in every run.
struct Case {
    op: OpId,
    attributes: Attributes,
    fixed: Vec<Option<bool>>,
    outputs: usize,
}

fn node(op_type: &str, opset: i64) -> Case {
    Case {
        op: OpId::new("", op_type, opset),
        attributes: Attributes::new(),
        fixed: vec![Some(false)],
        outputs: 1,
    }
}

impl Case {
    fn with(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.into(), value);
        self
    }

    fn inputs(self, fixed: &[Option<bool>]) -> Self {
        Self { fixed: fixed.to_vec(), ..self }
    }

    fn build(&self) -> Option<Result<Box<dyn Operator>, BuildError>> {
        let input = |fixed: &Option<bool>| {
            fixed.map(|fixed| InputSpec { name: "x", dtype: None, constant: None, fixed })
        };
        TractOps.build(&NodeSpec {
            name: "node",
            op: &self.op,
            attributes: &self.attributes,
            inputs: self.fixed.iter().map(input).collect(),
            outputs: vec![Some("y"); self.outputs],
            permissive: false,
            isa: vairun_numeric::kernel::Isa::best(),
        })
    }

    fn operator(&self) -> Box<dyn Operator> {
        self.build().unwrap().unwrap()
    }

    fn refusal(&self) -> String {
        self.build().unwrap().err().unwrap().to_string()
    }
}

fn run(operator: &dyn Operator, inputs: Vec<Option<Tensor>>) -> Result<Outputs, OpError> {
    operator
        .run(Inputs::new(inputs.into_iter().map(|x| x.map(Into::into)).collect()), &mut NoBodies)
}

fn floats(outputs: &Outputs) -> (Vec<usize>, Vec<f32>) {
    let tensor = outputs[0].as_tensor().unwrap();
    (tensor.shape().to_vec(), tensor.as_slice::<f32>().unwrap().to_vec())
}

fn tensor(shape: &[usize], data: &[f32]) -> Option<Tensor> {
    Some(Tensor::new(shape, data.to_vec()).unwrap())
}

#[test]
fn a_convolution_meets_several_shapes() {
    let conv = node("Conv", 13).inputs(&[Some(false), Some(true)]).operator();
    let w = tensor(&[1, 1, 2, 2], &[1., 1., 1., 1.]);
    for side in [2, 3, 2] {
        let x = tensor(&[1, 1, side, side], &vec![1.; side * side]);
        let (shape, data) = floats(&run(&*conv, vec![x, w.clone()]).unwrap());
        assert_eq!(shape, [1, 1, side - 1, side - 1]);
        assert!(data.iter().all(|&y| y == 4.), "{data:?}");
    }
}

#[test]
fn auto_pad_wins_over_pads() {
    let conv = node("Conv", 13)
        .inputs(&[Some(false), Some(true)])
        .with("auto_pad", Attribute::String(b"SAME_UPPER".to_vec()))
        .with("pads", Attribute::Ints(vec![0; 4]))
        .operator();
    let (x, w) = (tensor(&[1, 1, 3, 3], &[1.; 9]), tensor(&[1, 1, 3, 3], &[1.; 9]));
    let (shape, data) = floats(&run(&*conv, vec![x, w]).unwrap());
    assert_eq!((shape, data), (vec![1, 1, 3, 3], vec![4., 6., 4., 6., 9., 6., 4., 6., 4.]));
}

#[test]
fn what_tract_does_not_read_is_refused() {
    assert_eq!(
        node("LRN", 13).with("gamma", Attribute::Int(1)).refusal(),
        r#"unknown attribute ["gamma"]; this operator has ["alpha", "beta", "bias", "size"]"#
    );
    assert_eq!(
        node("Conv", 13)
            .inputs(&[Some(false), Some(true)])
            .with("auto_pad", Attribute::String(b"same".to_vec()))
            .refusal(),
        "`auto_pad` is same, expected NOTSET, SAME_UPPER, SAME_LOWER, VALID"
    );
    assert_eq!(node("MatMul", 13).refusal(), "1 inputs, expected 2");
}

#[test]
fn foreign_domains_and_unknown_versions_do_not_reach_tract() {
    let mut foreign = node("LRN", 13);
    foreign.op = OpId::new("vai", "LRN", 1);
    assert!(foreign.build().is_none());
    assert!(node("LRN", 1000).build().is_none());
    assert!(node("QuantizeLinear", 13).build().is_none());
}

#[test]
fn types_are_refused_with_the_name_of_the_input() {
    let matmul = node("MatMul", 13).inputs(&[Some(false), Some(false)]).operator();
    let error = matmul.output_dtypes(&[Some(DType::I8), None]).unwrap_err().to_string();
    assert_eq!(error, "A is int8, expected float16, bfloat16, float32, float64");
}

#[test]
fn errors_of_tract_are_told_in_its_words() {
    let matmul = node("MatMul", 13).inputs(&[Some(false), Some(false)]).operator();
    let error = run(&*matmul, vec![tensor(&[2, 3], &[0.; 6]), tensor(&[2, 3], &[0.; 6])])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("tract: "), "{error}");
}

#[test]
fn tensors_without_elements_pass() {
    let matmul = node("MatMul", 13).inputs(&[Some(false), Some(false)]).operator();
    let (shape, data) =
        floats(&run(&*matmul, vec![tensor(&[0, 3], &[]), tensor(&[3, 2], &[0.; 6])]).unwrap());
    assert_eq!((shape, data), (vec![0, 2], vec![]));
}

#[test]
fn halves_are_rounded_once() {
    use vairun_tensor::bf16;
    let matmul = node("MatMul", 13).inputs(&[Some(false), Some(false)]).operator();
    let halves = |data: &[f32]| data.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
    // 256 + 1 + 1 is 258; bfloat16 has no 257 on the way.
    let a = Some(Tensor::new(&[1, 3], halves(&[256., 1., 1.])).unwrap());
    let b = Some(Tensor::new(&[3, 1], halves(&[1., 1., 1.])).unwrap());
    let y = run(&*matmul, vec![a, b]).unwrap();
    let y = y[0].as_tensor().unwrap();
    assert_eq!(y.as_scalar::<bf16>().unwrap().to_f32(), 258.);
}

#[test]
fn two_vectors_have_a_scalar_product() {
    let matmul = node("MatMul", 13).inputs(&[Some(false), Some(false)]).operator();
    let y = run(&*matmul, vec![tensor(&[2], &[1., 2.]), tensor(&[2], &[3., 4.])]).unwrap();
    assert_eq!(floats(&y), (vec![], vec![11.]));
}
