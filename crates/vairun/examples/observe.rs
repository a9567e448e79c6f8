//! Watches every tensor of a run and prints its range: `cargo run --release -p vairun --example observe`.

#![allow(clippy::print_stdout)] // a program

use ndarray::Array4;
use vairun::{Model, NodeEvent, Observer, ObserverError, inputs};

/// The smallest and the largest value of each float tensor.
struct Ranges;

impl Observer for Ranges {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs {
            if let Ok(data) = value.as_tensor()?.as_slice::<f32>() {
                let (low, high) =
                    data.iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
                println!(
                    "{:4} {:<20} {name}: {low} … {high}",
                    event.index,
                    event.node.op.to_string()
                );
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model =
        Model::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/digits/digits_vai.onnx"))?;
    let input = &model.inputs()[0].name;
    let image = Array4::<f32>::from_elem((1, 1, 8, 8), 0.5);
    model.observe(inputs! { input.as_str() => image }, &mut Ranges)?;
    Ok(())
}
