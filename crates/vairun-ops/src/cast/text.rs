//! Numbers as text and text as numbers.
//!
//! Source: `CastToString` and `CastFromString` in onnxruntime 1.32 `core/providers/cpu/tensor/cast_op.cc`: `%.8g` for
//! float32, `%.17g` for float64, NaN and infinities as `NaN`, `INF`, `-INF`; true is `1`.

use vairun_tensor::{DType, Tensor, bf16, f16};

use crate::error::OpError;

/// A number that has a text.
pub(crate) trait Written {
    fn text(&self) -> String;
}

macro_rules! integers {
    ($($rust:ty),*) => {$(
        impl Written for $rust {
            fn text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

integers! { i8, i16, i32, i64, u8, u16, u32, u64 }

impl Written for bool {
    fn text(&self) -> String {
        u8::from(*self).to_string()
    }
}

impl Written for f32 {
    fn text(&self) -> String {
        general(f64::from(*self), 8)
    }
}

impl Written for f64 {
    fn text(&self) -> String {
        general(*self, 17)
    }
}

impl Written for f16 {
    fn text(&self) -> String {
        self.to_f32().text()
    }
}

impl Written for bf16 {
    fn text(&self) -> String {
        self.to_f32().text()
    }
}

/// C's `%.{digits}g`.
fn general(x: f64, digits: usize) -> String {
    if x.is_nan() {
        return "NaN".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "INF" } else { "-INF" }.into();
    }
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..digits as i32).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        return without_zeros(&format!("{x:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs())
}

fn without_zeros(number: &str) -> String {
    if !number.contains('.') {
        return number.into();
    }
    number.trim_end_matches('0').trim_end_matches('.').into()
}

/// The texts of numbers.
pub(super) fn write<T: Written>(x: &[T], shape: &[usize]) -> Result<Tensor, OpError> {
    Ok(Tensor::new(shape, x.iter().map(Written::text).collect())?)
}

/// Texts as integers; fractions are dropped.
pub(super) fn integers(texts: &[String], to: DType) -> Result<Vec<i64>, OpError> {
    let read = |text: &String| {
        let trimmed = text.trim();
        let whole = trimmed.parse::<i64>().ok();
        let wide = || trimmed.parse::<u64>().ok().map(|x| x as i64);
        let real = || Some(trimmed.parse::<f64>().ok().filter(|x| x.is_finite())? as i64);
        whole.or_else(wide).or_else(real).ok_or_else(|| no_number(text, to))
    };
    texts.iter().map(read).collect()
}

/// Texts as floating-point numbers.
pub(super) fn floats(texts: &[String], to: DType) -> Result<Vec<f64>, OpError> {
    let read = |text: &String| text.trim().parse::<f64>().map_err(|_| no_number(text, to));
    texts.iter().map(read).collect()
}

fn no_number(text: &str, to: DType) -> OpError {
    OpError::Value {
        input: "input".into(),
        got: format!("{text:?}"),
        expected: format!("the text of a number, to be {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_c_prints_eight_digits() {
        for (x, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e-5, "9.9999997e-06"),
            (123456789.0, "1.2345679e+08"),
            (12345678.0, "12345678"),
            (f32::INFINITY, "INF"),
            (-1.5, "-1.5"),
        ] {
            assert_eq!(x.text(), want);
        }
        assert_eq!(0.1f64.text(), "0.10000000000000001");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(integers(&["-7".into(), "1.9".into()], DType::I64).unwrap(), [-7, 1]);
        assert!(floats(&["inf".into()], DType::F32).unwrap()[0].is_infinite());
        let error = floats(&["seven".into()], DType::F32).unwrap_err().to_string();
        assert_eq!(error, "input is \"seven\", expected the text of a number, to be float32");
    }
}
