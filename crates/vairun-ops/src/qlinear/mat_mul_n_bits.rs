//! `com.microsoft::MatMulNBits`: a matrix product with weights of a few bits.
//!
//! `Y = A · Wᵀ (+ bias)`, `W[n, k] = (B[n, k] - zero_point) · scale`, scale and zero point those of the block of k. The sum
//! is in float32, in the order of [`vairun_numeric::dense`].
//!
//! | | name            | type         | shape                                                    |
//! |-|-----------------|--------------|----------------------------------------------------------|
//! | 0 | `A`           | f32, f16     | `[…, K]`                                                 |
//! | 1 | `B`           | u8           | `[N, blocks, block_size·bits / 8]`, the first number in the lowest bits |
//! | 2 | `scales`      | as `A`       | `[N, blocks]` or flat                                    |
//! | 3 | `zero_points` | u8 (packed as B) or as `A` | `[N, …]` or flat; 2^(bits - 1) where left out |
//! | 4 | `g_idx`       | i32          | `[K]`: the block of each k, optional                     |
//! | 5 | `bias`        | as `A`       | `[N]`, optional                                          |
//! | → | `Y`           | as `A`       | `[…, N]`                                                 |
//!
//! Attributes (INT): `K`, `N`, `block_size`, `bits` (4; 2 and 8), `accuracy_level` (0). Levels that allow a runtime to
//! quantize A are computed without: they ask for no less. float16 is computed in float32 and rounded once.
//!
//! onnxruntime sums in this order where A has more rows than one and AVX2 is the widest there is; else in others.
//!
//! Source: `matmul_nbits.cc` of onnxruntime 1.28. Vectors: `golden/native`, `testdata/ops/qlinear`.

use std::sync::OnceLock;

use vairun_numeric::dense::product;
use vairun_numeric::nbits::{Packing, Weights};
use vairun_tensor::{DType, Tensor, f16};

use crate::attrs::Attrs;
use crate::common::one;
use crate::common::sizes::result_len;
use crate::common::types::Types;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::{scales as floats, wrong_shape};
use crate::spec::NodeSpec;

/// `com.microsoft::MatMulNBits`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "MatMulNBits")],
    opsets: 1..=i64::MAX,
    summary: "a matrix product with weights of 2, 4 or 8 bits in blocks",
    types: "A, scales, bias, Y float32, float16; B uint8; zero_points uint8 or as A; g_idx int32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32 with AVX2, more rows than one"),
    build,
};

const REAL: Types =
    Types::new("float32 or float16", |dtype| matches!(dtype, DType::F32 | DType::F16));
const BYTES: Types = Types::new("uint8", |dtype| dtype == DType::U8);
const ZEROS: Types = Types::new("uint8, float32 or float16", |dtype| {
    matches!(dtype, DType::U8 | DType::F32 | DType::F16)
});
const GROUPS: Types = Types::new("int32", |dtype| dtype == DType::I32);

struct MatMulNBits {
    k: usize,
    n: usize,
    block: usize,
    packing: Packing,
    /// The weights as real numbers, `[K, N]`, once they are known never to change.
    weights: Option<OnceLock<Vec<f32>>>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=6)?;
    let bits = attrs.int("bits")?.unwrap_or(4);
    let packing = Packing::new(bits).filter(|_| bits > 1);
    let level = attrs.int("accuracy_level")?.unwrap_or(0);
    if !(0..=4).contains(&level) {
        return Err(Attrs::value("accuracy_level", level, "0 to 4"));
    }
    let block = size(attrs, "block_size")?;
    if block < 16 || !block.is_power_of_two() {
        return Err(Attrs::value("block_size", block, "a power of two from 16 on"));
    }
    let fixed =
        (1..5).all(|i| spec.inputs.get(i).is_none_or(|input| input.is_none_or(|i| i.fixed)));
    Ok(Box::new(MatMulNBits {
        k: size(attrs, "K")?,
        n: size(attrs, "N")?,
        block,
        packing: packing.ok_or_else(|| Attrs::value("bits", bits, "2, 4 or 8"))?,
        weights: fixed.then(OnceLock::new),
    }))
}

fn size(attrs: &Attrs, name: &'static str) -> Result<usize, BuildError> {
    let value = attrs.int(name)?.ok_or_else(|| BuildError::MissingAttribute(name.into()))?;
    let size = usize::try_from(value).ok().filter(|size| (1..1 << 31).contains(size));
    size.ok_or_else(|| Attrs::value(name, value, "1 or more"))
}

impl Operator for MatMulNBits {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let a = inputs.tensor(0, "A")?;
        REAL.check_tensor(a, "A")?;
        let Some((&k, outer)) = a.shape().split_last().filter(|(k, _)| **k == self.k) else {
            return Err(wrong_shape("A", a.shape(), format!("[…, {}]", self.k)));
        };
        let rows = outer.iter().product();
        let shape = [outer, &[self.n]].concat();
        result_len(a.dtype(), &shape)?;
        let made;
        let weights = match self.weights.as_ref().map(OnceLock::get) {
            Some(Some(weights)) => weights,
            kept => {
                made = self.weights_of(&inputs)?;
                match (&self.weights, kept) {
                    (Some(cell), _) => cell.get_or_init(|| made),
                    _ => &made,
                }
            }
        };
        let mut y = product(&floats(a, "A")?, weights, (rows, k, self.n));
        if let Some(bias) = inputs.optional(5)? {
            self.add(&mut y, bias)?;
        }
        one(match a.dtype() {
            DType::F16 => Tensor::new(&shape, y.into_iter().map(f16::from_f32).collect())?,
            _ => Tensor::new(&shape, y)?,
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        BYTES.check(inputs, 1, "B")?;
        ZEROS.check(inputs, 3, "zero_points")?;
        GROUPS.check(inputs, 4, "g_idx")?;
        for (index, name) in [(2, "scales"), (5, "bias")] {
            REAL.check(inputs, index, name)?;
        }
        Ok(vec![REAL.check(inputs, 0, "A")?])
    }
}

impl MatMulNBits {
    fn blocks(&self) -> usize {
        self.k.div_ceil(self.block)
    }

