//! `com.microsoft::GatherBlockQuantized`: slices of a tensor of a few bits, dequantized.
//!
//! `output = (data - zero_point) · scale` for the slices that `indices` name, scale and zero point those of a block along
//! `quantize_axis`.
//!
//! | | name            | type                            | shape                                       |
//! |-|-----------------|---------------------------------|---------------------------------------------|
//! | 0 | `data`        | u8 (packed), int4, uint4, float8, float4e2m1 | any; u8: `bits` say how many numbers a byte of the last dimension holds |
//! | 1 | `indices`     | i32, i64                        | any                                         |
//! | 2 | `scales`      | f32, f16                        | as `data`, but blocks along `quantize_axis` |
//! | 3 | `zero_points` | as `data`, u8 packed as it      | as `scales`; optional                       |
//! | → | `output`      | as `scales`                     | as of `Gather`                              |
//!
//! Attributes (INT): `gather_axis` (0), `quantize_axis` (1), `block_size` (128), `bits` (4; 2 and 8 for u8). Without
//! zero_points u8 has 2^(bits - 1), the others 0. An index beyond the axis is an error; onnxruntime gives zeros for it.
//!
//! Source: `gather_block_quantized.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::narrow::Narrow;
use vairun_numeric::nbits::Packing;
use vairun_tensor::{DType, Tensor, f16};

use crate::attrs::Attrs;
use crate::common::axes::axis;
use crate::common::one;
use crate::common::parameters::integers as indices_of;
use crate::common::sizes::result_len;
use crate::common::types::{INDICES, Types, other_type};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::element::Quantized;
use crate::quant::parameters::{scales as floats, wrong_shape};
use crate::spec::NodeSpec;

/// `com.microsoft::GatherBlockQuantized`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "GatherBlockQuantized")],
    opsets: 1..=i64::MAX,
    summary: "slices of a tensor of a few bits in blocks, dequantized",
    types: "data uint8, int4, uint4, float8, float4e2m1; indices int32, int64; scales float32, float16",
    grade: Grade::Exact("onnxruntime 1.32"),
    build,
};

const DATA: Types =
    Types::new("uint8, int4, uint4, a float8 type but float8e8m0, or float4e2m1", |dtype| {
        matches!(dtype, DType::U8 | DType::I4 | DType::U4) || narrow(dtype).is_some()
    });
const SCALES: Types =
    Types::new("float32 or float16", |dtype| matches!(dtype, DType::F32 | DType::F16));

fn narrow(dtype: DType) -> Option<Narrow> {
    match Quantized::of(dtype)? {
        Quantized::Float(narrow) => Some(narrow),
        Quantized::Integer(..) => None,
    }
}

struct GatherBlockQuantized {
    gather_axis: i64,
    quantize_axis: i64,
    /// 0: the whole axis is one block.
    block: usize,
    packing: Packing,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=4)?;
    let block = attrs.int("block_size")?.unwrap_or(128);
    let size = usize::try_from(block)
        .ok()
        .filter(|&size| size == 0 || (size >= 16 && size.is_power_of_two()));
    let bits = attrs.int("bits")?.unwrap_or(4);
    let packing = Packing::new(bits).filter(|_| bits > 1);
    Ok(Box::new(GatherBlockQuantized {
        gather_axis: attrs.int("gather_axis")?.unwrap_or(0),
        quantize_axis: attrs.int("quantize_axis")?.unwrap_or(1),
        block: size
            .ok_or_else(|| Attrs::value("block_size", block, "a power of two from 16 on, or 0"))?,
        packing: packing.ok_or_else(|| Attrs::value("bits", bits, "2, 4 or 8"))?,
    }))
}

