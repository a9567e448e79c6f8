//! A program that uses tract runs a quantized model: `register` and `load` are all it needs of vairun.
//!
//! `cargo run --release -p vairun-tract --example quantized_in_tract`

#![allow(clippy::print_stdout)]

use vairun_tract::tract_onnx::prelude::*;

fn main() -> TractResult<()> {
    let mut onnx = vairun_tract::tract_onnx::onnx();
    vairun_tract::register(&mut onnx);
    let model = vairun_tract::load(&onnx, "testdata/digits/digits_vai.onnx")?;

    // From here on it is tract alone.
    let image = Tensor::zero::<f32>(&[1, 1, 8, 8])?;
    let model = model.with_input_fact(0, f32::fact(image.shape()).into())?;
    let outputs = model.into_optimized()?.into_runnable()?.run(tvec![image.into_tvalue()])?;
    println!("scores of an empty image: {:?}", outputs[0].try_as_plain_ram()?.as_slice::<f32>()?);
    Ok(())
}
