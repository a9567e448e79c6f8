use vairun_graph::{Attribute, Attributes, OpId};
use vairun_tensor::{Dequantized, Tensor};

use super::Contraction;
use crate::attrs::Attrs;
use crate::operator::Inputs;
use crate::spec::NodeSpec;

/// A dequantizer's output with one scale, or one for each index of `axis`.
fn dequantized(
    shape: &[usize],
    codes: &[i8],
    scales: &[f32],
    zero_point: i32,
    axis: Option<usize>,
) -> Tensor {
    let inner: usize = axis.map_or(codes.len(), |axis| shape[axis + 1..].iter().product());
    let value = |(i, &code): (usize, &i8)| {
        (i32::from(code) - zero_point) as f32 * scales[i / inner % scales.len()]
    };
    let values = codes.iter().enumerate().map(value).collect();
    Tensor::new(shape, values).unwrap().with_dequantized(Dequantized::new(
        Tensor::new(shape, codes.to_vec()).unwrap(),
        Tensor::vector(scales.to_vec()),
        Tensor::vector(vec![zero_point; scales.len()]),
        axis,
    ))
}

fn run(
    op_type: &str,
    attributes: &[(&str, Attribute)],
    inputs: impl IntoIterator<Item = Tensor>,
) -> Option<Tensor> {
    let attributes: Attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let attrs = Attrs::new(&attributes);
    let op = OpId::new("", op_type, 13);
    let spec = NodeSpec {
        name: "node",
        op: &op,
        attributes: &attributes,
        inputs: vec![],
        outputs: vec![],
        permissive: false,
        isa: vairun_numeric::kernel::Isa::best(),
    };
    let contraction = Contraction::from_node(&spec, &attrs).unwrap();
    attrs.finish().unwrap();
    contraction?.run(&Inputs::of(inputs)).unwrap()
}

fn values(tensor: &Tensor) -> &[f32] {
    tensor.as_slice().unwrap()
}

#[test]
fn a_convolution_rounds_once_for_each_channel() {
    let x = dequantized(&[1, 1, 2], &[100, -50], &[0.1], 3, None);
    let w = dequantized(&[2, 1, 1], &[7, -9], &[0.3, 0.7], 0, Some(0));
    let y = run("Conv", &[], [x, w]).unwrap();
    let expected =
        [679f32 * (0.1 * 0.3), -371.0 * (0.1 * 0.3), -873.0 * (0.1 * 0.7), 477.0 * (0.1 * 0.7)];
    assert_eq!((y.shape(), values(&y)), (&[1, 2, 2][..], &expected[..]));
}

#[test]
fn a_transposed_convolution_shares_its_scales_between_groups() {
    let x = dequantized(&[1, 2, 1], &[1, 2], &[1.0], 0, None);
    let w = dequantized(&[2, 2, 1], &[1, 1, 1, 1], &[0.5, 0.25], 0, Some(1));
    let y = run("ConvTranspose", &[("group", Attribute::Int(2))], [x, w]).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[1, 4, 1][..], &[0.5, 0.25, 1.0, 0.5][..]));
}

#[test]
fn a_scale_along_the_sum_has_no_integer_form() {
    let x = dequantized(&[1, 2], &[1, 2], &[1.0], 0, None);
    let w = dequantized(&[2, 2], &[1, 2, 3, 4], &[0.5, 0.25], 0, Some(0));
    assert!(run("MatMul", &[], [x.clone(), w.clone()]).is_none());
    assert!(run("Gemm", &[], [x.clone(), w.clone()]).is_none());
    let y = run("Gemm", &[("transB", Attribute::Int(1))], [x, w]).unwrap();
    assert_eq!(values(&y), [2.5, 2.75]);
}

#[test]
fn plain_numbers_have_no_integer_form() {
    let x = dequantized(&[1, 1], &[1], &[1.0], 0, None);
    assert!(run("MatMul", &[], [x.clone(), x.without_dequantized()]).is_none());
}

#[test]
fn gemm_takes_powers_of_two_as_alpha_and_nothing_else() {
    let x = || dequantized(&[1, 1], &[3], &[0.3], 0, None);
    let alpha = |alpha| [("alpha", Attribute::Float(alpha))];
    let y = run("Gemm", &alpha(0.5), [x(), x()]).unwrap();
    assert_eq!(values(&y), [9.0 * (0.3 * 0.3 * 0.5)]);
    assert!(run("Gemm", &alpha(0.3), [x(), x()]).is_none());
    assert!(run("Gemm", &[("beta", Attribute::Float(2.0))], [x(), x(), x()]).is_none());
}