impl Operator for GatherBlockQuantized {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let table = self.table(&inputs)?;
        let indices = inputs.tensor(1, "indices")?;
        let (before, after) =
            (&table.shape[..table.gather_axis], &table.shape[table.gather_axis + 1..]);
        let shape = [before, indices.shape(), after].concat();
        let mut out = Vec::with_capacity(result_len(DType::F32, &shape)?);
        let length = table.shape[table.gather_axis];
        let inner: usize = after.iter().product();
        let places = places(indices, length)?;
        for outer in 0..before.iter().product() {
            for place in &places {
                table.extend((outer * length + place) * inner, inner, &mut out);
            }
        }
        one(match table.dtype {
            DType::F16 => Tensor::new(&shape, out.into_iter().map(f16::from_f32).collect())?,
            _ => Tensor::new(&shape, out)?,
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let data = DATA.check(inputs, 0, "data")?;
        INDICES.check(inputs, 1, "indices")?;
        let zeros = DATA.check(inputs, 3, "zero_points")?;
        match (data, zeros) {
            (Some(data), Some(zeros)) if data != zeros => {
                Err(other_type("zero_points", zeros, data))
            }
            _ => Ok(vec![SCALES.check(inputs, 2, "scales")?]),
        }
    }
}

/// The places that indices name on an axis of this length.
fn places(indices: &Tensor, length: usize) -> Result<Vec<usize>, OpError> {
    let place = |index: i64| {
        let place = if index < 0 { index + length as i64 } else { index };
        usize::try_from(place).ok().filter(|&place| place < length).ok_or_else(|| OpError::Value {
            input: "indices".into(),
            got: index.to_string(),
            expected: format!("-{length} to {}", length as i64 - 1),
        })
    };
    indices_of(indices, "indices")?.into_iter().map(place).collect()
}

/// What is gathered from.
struct Table<'a> {
    /// In numbers, not in bytes.
    shape: Vec<usize>,
    gather_axis: usize,
    numbers: Numbers<'a>,
    /// `[outer, blocks, inner]`
    scales: Vec<f32>,
    zeros: Option<Vec<f32>>,
    zero: f32,
    /// Of the quantized axis: its length, the product of the dimensions after it, and the numbers of a block.
    length: usize,
    inner: usize,
    block: usize,
    dtype: DType,
}

/// The numbers as they are stored.
enum Numbers<'a> {
    /// Bytes whose rows hold so many numbers.
    Packed(&'a [u8], Packing, usize),
    Signed(&'a [i8]),
    Unsigned(&'a [u8]),
    Float(&'a [u8], Narrow),
}

impl Numbers<'_> {
    fn get(&self, index: usize) -> f32 {
        match *self {
            Self::Packed(bytes, packing, row) => {
                let from = &bytes[index / row * packing.row_bytes(row)..];
                packing.get(from, index % row).into()
            }
            Self::Signed(numbers) => numbers[index].into(),
            Self::Unsigned(numbers) => numbers[index].into(),
            Self::Float(codes, narrow) => narrow.decode_slice(&codes[index..=index])[0],
        }
    }
}

impl GatherBlockQuantized {
    fn table<'a>(&self, inputs: &'a Inputs) -> Result<Table<'a>, OpError> {
        let (data, scales) = (inputs.tensor(0, "data")?, inputs.tensor(2, "scales")?);
        DATA.check_tensor(data, "data")?;
        SCALES.check_tensor(scales, "scales")?;
        let gather_axis = axis(self.gather_axis, data.rank())?;
        let quantize_axis = axis(self.quantize_axis, data.rank())?;
        let packed = data.dtype() == DType::U8;
        let last = data.rank() - 1;
        if packed && (quantize_axis != last || gather_axis == last) {
            let expected =
                "blocks along the last dimension and a gather along another, as data is uint8";
            return Err(wrong_shape("data", data.shape(), expected));
        }
        let mut shape = data.shape().to_vec();
        if packed {
            let count = shape[last].checked_mul(self.packing.per_byte());
            shape[last] = count.ok_or_else(|| OpError::TooLarge(shape.clone()))?;
        }
        let length = shape[quantize_axis];
        let block = if self.block == 0 { length.max(1) } else { self.block };
        let mut expected = shape.clone();
        expected[quantize_axis] = length.div_ceil(block);
        if scales.shape() != expected {
            return Err(wrong_shape("scales", scales.shape(), format!("{expected:?}")));
        }
        let blocks = expected[quantize_axis];
        Ok(Table {
            gather_axis,
            numbers: self.numbers(data, length)?,
            scales: floats(scales, "scales")?.into_owned(),
            zeros: self.zeros(inputs.optional(3)?, data, &expected, blocks)?,
            zero: if packed { self.packing.middle().into() } else { 0.0 },
            inner: shape[quantize_axis + 1..].iter().product(),
            length,
            block,
            shape,
            dtype: scales.dtype(),
        })
    }

    fn numbers<'a>(&self, tensor: &'a Tensor, row: usize) -> Result<Numbers<'a>, OpError> {
        Ok(match (tensor.dtype(), narrow(tensor.dtype())) {
            (_, Some(narrow)) => Numbers::Float(tensor.as_slice()?, narrow),
            (DType::I4, _) => Numbers::Signed(tensor.as_slice()?),
            (DType::U4, _) => Numbers::Unsigned(tensor.as_slice()?),
            _ => Numbers::Packed(tensor.as_slice()?, self.packing, row),
        })
    }

    /// The zero points, one for each scale.
    fn zeros(
        &self,
        zeros: Option<&Tensor>,
        data: &Tensor,
        scales: &[usize],
        blocks: usize,
    ) -> Result<Option<Vec<f32>>, OpError> {
        let Some(zeros) = zeros else { return Ok(None) };
        if zeros.dtype() != data.dtype() {
            return Err(other_type("zero_points", zeros.dtype(), data.dtype()));
        }
        let mut expected = scales.to_vec();
        if let (DType::U8, Some(last)) = (data.dtype(), expected.last_mut()) {
            *last = self.packing.row_bytes(*last);
        }
        if zeros.shape() != expected {
            return Err(wrong_shape("zero_points", zeros.shape(), format!("{expected:?}")));
        }
        let numbers = self.numbers(zeros, blocks)?;
        Ok(Some((0..scales.iter().product()).map(|i| numbers.get(i)).collect()))
    }
}

