//! Functions of codes of 16 bits.

use vairun_graph::ValueId;
use vairun_tensor::{DType, Tensor};

use super::growing::{Family, Growing};
use super::islands::{forms, image};

const FAMILY: Family = Family::Onnx(DType::I16);

/// `x → Q → DQ`, then what `then` makes of it, then `Q → DQ`; all codes have 16 bits.
fn between(then: impl Fn(&mut Growing, ValueId) -> ValueId) -> Growing {
    let mut growing = Growing::empty(0);
    let x = growing.graph.inputs[0];
    let x = growing.pair(FAMILY, x, 7e-5, 12);
    let y = then(&mut growing, x);
    let y = growing.pair(FAMILY, y, 9e-5, -5);
    growing.graph.outputs = vec![y];
    growing
}

fn number(growing: &mut Growing, x: f32) -> ValueId {
    growing.constant(Tensor::scalar(x))
}

#[test]
fn short_functions_are_computed() {
    let swish = between(|growing, x| growing.node(("", "HardSwish"), &[x], &[]));
    assert_eq!(forms(&swish, &image()), ["quantize", "formula", "numbers"]);
    // Of numbers on either side, and of two values.
    let several = between(|growing, x| {
        let (three, two) = (number(growing, 3.0), number(growing, 2.0));
        let a = growing.node(("", "Sub"), &[three, x], &[]);
        let b = growing.node(("", "Min"), &[a, two], &[]);
        let c = growing.node(("", "Pow"), &[b, two], &[]);
        growing.node(("", "Mul"), &[x, c], &[])
    });
    assert_eq!(forms(&several, &image()), ["quantize", "formula", "numbers"]);
}

#[test]
fn codes_on_the_way_are_rounded() {
    let twice = between(|growing, x| {
        let y = growing.node(("", "HardSigmoid"), &[x], &[]);
        let y = growing.pair(FAMILY, y, 3e-3, 7);
        growing.node(("", "Mul"), &[y, x], &[])
    });
    assert_eq!(forms(&twice, &image()), ["quantize", "formula", "numbers"]);
}

#[test]
fn clamps_are_a_quantizer() {
    let relu = between(|growing, x| growing.node(("", "Relu"), &[x], &[]));
    assert_eq!(forms(&relu, &image()), ["quantize", "formula", "numbers"]);
}

#[test]
fn what_takes_longer_is_looked_up() {
    let series = between(|growing, x| growing.node(("", "Sigmoid"), &[x], &[]));
    assert_eq!(forms(&series, &image()), ["quantize", "table", "numbers"]);
    let often = between(|growing, x| {
        (0..4).fold(x, |x, _| {
            let y = growing.node(("", "LeakyRelu"), &[x], &[]);
            growing.pair(FAMILY, y, 8e-5, 0)
        })
    });
    assert!(forms(&often, &image()).contains(&"table"));
    // No vector kernel.
    let other = between(|growing, x| growing.node(("", "Softsign"), &[x], &[]));
    assert_eq!(forms(&other, &image()), ["quantize", "table", "numbers"]);
}

#[test]
fn numbers_that_somebody_else_reads_are_computed_too() {
    let mut growing = between(|growing, x| growing.node(("", "HardSwish"), &[x], &[]));
    let swish = growing.graph.nodes[2].outputs[0].unwrap();
    growing.graph.outputs.insert(0, swish);
    assert_eq!(forms(&growing, &image()), ["quantize", "formula", "numbers", "numbers"]);
}
