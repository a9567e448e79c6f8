//! Runs a model on an array: `cargo run --release -p vairun --example run [MODEL]`.

#![allow(clippy::print_stdout)] // a program

use ndarray::Array4;
use vairun::{Model, inputs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/digits/digits_vai.onnx");
    let path = std::env::args().nth(1).unwrap_or_else(|| digits.to_owned());

    let model = Model::open(path)?;
    let (input, output) = (&model.inputs()[0].name, &model.outputs()[0].name);
    let image = Array4::from_shape_fn((1, 1, 8, 8), |(_, _, y, x)| {
        if x == 3 || x == 4 { 1.0f32 } else { y as f32 / 64.0 }
    });

    let out = model.run(inputs! { input.as_str() => image })?;
    let scores = out[output.as_str()].to_array::<f32>()?;
    println!("{output}: {scores}");
    Ok(())
}
