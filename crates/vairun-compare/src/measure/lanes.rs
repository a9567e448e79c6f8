//! Elements of any type as f64, a block at a time.

use half::{bf16, f16};
use vairun_tensor::{Carrier, DType, Element, Tensor};

/// The elements from `start` on as f64, as many as `out` has. Strings are not numbers: `None`.
///
/// 64-bit integers beyond 2^53 lose their last bits here; [`delta`] does not.
pub(crate) fn fill(tensor: &Tensor, start: usize, out: &mut [f64]) -> Option<()> {
    match tensor.dtype() {
        DType::F8E4M3FN
        | DType::F8E4M3FNUZ
        | DType::F8E5M2
        | DType::F8E5M2FNUZ
        | DType::F8E8M0
        | DType::F4E2M1 => {
            let table = narrow_table(tensor.dtype());
            convert::<u8>(tensor, start, out, |bits| table[usize::from(bits)])
        }
        _ => fill_carrier(tensor, start, out),
    }
}

fn fill_carrier(tensor: &Tensor, start: usize, out: &mut [f64]) -> Option<()> {
    match tensor.dtype().carrier() {
        Carrier::Bool => convert::<bool>(tensor, start, out, |x| f64::from(u8::from(x))),
        Carrier::I8 => convert::<i8>(tensor, start, out, f64::from),
        Carrier::I16 => convert::<i16>(tensor, start, out, f64::from),
        Carrier::I32 => convert::<i32>(tensor, start, out, f64::from),
        Carrier::I64 => convert::<i64>(tensor, start, out, |x| x as f64),
        Carrier::U8 => convert::<u8>(tensor, start, out, f64::from),
        Carrier::U16 => convert::<u16>(tensor, start, out, f64::from),
        Carrier::U32 => convert::<u32>(tensor, start, out, f64::from),
        Carrier::U64 => convert::<u64>(tensor, start, out, |x| x as f64),
        Carrier::F16 => convert::<f16>(tensor, start, out, f16::to_f64),
        Carrier::BF16 => convert::<bf16>(tensor, start, out, bf16::to_f64),
        Carrier::F32 => convert::<f32>(tensor, start, out, f64::from),
        Carrier::F64 => convert::<f64>(tensor, start, out, |x| x),
        Carrier::String => None,
    }
}

fn convert<T: Element + Copy>(
    tensor: &Tensor,
    start: usize,
    out: &mut [f64],
    f: impl Fn(T) -> f64,
) -> Option<()> {
    let data = &tensor.as_slice::<T>().ok()?[start..start + out.len()];
    out.iter_mut().zip(data).for_each(|(out, &x)| *out = f(x));
    Some(())
}

/// `got - want` for the block that starts at `start`; `got` and `want` hold it as f64 already.
///
/// Differences of 64-bit integers are exact, so that two that share their first 53 bits still differ.
pub(crate) fn delta(
    tensors: (&Tensor, &Tensor),
    start: usize,
    (got, want): (&[f64], &[f64]),
    out: &mut [f64],
) {
    let wide = |tensor: &Tensor| matches!(tensor.dtype().carrier(), Carrier::I64 | Carrier::U64);
    if wide(tensors.0) && wide(tensors.1) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = (integer(tensors.0, start + i) - integer(tensors.1, start + i)) as f64;
        }
        return;
    }
    out.iter_mut().zip(got.iter().zip(want)).for_each(|(out, (got, want))| *out = got - want);
}

fn integer(tensor: &Tensor, index: usize) -> i128 {
    match (tensor.as_slice::<i64>(), tensor.as_slice::<u64>()) {
        (Ok(data), _) => data[index].into(),
        (_, Ok(data)) => data[index].into(),
        _ => unreachable!("asked only for 64-bit integers"),
    }
}

/// All the elements as f64; `None` for strings.
pub(crate) fn to_f64(tensor: &Tensor) -> Option<Vec<f64>> {
    let mut out = vec![0.0; tensor.len()];
    fill(tensor, 0, &mut out)?;
    Some(out)
}

/// The numbers that the 8-bit and 4-bit float types stand for, by their bits.
///
/// Source: the ONNX documents "Float stored in 8 bits" and "Float stored in 4 bits" (v1.19).
fn narrow_table(dtype: DType) -> [f64; 256] {
    std::array::from_fn(|bits| narrow(dtype, bits as u8))
}

fn narrow(dtype: DType, bits: u8) -> f64 {
    let float = |exponent_bits: u32, mantissa_bits: u32, bias: i32| {
        let mantissa =
            f64::from(bits & ((1 << mantissa_bits) - 1)) / f64::from(1u32 << mantissa_bits);
        let exponent = i32::from(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
        let sign = if bits >> (exponent_bits + mantissa_bits) & 1 == 1 { -1.0 } else { 1.0 };
        sign * if exponent == 0 {
            mantissa * 2f64.powi(1 - bias)
        } else {
            (1.0 + mantissa) * 2f64.powi(exponent - bias)
        }
    };
    match (dtype, bits) {
        (DType::F8E4M3FN, 0x7f | 0xff) | (DType::F8E4M3FNUZ | DType::F8E5M2FNUZ, 0x80) => f64::NAN,
        (DType::F8E5M2, 0x7c) => f64::INFINITY,
        (DType::F8E5M2, 0xfc) => f64::NEG_INFINITY,
        (DType::F8E5M2, 0x7d..=0x7f | 0xfd..=0xff) | (DType::F8E8M0, 0xff) => f64::NAN,
        (DType::F8E4M3FN, _) => float(4, 3, 7),
        (DType::F8E4M3FNUZ, _) => float(4, 3, 8),
        (DType::F8E5M2, _) => float(5, 2, 15),
        (DType::F8E5M2FNUZ, _) => float(5, 2, 16),
        (DType::F8E8M0, _) => 2f64.powi(i32::from(bits) - 127),
        _ => float(2, 1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_floats_read_by_their_definition() {
        for (dtype, bits, want) in [
            (DType::F8E4M3FN, 0x7e, 448.0),
            (DType::F8E4M3FN, 0x01, 2f64.powi(-9)),
            (DType::F8E4M3FNUZ, 0x7f, 240.0),
            (DType::F8E5M2, 0x7b, 57344.0),
            (DType::F8E5M2, 0xfc, f64::NEG_INFINITY),
            (DType::F8E5M2FNUZ, 0x7f, 57344.0),
            (DType::F8E8M0, 127, 1.0),
            (DType::F4E2M1, 0b0111, 6.0),
            (DType::F4E2M1, 0b1001, -0.5),
        ] {
            let got = narrow(dtype, bits);
            assert!(got == want, "{dtype} {bits:#x} = {got}, expected {want}");
        }
        assert!(narrow(DType::F8E4M3FN, 0xff).is_nan());
        assert!(narrow(DType::F8E4M3FNUZ, 0x80).is_nan());
    }

    #[test]
    fn differences_of_wide_integers_keep_their_last_bit() {
        let got = Tensor::vector(vec![(1i64 << 53) + 1]);
        let want = Tensor::vector(vec![1i64 << 53]);
        let mut out = [0.0];
        delta((&got, &want), 0, (&[0.0], &[0.0]), &mut out);
        assert_eq!(out, [1.0]);
    }
}
