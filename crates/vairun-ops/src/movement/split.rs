//! `Split`: a tensor cut into pieces along an axis.
//!
//! | | name     | type  | shape |
//! |-|----------|-------|-------|
//! | 0 | `input`  | any | rank 1 or more |
//! | 1 | `split`  | int64 | `[outputs]`, optional: equal pieces, the last one may be smaller |
//! | →… | `outputs` | as `input` | `input` with a part of `axis` |
//!
//! Attributes: `axis` (int, 0); `num_outputs` (int; opset 18), the number of outputs. Before opset 13 `split` is an
//! attribute, and equal pieces must be equal.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Split.html>.

use crate::common::axes::axis;
use crate::common::parameters::Ints;
use crate::common::prelude::*;
use crate::common::stack::block;
use crate::common::types::INDICES;

/// `Split`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Split")],
    opsets: 1..=LATEST,
    summary: "a tensor cut into pieces along an axis",
    types: "input any; split int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Split {
    axis: i64,
    split: Ints,
    outputs: usize,
    /// Opset 18: the last of equal pieces may be smaller.
    uneven: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    let axis = attrs.int("axis")?.unwrap_or(0);
    let (outputs, opset) = (spec.outputs.len(), spec.op.opset);
    let split = if opset == 1 || opset >= 13 {
        spec.expect_inputs(1..=2)?;
        match if opset == 1 { attrs.ints("split")? } else { None } {
            Some(split) => Ints::Attribute(Some(split.to_vec())),
            None => Ints::Input(1),
        }
    } else {
        spec.expect_inputs(1..=1)?;
        Ints::Attribute(attrs.ints("split")?.map(<[i64]>::to_vec))
    };
    let named = if opset >= 18 { attrs.int("num_outputs")? } else { None };
    if let Some(named) = named.filter(|&named| named != outputs as i64) {
        return Err(Attrs::value("num_outputs", named, &format!("{outputs}, as the outputs")));
    }
    Ok(Box::new(Split { axis, split, outputs, uneven: opset >= 18 }))
}

impl Operator for Split {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let axis = axis(self.axis, x.rank())?;
        let whole = x.shape()[axis];
        let pieces = match self.split.read(&inputs, "split")? {
            Some(split) => pieces(&split, whole, Some(self.outputs))?,
            None => self.equal(whole)?,
        };
        cut(x, axis, &pieces)?.into_iter().map(|piece| Ok(piece.into())).collect()
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "split")?;
        Ok(vec![inputs.first().copied().flatten(); self.outputs])
    }
}

impl Split {
    fn equal(&self, whole: usize) -> Result<Vec<usize>, OpError> {
        let count = self.outputs.max(1);
        if !self.uneven && !whole.is_multiple_of(count) {
            return Err(wrong_value(
                "axis",
                format!("of {whole}"),
                format!("a multiple of {count}"),
            ));
        }
        let size = whole.div_ceil(count);
        Ok((0..count).map(|i| whole.saturating_sub(i * size).min(size)).collect())
    }
}

/// The sizes of pieces that `split` names; they must add up to `whole`, and be `count` where that is given.
pub(crate) fn pieces(
    split: &[i64],
    whole: usize,
    count: Option<usize>,
) -> Result<Vec<usize>, OpError> {
    let sizes: Option<Vec<usize>> = split.iter().map(|&n| usize::try_from(n).ok()).collect();
    let fits = |sizes: &Vec<usize>| {
        sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)) == Some(whole)
            && count.is_none_or(|count| count == sizes.len())
    };
    sizes.filter(fits).ok_or_else(|| {
        let count = count.map_or_else(String::new, |count| format!("{count} "));
        wrong_value("split", format!("{split:?}"), format!("{count}sizes that add up to {whole}"))
    })
}

/// Pieces of these sizes along `axis`.
pub(crate) fn cut(x: &Tensor, axis: usize, pieces: &[usize]) -> Result<Vec<Tensor>, OpError> {
    let mut start = 0;
    let mut next = |&size: &usize| {
        let piece = block(x, axis, start, size);
        start += size;
        piece
    };
    pieces.iter().map(&mut next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    fn shapes(case: Case, inputs: Vec<Tensor>) -> Result<Vec<Vec<usize>>, OpError> {
        let inputs = inputs.into_iter().map(|x| Some(x.into())).collect();
        let outputs = case.try_run_values(inputs)?;
        Ok(outputs.iter().map(|y| y.as_tensor().unwrap().shape().to_vec()).collect())
    }

    #[test]
    fn named_and_equal_pieces() {
        let case = || node("Split").int("axis", -1).outputs(2);
        let sizes = shapes(case(), vec![count_up(&[2, 5]), ints(&[1, 4])]).unwrap();
        assert_eq!(sizes, [[2, 1], [2, 4]]);
        assert_eq!(shapes(case(), vec![count_up(&[2, 5])]).unwrap(), [[2, 3], [2, 2]]);
        assert!(shapes(case().opset(13), vec![count_up(&[2, 5])]).is_err());
    }

    #[test]
    fn pieces_must_add_up() {
        let error = pieces(&[1, -1], 5, Some(2)).unwrap_err().to_string();
        assert_eq!(error, "split is [1, -1], expected 2 sizes that add up to 5");
    }
}
