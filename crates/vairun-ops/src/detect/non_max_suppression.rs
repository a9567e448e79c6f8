//! `NonMaxSuppression`: the best boxes of each class that do not overlap too much.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `boxes` | float32 | `[b, n, 4]`: `y1, x1, y2, x2` in any order of corners |
//! | 1 | `scores` | float32 | `[b, classes, n]` |
//! | 2 | `max_output_boxes_per_class` | int64 | one element, optional: 0 |
//! | 3 | `iou_threshold` | float32 | one element, optional: 0 |
//! | 4 | `score_threshold` | float32 | one element, optional: no threshold |
//! | → | `selected_indices` | int64 | `[selected, 3]`: batch, class, box; the best first within a class |
//!
//! Attributes: `center_point_box` (int, 0): 1 if boxes are `x, y, width, height` around their centre.
//!
//! Of equal scores the lower index comes first. A box goes where its overlap with a better one is above `iou_threshold`.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html>, onnxruntime 1.32
//! `core/providers/cpu/object_detection/non_max_suppression.cc`.

use crate::common::parameters::{integers, one_element};
use crate::common::prelude::*;
use crate::common::types::{INDICES, Types};

/// `NonMaxSuppression`.
pub static DEF: OpDef = OpDef {
    names: &[("", "NonMaxSuppression")],
    opsets: 10..=LATEST,
    summary: "the best boxes of each class that do not overlap too much",
    types: "float32; max_output_boxes_per_class int64",
    grade: Grade::Exact("onnxruntime 1.32"),
    build,
};

const F32: Types = Types::new("float32", |dtype| dtype == DType::F32);

struct NonMaxSuppression {
    centred: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=5)?;
    Ok(Box::new(NonMaxSuppression { centred: attrs.flag("center_point_box")?.unwrap_or(false) }))
}

impl Operator for NonMaxSuppression {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (boxes, scores) = (inputs.tensor(0, "boxes")?, inputs.tensor(1, "scores")?);
        let &[batch, n, 4] = boxes.shape() else {
            return Err(wrong_shape("boxes", boxes.shape(), "[b, n, 4]"));
        };
        let &[b, classes, m] = scores.shape() else {
            return Err(wrong_shape("scores", scores.shape(), "[b, classes, n]"));
        };
        if (b, m) != (batch, n) {
            return Err(wrong_shape("scores", scores.shape(), format!("[{batch}, classes, {n}]")));
        }
        let most = match inputs.optional(2)? {
            None => 0,
            Some(most) => match integers(most, "max_output_boxes_per_class")?[..] {
                [] => 0,
                [most] => usize::try_from(most).unwrap_or(0),
                _ => return Err(one_element(most, "max_output_boxes_per_class")),
            },
        };
        let overlap = scalar(&inputs, 3, "iou_threshold")?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&overlap) {
            return Err(wrong_value("iou_threshold", overlap, "0 to 1"));
        }
        let least = scalar(&inputs, 4, "score_threshold")?;
        let (boxes, scores) = (boxes.as_slice::<f32>()?, scores.as_slice::<f32>()?);
        let boxes: Vec<Corners> =
            boxes.chunks_exact(4).map(|corners| self.corners(corners)).collect();
        let mut selected = Vec::new();
        for (i, scores) in scores.chunks_exact(n.max(1)).enumerate().take(batch * classes) {
            let boxes = &boxes[i / classes * n..][..n];
            for at in select(boxes, scores, most, overlap, least) {
                selected.extend([(i / classes) as i64, (i % classes) as i64, at as i64]);
            }
        }
        one(Tensor::new(&[selected.len() / 3, 3], selected)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        for (i, name) in [(0, "boxes"), (1, "scores"), (3, "iou_threshold"), (4, "score_threshold")]
        {
            F32.check(inputs, i, name)?;
        }
        INDICES.check(inputs, 2, "max_output_boxes_per_class")?;
        Ok(vec![Some(DType::I64)])
    }
}

fn scalar(inputs: &Inputs, index: usize, name: &'static str) -> Result<Option<f32>, OpError> {
    match inputs.optional(index)? {
        None => Ok(None),
        Some(x) if x.is_empty() => Ok(None),
        Some(x) => Ok(Some(*x.as_scalar::<f32>().ok_or_else(|| one_element(x, name))?)),
    }
}

/// `[low, high]` of each axis.
#[derive(Clone, Copy)]
struct Corners {
    x: [f32; 2],
    y: [f32; 2],
}

impl NonMaxSuppression {
    fn corners(&self, numbers: &[f32]) -> Corners {
        let &[a, b, c, d] = numbers else { return Corners { x: [0.0; 2], y: [0.0; 2] } };
        if self.centred {
            return Corners { x: [a - c / 2.0, a + c / 2.0], y: [b - d / 2.0, b + d / 2.0] };
        }
        let ordered = |p: f32, q: f32| if p >= q { [q, p] } else { [p, q] };
        Corners { x: ordered(b, d), y: ordered(a, c) }
    }
}

/// The places of the boxes that stay, the best first.
fn select(
    boxes: &[Corners],
    scores: &[f32],
    most: usize,
    overlap: f32,
    least: Option<f32>,
) -> Vec<usize> {
    let enough = |&i: &usize| least.is_none_or(|least| scores[i] > least);
    let mut order: Vec<usize> = (0..boxes.len()).filter(enough).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut chosen: Vec<usize> = Vec::new();
    for i in order {
        if chosen.len() >= most {
            break;
        }
        if !chosen.iter().any(|&better| boxes[i].overlaps(boxes[better], overlap)) {
            chosen.push(i);
        }
    }
    chosen
}

impl Corners {
    /// Whether the intersection is above that share of the union.
    fn overlaps(self, other: Self, threshold: f32) -> bool {
        let side = |a: [f32; 2], b: [f32; 2]| a[1].min(b[1]) - a[0].max(b[0]);
        let (width, height) = (side(self.x, other.x), side(self.y, other.y));
        if !(width > 0.0 && height > 0.0) {
            return false;
        }
        let area = |of: Self| (of.x[1] - of.x[0]) * (of.y[1] - of.y[0]);
        let (intersection, a, b) = (width * height, area(self), area(other));
        let union = a + b - intersection;
        a > 0.0 && b > 0.0 && union > 0.0 && intersection / union > threshold
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn run(scores: &[f32], most: i64) -> Tensor {
        let boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 10.0, 1.0, 11.0]].concat();
        node("NonMaxSuppression").run([
            floats(&[1, 3, 4], &boxes),
            floats(&[1, 1, 3], scores),
            Tensor::scalar(most),
            Tensor::scalar(0.5f32),
        ])
    }

    #[test]
    fn overlapping_boxes_go_and_the_best_come_first() {
        assert_tensor(&run(&[0.8, 0.9, 0.95], 3), &tensor(&[2, 3], &[0i64, 0, 2, 0, 0, 1]));
        assert_tensor(&run(&[0.8, 0.8, 0.1], 1), &tensor(&[1, 3], &[0i64, 0, 0]));
        assert_tensor(&run(&[0.8, 0.8, 0.1], 0), &tensor::<i64>(&[0, 3], &[]));
    }

    #[test]
    fn scores_and_boxes_fit() {
        let error = node("NonMaxSuppression").error([count_up(&[1, 2, 4]), count_up(&[1, 1, 3])]);
        assert_eq!(error, "scores has shape [1, 1, 3], expected [1, classes, 2]");
    }
}
