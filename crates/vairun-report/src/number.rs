//! Numbers for readers.

/// Four significant digits; `inf`, `NaN` in words.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    if (-4.0..6.0).contains(&magnitude) {
        let decimals = (3.0 - magnitude).max(0.0) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        format!("{value:.2e}")
    }
}

/// A share in percent with three decimals, never rounded up to 100.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if part == whole {
        return "100".to_owned();
    }
    // Rounded down, so that only what is equal reads 100.
    let thousandths = u128::from(part) * 100_000 / u128::from(whole.max(1));
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// Six decimals, never rounded up to 1.
pub(crate) fn cosine(value: f64) -> String {
    if value < 1.0 && value > 0.9999995 {
        return "0.999999".to_owned();
    }
    format!("{value:.6}")
}

/// Thousands apart: `1 048 576`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 tensor`, `2 tensors`.
pub(crate) fn plural(value: usize, noun: &str) -> String {
    format!("{value} {noun}{}", if value == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_prettier_than_they_are() {
        assert_eq!(short(0.000123456), "0.0001235");
        assert_eq!(short(2.0), "2");
        assert_eq!(short(1234567.0), "1.23e6");
        assert_eq!(short(f64::INFINITY), "inf");
        assert_eq!(percent(999_999_999, 1_000_000_000), "99.999");
        assert_eq!(percent(5, 5), "100");
        assert_eq!(cosine(0.99999999), "0.999999");
        assert_eq!(count(1048576), "1 048 576");
        assert_eq!(plural(1, "tensor"), "1 tensor");
    }
}