    fn weights_of(&self, inputs: &Inputs) -> Result<Vec<f32>, OpError> {
        let (b, scales) = (inputs.tensor(1, "B")?, inputs.tensor(2, "scales")?);
        BYTES.check_tensor(b, "B")?;
        REAL.check_tensor(scales, "scales")?;
        let (n, blocks) = (self.n, self.blocks());
        let block_bytes = self.packing.row_bytes(self.block);
        expect(b, "B", &[n, blocks, block_bytes])?;
        expect(scales, "scales", &[n, blocks])?;
        let zeros = self.zeros(inputs.optional(3)?)?;
        let groups = inputs.optional(4)?.map(|groups| self.groups(groups)).transpose()?;
        let weights = Weights {
            packing: self.packing,
            bytes: b.as_slice()?,
            rows: n,
            columns: self.k,
            block: self.block,
            scales: &floats(scales, "scales")?,
            zeros: &zeros,
            groups: groups.as_deref(),
        };
        Ok(weights.dequantized_transposed())
    }

    fn zeros(&self, zeros: Option<&Tensor>) -> Result<Vec<f32>, OpError> {
        let (n, blocks) = (self.n, self.blocks());
        let Some(zeros) = zeros else {
            return Ok(vec![self.packing.middle().into(); n * blocks]);
        };
        ZEROS.check_tensor(zeros, "zero_points")?;
        if zeros.dtype() != DType::U8 {
            expect(zeros, "zero_points", &[n, blocks])?;
            return Ok(floats(zeros, "zero_points")?.into_owned());
        }
        let row_bytes = self.packing.row_bytes(blocks);
        expect(zeros, "zero_points", &[n, row_bytes])?;
        let rows = zeros.as_slice::<u8>()?.chunks_exact(row_bytes);
        let row = |row| (0..blocks).map(move |block| self.packing.get(row, block).into());
        Ok(rows.flat_map(row).collect())
    }

    fn groups(&self, groups: &Tensor) -> Result<Vec<usize>, OpError> {
        GROUPS.check_tensor(groups, "g_idx")?;
        if groups.len() < self.k {
            return Err(wrong_shape("g_idx", groups.shape(), format!("[{}]", self.k)));
        }
        let blocks = self.blocks();
        let group = |&group: &i32| {
            let known = usize::try_from(group).ok().filter(|&group| group < blocks);
            known.ok_or_else(|| OpError::Value {
                input: "g_idx".into(),
                got: group.to_string(),
                expected: format!("0 to {}, a block", blocks - 1),
            })
        };
        groups.as_slice::<i32>()?[..self.k].iter().map(group).collect()
    }

    fn add(&self, y: &mut [f32], bias: &Tensor) -> Result<(), OpError> {
        REAL.check_tensor(bias, "bias")?;
        expect(bias, "bias", &[self.n])?;
        let bias = floats(bias, "bias")?;
        y.iter_mut().zip(bias.iter().cycle()).for_each(|(y, bias)| *y += bias);
        Ok(())
    }
}

/// That a tensor has this shape, flat or not.
fn expect(tensor: &Tensor, name: &'static str, shape: &[usize]) -> Result<(), OpError> {
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(tensor.len()) {
        return Ok(());
    }
    Err(wrong_shape(name, tensor.shape(), format!("{shape:?} or as many elements")))
}

#[cfg(test)]
mod tests {
    use vairun_graph::Attribute;

    use super::*;
    use crate::common::testing::{Case, assert_tensor, floats, node_in, tensor};

    fn case(k: i64) -> Case {
        node_in(DEF.names[0]).int("K", k).int("N", 1).int("block_size", 16)
    }

    #[test]
    fn numbers_are_less_the_middle_of_their_range() {
        let a = floats(&[1, 2], &[1.0, 10.0]);
        let b = tensor(&[1, 1, 8], &[0x9a_u8, 0, 0, 0, 0, 0, 0, 0]);
        let y = case(2).run([a, b, floats(&[1], &[0.5])]);
        assert_tensor(&y, &floats(&[1, 1], &[1.0 + 5.0]));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let a = floats(&[1, 3], &[1.0, 10.0, 1.0]);
        let b = tensor(&[1, 1, 8], &[0u8; 8]);
        assert_eq!(
            case(2).error([a.clone(), b.clone(), floats(&[1], &[0.5])]),
            "A has shape [1, 3], expected […, 2]"
        );
        let error = case(3).error([a, b, floats(&[2], &[0.5, 1.0])]);
        assert_eq!(error, "scales has shape [2], expected [1, 1] or as many elements");
        let bits = case(2).with("bits", Attribute::Int(3)).build(&[const { None }; 3]);
        assert_eq!(bits.err().unwrap().to_string(), "`bits` is 3, expected 2, 4 or 8");
    }
}