impl Table<'_> {
    /// Appends `count` numbers from number `start` on.
    fn extend(&self, start: usize, count: usize, out: &mut Vec<f32>) {
        let Self { length, inner, block, .. } = *self;
        let blocks = length.div_ceil(block);
        out.extend((start..start + count).map(|index| {
            let (outer, rest) = (index / (length * inner), index % (length * inner));
            let place = (outer * blocks + rest / inner / block) * inner + rest % inner;
            let zero = self.zeros.as_ref().map_or(self.zero, |zeros| zeros[place]);
            (self.numbers.get(index) - zero) * self.scales[place]
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, floats, ints, node_in, tensor};

    #[test]
    fn bytes_hold_two_numbers_less_8() {
        let data: Vec<u8> = (0..16).map(|i| if i < 8 { 0x98 } else { 0xba }).collect();
        let case = node_in(DEF.names[0]).int("block_size", 16);
        let y = case.run([tensor(&[2, 8], &data), ints(&[1, 0]), floats(&[2, 1], &[1.0, 0.5])]);
        let want: Vec<f32> =
            (0..32).map(|i| if i < 16 { [1.0, 1.5] } else { [0.0, 1.0] }[i % 2]).collect();
        assert_tensor(&y, &floats(&[2, 16], &want));
    }

    #[test]
    fn blocks_may_run_along_any_axis_of_narrow_integers() {
        let data =
            Tensor::with_dtype(DType::I4, &[17, 2], (0..34).map(|i| (i % 8) as i8).collect())
                .unwrap();
        let case = node_in(DEF.names[0])
            .int("block_size", 16)
            .int("quantize_axis", 0)
            .int("gather_axis", 1);
        let scales = floats(&[2, 2], &[1.0, 2.0, 4.0, 8.0]);
        let y = case.run([data, Tensor::scalar(-1i64), scales]);
        let want: Vec<f32> =
            (0..17).map(|i| ((2 * i + 1) % 8) as f32 * if i < 16 { 2.0 } else { 8.0 }).collect();
        assert_tensor(&y, &floats(&[17], &want));
    }

    #[test]
    fn an_index_beyond_the_axis_is_an_error() {
        let error = node_in(DEF.names[0]).int("block_size", 16).error([
            tensor(&[2, 8], &[0u8; 16]),
            ints(&[2]),
            floats(&[2, 1], &[1.0, 0.5]),
        ]);
        assert_eq!(error, "indices is 2, expected -2 to 1");
    }
}
