//! `DepthToSpace` and `SpaceToDepth`: blocks of an image as channels, and back.
//!
//! | | name     | type  | shape |
//! |-|----------|-------|-------|
//! | 0 | `input`  | any | `[n, c, h, w]` |
//! | → | `output` | as `input` | `[n, c/b², h·b, w·b]`; SpaceToDepth: `[n, c·b², h/b, w/b]` |
//!
//! Attributes: `blocksize` (int, required), `mode` (`DCR`, `CRD`; `DCR`; DepthToSpace from opset 11, SpaceToDepth from 28):
//! whether the place in the block is the slower part of a channel's number, or the faster one.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>, <https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html>.

use crate::common::movement::rearranged;
use crate::common::prelude::*;

/// `DepthToSpace`.
pub static DEPTH_TO_SPACE: OpDef = OpDef {
    names: &[("", "DepthToSpace")],
    opsets: 1..=LATEST,
    summary: "channels as blocks of an image",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build: |spec, attrs| build(true, spec, attrs),
};

/// `SpaceToDepth`.
pub static SPACE_TO_DEPTH: OpDef = OpDef {
    names: &[("", "SpaceToDepth")],
    opsets: 1..=LATEST,
    summary: "blocks of an image as channels",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build: |spec, attrs| build(false, spec, attrs),
};

struct Blocks {
    to_space: bool,
    size: usize,
    /// `DCR`: the place in the block is the slower part of a channel's number.
    block_first: bool,
}

fn build(to_space: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let size =
        attrs.int("blocksize")?.ok_or_else(|| BuildError::MissingAttribute("blocksize".into()))?;
    let size = usize::try_from(size)
        .ok()
        .filter(|&size| (1..=1 << 16).contains(&size))
        .ok_or_else(|| Attrs::value("blocksize", size, "1 or more"))?;
    let has_mode = spec.op.opset >= if to_space { 11 } else { 28 };
    let block_first = match if has_mode { attrs.string("mode")? } else { None }.as_deref() {
        None | Some("DCR") => true,
        Some("CRD") => false,
        Some(other) => return Err(Attrs::value("mode", other, "DCR or CRD")),
    };
    Ok(Box::new(Blocks { to_space, size, block_first }))
}

impl Operator for Blocks {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        one(if self.to_space { self.to_space(x) } else { self.to_depth(x) }?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

impl Blocks {
    fn to_space(&self, x: &Tensor) -> Result<Tensor, OpError> {
        let b = self.size;
        match *x.shape() {
            [n, c, h, w] if c.is_multiple_of(b * b) => {
                let depth = c / (b * b);
                let shape = [n, depth, h * b, w * b];
                if self.block_first {
                    rearranged(x, &[n, b, b, depth, h, w], &[0, 3, 4, 1, 5, 2], &shape)
                } else {
                    rearranged(x, &[n, depth, b, b, h, w], &[0, 1, 4, 2, 5, 3], &shape)
                }
            }
            _ => {
                let expected = format!("[n, c, h, w] with c a multiple of {}", b * b);
                Err(wrong_shape("input", x.shape(), expected))
            }
        }
    }

    fn to_depth(&self, x: &Tensor) -> Result<Tensor, OpError> {
        let b = self.size;
        match *x.shape() {
            [n, c, h, w] if h.is_multiple_of(b) && w.is_multiple_of(b) => {
                let view = [n, c, h / b, b, w / b, b];
                let shape = [n, c * b * b, h / b, w / b];
                let block_first = [0, 3, 5, 1, 2, 4];
                let depth_first = [0, 1, 3, 5, 2, 4];
                let perm = if self.block_first { block_first } else { depth_first };
                rearranged(x, &view, &perm, &shape)
            }
            _ => {
                let expected = format!("[n, c, h, w] with h and w multiples of {b}");
                Err(wrong_shape("input", x.shape(), expected))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn both_modes_of_both_directions() {
        let x = || count_up(&[1, 8, 1, 1]);
        for (mode, want) in [
            ("DCR", [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]),
            ("CRD", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        ] {
            let space = node("DepthToSpace").int("blocksize", 2).text("mode", mode).run([x()]);
            assert_tensor(&space, &floats(&[1, 2, 2, 2], &want));
            let back = node("SpaceToDepth").int("blocksize", 2).text("mode", mode).run([space]);
            assert_tensor(&back, &x());
        }
    }

    #[test]
    fn blocks_must_fit() {
        let error = node("DepthToSpace").int("blocksize", 2).error([count_up(&[1, 3, 1, 1])]);
        assert!(error.ends_with("with c a multiple of 4"));
        assert!(node("SpaceToDepth").build(&[Some(count_up(&[1]).into())]).is_err());
    }
}
