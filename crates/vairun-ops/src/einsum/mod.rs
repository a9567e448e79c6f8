//! `Einsum`: sums of products along named dimensions.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0… | `Inputs` | float16, bfloat16, float32, float64, all the same | as the terms of the equation |
//! | → | `Output` | as `Inputs` | as the equation's right side |
//!
//! Attributes: `equation` (string, required), `bij,bjk->bik`: a letter for each dimension, `...` for any number of them,
//! which broadcast. Without `->` the letters that occur once stand on the right side in alphabetical order, behind the
//! dimensions of `...`.
//!
//! Operands are multiplied one after the other; sums are in float64 and rounded once at the end.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Einsum.html>.

mod equation;
mod product;

use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use equation::Equation;
use product::Factor;

/// `Einsum`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Einsum")],
    opsets: 12..=LATEST,
    summary: "sums of products along named dimensions",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "summed in float64, rounded once"),
    build,
};

struct Einsum {
    equation: Equation,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=usize::MAX)?;
    let missing = || BuildError::MissingAttribute("equation".into());
    let text = attrs.string("equation")?.ok_or_else(missing)?;
    let equation = Equation::parse(&text, spec.inputs.len())
        .map_err(|expected| Attrs::value("equation", text, &expected))?;
    Ok(Box::new(Einsum { equation }))
}

impl Operator for Einsum {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let tensors =
            (0..inputs.len()).map(|i| inputs.tensor(i, "Inputs")).collect::<Result<Vec<_>, _>>()?;
        let shapes: Vec<_> = tensors.iter().map(|tensor| tensor.shape()).collect();
        let labelled = self.equation.label(&shapes)?;
        let dtype = tensors[0].dtype();
        with_float!(dtype, "Inputs", T => {
            let mut product: Option<Factor> = None;
            for (i, (tensor, labels)) in tensors.iter().zip(&labelled.terms).enumerate() {
                let wide = tensor.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect();
                let factor = Factor::new(wide, tensor.shape(), labels);
                // What is needed later: on the right side, or of a further operand.
                let later = |label: &usize| {
                    labelled.output.contains(label)
                        || labelled.terms[i + 1..].iter().any(|term| term.contains(label))
                };
                product = Some(match product {
                    None => factor.summed(&later),
                    Some(so_far) => so_far.times(factor, &later, &labelled.sizes)?,
                });
            }
            let product = product.ok_or(OpError::Missing("Inputs"))?;
            let (shape, wide) = product.expanded(&labelled.output, &labelled.sizes)?;
            one(Tensor::new(&shape, wide.into_iter().map(<T as Number>::from_f64).collect())?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check_same(inputs, 0)?])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn einsum(equation: &str, inputs: Vec<Tensor>) -> Tensor {
        node("Einsum").text("equation", equation).run(inputs)
    }

    #[test]
    fn products_sums_and_diagonals() {
        let a = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let b = || floats(&[2, 2], &[5.0, 6.0, 7.0, 8.0]);
        assert_tensor(
            &einsum("ij,jk->ik", vec![a(), b()]),
            &floats(&[2, 2], &[19.0, 22.0, 43.0, 50.0]),
        );
        assert_tensor(
            &einsum("ij,jk", vec![a(), b()]),
            &floats(&[2, 2], &[19.0, 22.0, 43.0, 50.0]),
        );
        assert_tensor(&einsum("ij->ji", vec![a()]), &floats(&[2, 2], &[1.0, 3.0, 2.0, 4.0]));
        assert_tensor(&einsum("ii->i", vec![a()]), &floats(&[2], &[1.0, 4.0]));
        assert_tensor(&einsum("ii", vec![a()]), &Tensor::scalar(5f32));
        assert_tensor(&einsum("ij->i", vec![a()]), &floats(&[2], &[3.0, 7.0]));
        let y = einsum("i,j->ij", vec![floats(&[2], &[1.0, 2.0]), floats(&[2], &[3.0, 4.0])]);
        assert_tensor(&y, &floats(&[2, 2], &[3.0, 4.0, 6.0, 8.0]));
    }

    #[test]
    fn dots_broadcast() {
        let y = einsum("...ij,...jk->...ik", vec![count_up(&[2, 1, 2]), count_up(&[2, 1])]);
        assert_tensor(&y, &floats(&[2, 1, 1], &[1.0, 3.0]));
        assert_tensor(
            &einsum("...ii->...i", vec![count_up(&[1, 2, 2])]),
            &floats(&[1, 2], &[0.0, 3.0]),
        );
    }

    #[test]
    fn three_operands() {
        let v = || floats(&[2], &[1.0, 2.0]);
        assert_tensor(
            &einsum("i,ij,j->", vec![v(), count_up(&[2, 2]), v()]),
            &Tensor::scalar(18f32),
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let run = |equation: &str| {
            node("Einsum").text("equation", equation).try_run([count_up(&[2]), count_up(&[3])])
        };
        assert!(run("i,i->").unwrap_err().to_string().contains("`i`"));
        assert!(
            node("Einsum").text("equation", "i->k").build(&[Some(count_up(&[1]).into())]).is_err()
        );
    }
}
