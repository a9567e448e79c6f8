//! vairun's operators inside tract.

use anyhow::{Context, Result};
use vairun::Tensor;
use vairun_tract::tract_onnx::prelude::*;

use crate::material::{read_npz, repository};

/// The output of a model of testdata/digits as tract computes it with vairun's operators, and as it should be.
fn digits(model: &str, fixed_batch: bool) -> Result<(Vec<f32>, Vec<f32>)> {
    let folder = repository().join("testdata/digits");
    let input = first(&folder.join("inputs.npz"))?;
    let expected = first(&folder.join(format!("{model}.outputs.npz")))?;
    let mut onnx = vairun_tract::tract_onnx::onnx();
    vairun_tract::register(&mut onnx);
    let loaded = vairun_tract::load(&onnx, folder.join(format!("{model}.onnx")))?;
    let batch = if fixed_batch { 16.to_dim() } else { loaded.symbols.sym("N").to_dim() };
    let fact = f32::fact([batch, 1.to_dim(), 8.to_dim(), 8.to_dim()]);
    let plan = loaded.with_input_fact(0, fact.into())?.into_optimized()?.into_runnable()?;
    let x = vairun_tract::tract_onnx::prelude::Tensor::from_shape(
        input.shape(),
        input.as_slice::<f32>()?,
    )?;
    let y = plan.run(tvec![x.into_tvalue()])?;
    let got = y[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Ok((got, expected.as_slice::<f32>()?.to_vec()))
}

fn first(npz: &std::path::Path) -> Result<Tensor> {
    read_npz(npz)?.into_values().next().context("an array")
}

fn assert_equal_bits((got, expected): (Vec<f32>, Vec<f32>)) {
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(&got) == bits(&expected), "got {got:?}, expected {expected:?}");
}

#[test]
fn a_vai_model_runs_in_tract_with_the_reference_s_bits() -> Result<()> {
    assert_equal_bits(digits("digits_vai", true)?);
    Ok(())
}

#[test]
fn shapes_that_are_symbols_pass_through_quantizers() -> Result<()> {
    assert_equal_bits(digits("digits_vai", false)?);
    Ok(())
}

#[test]
fn onnx_s_own_quantizers_are_replaced() -> Result<()> {
    assert_equal_bits(digits("digits_qdq", true)?);
    Ok(())
}
