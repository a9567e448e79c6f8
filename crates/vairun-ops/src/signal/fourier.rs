//! The discrete Fourier transform in float64.

use std::f64::consts::TAU;

/// A complex number: real and imaginary part.
pub(super) type Complex = [f64; 2];

/// `Σ x[n] · e^(∓2πi·k·n/N)`, without a factor: by halves as long as the length is even, then by the sum itself.
pub(super) fn transform(x: &[Complex], inverse: bool) -> Vec<Complex> {
    let n = x.len();
    let sign = if inverse { 1.0 } else { -1.0 };
    let roots: Vec<Complex> = (0..n)
        .map(|k| {
            // Quarters of a turn are exact.
            if (4 * k).is_multiple_of(n) {
                return [[1.0, 0.0], [0.0, sign], [-1.0, 0.0], [0.0, -sign]][4 * k / n];
            }
            let angle = sign * TAU * k as f64 / n as f64;
            [libm::cos(angle), libm::sin(angle)]
        })
        .collect();
    by_halves(x, 0, 1, n, &roots)
}

/// The transform of the `length` elements from `start` on, `step` apart.
fn by_halves(
    x: &[Complex],
    start: usize,
    step: usize,
    length: usize,
    roots: &[Complex],
) -> Vec<Complex> {
    if length % 2 == 1 || length < 4 {
        return directly(x, start, step, length, roots);
    }
    let half = length / 2;
    let even = by_halves(x, start, 2 * step, half, roots);
    let odd = by_halves(x, start + step, 2 * step, half, roots);
    let mut y = vec![[0.0; 2]; length];
    for k in 0..half {
        let turned = times(odd[k], roots[k * step]);
        y[k] = [even[k][0] + turned[0], even[k][1] + turned[1]];
        y[k + half] = [even[k][0] - turned[0], even[k][1] - turned[1]];
    }
    y
}

fn directly(
    x: &[Complex],
    start: usize,
    step: usize,
    length: usize,
    roots: &[Complex],
) -> Vec<Complex> {
    let term = |k: usize, n: usize| times(x[start + n * step], roots[k * n % length * step]);
    let sum = |k: usize| {
        (0..length).map(|n| term(k, n)).fold([0.0; 2], |sum, x| [sum[0] + x[0], sum[1] + x[1]])
    };
    (0..length).map(sum).collect()
}

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_for_lengths_of_all_kinds() {
        for n in [1, 2, 3, 4, 6, 7, 8, 12, 100] {
            let x: Vec<Complex> = (0..n).map(|i| [i as f64, (i * i % 5) as f64]).collect();
            let back = transform(&transform(&x, false), true);
            for (x, y) in x.iter().zip(&back) {
                let off = (y[0] / n as f64 - x[0]).abs() + (y[1] / n as f64 - x[1]).abs();
                assert!(off < 1e-10, "{n}: {off}");
            }
        }
    }

    #[test]
    fn a_constant_has_one_frequency() {
        assert_eq!(transform(&[[1.0, 0.0]; 4], false), [[4.0, 0.0], [0.0; 2], [0.0; 2], [0.0; 2]]);
    }
}