#[test]
fn gemm_adds_a_column_of_c_in_f32() {
    let a = dequantized(&[2, 1], &[1, 2], &[1.0], 0, None);
    let b = dequantized(&[1, 2], &[1, 10], &[1.0], 0, None);
    let c = Tensor::new(&[2, 1], vec![0.5f32, 0.25]).unwrap();
    let y = run("Gemm", &[], [a, b, c]).unwrap();
    assert_eq!(values(&y), [1.5, 10.5, 2.25, 20.25]);
}

#[test]
fn matmul_broadcasts_batches_and_drops_the_dimension_of_a_vector() {
    let a = dequantized(&[2, 1, 1, 2], &[1, 2, 3, 4], &[1.0], 0, None);
    let b = dequantized(&[3, 2, 1], &[1, 0, 0, 1, 1, 1], &[1.0], 0, None);
    let y = run("MatMul", &[], [a.clone(), b]).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[2, 3, 1, 1][..], &[1.0, 2.0, 3.0, 3.0, 4.0, 7.0][..]));
    let vector = dequantized(&[2], &[10, 1], &[1.0], 0, None);
    let y = run("MatMul", &[], [a, vector]).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[2, 1, 1][..], &[12.0, 34.0][..]));
}

#[test]
fn a_product_of_scales_that_is_no_normal_number_is_left_to_the_float_operator() {
    let tiny = dequantized(&[1, 1], &[1], &[1e-30], 0, None);
    assert!(run("MatMul", &[], [tiny.clone(), tiny]).is_none());
}

#[test]
fn dequantizers_of_every_family_are_recognised() {
    use vairun_tensor::DType;

    use crate::quant::testing::Node;

    let scale = || Tensor::scalar(0.1f32);
    let narrow = |dtype, codes: Vec<i8>| Tensor::with_dtype(dtype, &[codes.len()], codes).unwrap();
    let unsigned =
        |dtype, codes: Vec<u8>| Tensor::with_dtype(dtype, &[codes.len()], codes).unwrap();
    let operands: Vec<(&str, &str, Vec<Tensor>)> = vec![
        ("", "DequantizeLinear", vec![narrow(DType::I8, vec![3, -3]), scale()]),
        ("", "DequantizeLinear", vec![narrow(DType::I4, vec![3, -3]), scale()]),
        ("", "DequantizeLinear", vec![unsigned(DType::U4, vec![3, 9]), scale()]),
        ("", "DequantizeLinear", vec![narrow(DType::I2, vec![1, -2]), scale()]),
        ("", "DequantizeLinear", vec![Tensor::vector(vec![-30000i16, 7]), scale()]),
        ("", "DequantizeLinear", vec![Tensor::vector(vec![60000u16, 7]), scale()]),
        ("com.microsoft", "DequantizeLinear", vec![Tensor::vector(vec![200u8, 7]), scale()]),
        (
            "ai.onnx.contrib",
            "DequantizeLinear",
            vec![Tensor::vector(vec![5i8, 7]), scale(), Tensor::scalar(1i8)],
        ),
        (
            "ai.onnx.contrib",
            "FixNeuron",
            vec![Tensor::vector(vec![0.5f32, 7.0]), scale(), Tensor::scalar(1i8)],
        ),
        (
            "com.amd.quark",
            "ExtendedDequantizeLinear",
            vec![Tensor::vector(vec![60000u16, 7]), scale(), Tensor::scalar(9u16)],
        ),
        (
            "com.vai.quantize",
            "VitisDequantizeLinear",
            vec![Tensor::vector(vec![5i8, 7]), scale(), Tensor::scalar(1i8)],
        ),
        (
            "vai",
            "DequantizeLinear",
            vec![
                Tensor::vector(vec![-30000f32, 7.0]),
                scale(),
                Tensor::scalar(1i8),
                Tensor::scalar(0i8),
            ],
        ),
        (
            "vai",
            "fix_neuron",
            vec![
                Tensor::vector(vec![0.5f32, 1.25]),
                Tensor::scalar(127i64),
                Tensor::scalar(4f64),
                Tensor::scalar(3i64),
                Tensor::scalar(1i64),
                Tensor::scalar(0i64),
            ],
        ),
    ];
    for (domain, op_type, inputs) in operands {
        let x = Node::new(domain, op_type).inputs(inputs).run();
        let w = dequantized(&[2, 1], &[100, -50], &[0.3], 3, None);
        let y = run("MatMul", &[], [x.clone(), w]);
        assert!(y.is_some(), "{domain}::{op_type}: {:?}", x.dequantized());
    }
}
