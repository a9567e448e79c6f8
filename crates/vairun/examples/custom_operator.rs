//! Replaces an operator by one's own: `cargo run --release -p vairun --example custom_operator`.

#![allow(clippy::print_stdout)] // a program

use ndarray::Array4;
use vairun::ops::{Context, Inputs, OpError, Operator, Outputs};
use vairun::{Model, inputs};

/// `Relu` that also counts how many elements it cut off.
struct CountingRelu;

impl Operator for CountingRelu {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut x = inputs.take(0, "X")?;
        let mut cut = 0;
        for x in x.make_mut::<f32>()?.iter_mut().filter(|x| **x < 0.0) {
            *x = 0.0;
            cut += 1;
        }
        println!("Relu cut off {cut} elements");
        Ok(vec![x.into()])
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::builder()
        .operator("ai.onnx", "Relu", |_node| Ok(Box::new(CountingRelu)))
        .open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/digits/digits_float.onnx"))?;
    let input = &model.inputs()[0].name;
    let out = model.run(inputs! { input.as_str() => Array4::<f32>::ones((1, 1, 8, 8)) })?;
    println!("{}", out["logits"].to_array::<f32>()?);
    Ok(())
}
