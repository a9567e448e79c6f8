use super::code::Code;

/// `out[i] += codes[i] · multiplier`, in the type of the sums; the caller knows that it does not overflow.
pub fn accumulate<T: Code, S: Code>(out: &mut [S], codes: &[T], multiplier: i64) {
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = S::narrow(out.widen() + code.widen() * multiplier);
    }
}

/// `out[i] = choice(out[i], codes[i] · multiplier)`.
pub fn choose<T: Code, S: Code>(
    out: &mut [S],
    codes: &[T],
    multiplier: i64,
    choice: impl Fn(i64, i64) -> i64,
) {
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = S::narrow(choice(out.widen(), code.widen() * multiplier));
    }
}

/// `a[i] · b[i] / divisor`; the caller knows that the divisor divides every product and that none overflows.
pub fn multiply<T: Code, U: Code>(a: &[T], b: &[U], divisor: i64) -> Vec<i64> {
    let product = |(a, b): (&T, &U)| a.widen() * b.widen();
    match divisor {
        1 => a.iter().zip(b).map(product).collect(),
        _ => a
            .iter()
            .zip(b)
            .map(|pair| {
                let product = product(pair);
                debug_assert_eq!(product % divisor, 0, "the divisor divides every product");
                product / divisor
            })
            .collect(),
    }
}
