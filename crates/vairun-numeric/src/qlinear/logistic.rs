// The digits are those of the source; float32 holds fewer.
#![allow(clippy::excessive_precision, clippy::unreadable_literal)]

const LOGISTIC_P: [f32; 5] = [
    4.37031012579801e-11,
    1.15627324459942e-07,
    6.08574864600143e-05,
    8.51377133304701e-03,
    2.48287947061529e-01,
];
const LOGISTIC_Q: [f32; 6] = [
    6.10247389755681e-13,
    5.76102136993427e-09,
    6.29106785017040e-06,
    1.70198817374094e-03,
    1.16817656904453e-01,
    9.93151921023180e-01,
];
const TANH_P: [f32; 7] = [
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
];
const TANH_Q: [f32; 4] =
    [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03];

/// onnxruntime's logistic function: a quotient of two polynomials, each step a fused multiply-add.
///
/// NaN stays NaN. It is off from the real function by some units in the last place; codes near a border depend on them.
///
/// Source: `MlasComputeLogistic`, `core/mlas/lib/logistic.cpp` and its FMA3 form, of onnxruntime 1.28.
#[inline(always)]
pub fn logistic(x: f32) -> f32 {
    let x = clamped(x, 18.0);
    let square = x * x;
    let (p, q) = (horner(square, LOGISTIC_P), horner(square, LOGISTIC_Q));
    let y = p * x / q + 0.5;
    let y = if y > 1.0 { 1.0 } else { y };
    if y < 0.0 { 0.0 } else { y }
}

/// onnxruntime's hyperbolic tangent, of the same kind.
///
/// Source: `MlasComputeTanh`, `core/mlas/lib/tanh.cpp` and its FMA3 form, of onnxruntime 1.28.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let x = clamped(x, 9.0);
    let square = x * x;
    let (p, q) = (horner(square, TANH_P), horner(square, TANH_Q));
    p * x / q
}

/// Numbers that one vector holds.
const LANES: usize = 8;

/// [`logistic`] of each, in vectors where the caller is compiled for them.
#[inline(always)]
pub(crate) fn logistic_all(x: &mut [f32]) {
    let (blocks, rest) = x.as_chunks_mut::<LANES>();
    for block in blocks {
        let x = block.map(|x| clamped(x, 18.0));
        let square = x.map(|x| x * x);
        let (p, q) = (horner_all(square, LOGISTIC_P), horner_all(square, LOGISTIC_Q));
        for i in 0..LANES {
            let y = p[i] * x[i] / q[i] + 0.5;
            let y = if y > 1.0 { 1.0 } else { y };
            block[i] = if y < 0.0 { 0.0 } else { y };
        }
    }
    rest.iter_mut().for_each(|x| *x = logistic(*x));
}

/// [`tanh`] of each.
#[inline(always)]
pub(crate) fn tanh_all(x: &mut [f32]) {
    let (blocks, rest) = x.as_chunks_mut::<LANES>();
    for block in blocks {
        let x = block.map(|x| clamped(x, 9.0));
        let square = x.map(|x| x * x);
        let (p, q) = (horner_all(square, TANH_P), horner_all(square, TANH_Q));
        for i in 0..LANES {
            block[i] = p[i] * x[i] / q[i];
        }
    }
    rest.iter_mut().for_each(|x| *x = tanh(*x));
}

/// [`horner`] of each: loops of the length of a vector become one.
#[inline(always)]
fn horner_all<const N: usize>(x: [f32; LANES], coefficients: [f32; N]) -> [f32; LANES] {
    let mut sums = [coefficients[0]; LANES];
    for next in &coefficients[1..] {
        for (sum, x) in sums.iter_mut().zip(&x) {
            *sum = sum.mul_add(*x, *next);
        }
    }
    sums
}

/// NaN stays.
#[inline(always)]
fn clamped(x: f32, bound: f32) -> f32 {
    let x = if x < -bound { -bound } else { x };
    if x > bound { bound } else { x }
}

#[inline(always)]
fn horner<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let [first, rest @ ..] = &coefficients[..] else { return 0.0 };
    rest.iter().fold(*first, |sum, &next| sum.mul_add(x, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_near_the_real_functions() {
        for i in -4000..4000i16 {
            let x = f32::from(i) / 200.0;
            let wide = f64::from(x);
            assert!((f64::from(logistic(x)) - 1.0 / (1.0 + (-wide).exp())).abs() < 3e-7, "{x}");
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 6e-7, "{x}");
        }
    }

    #[test]
    fn many_are_those_of_each() {
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-40];
        let x: Vec<f32> = (-300..300).map(|i| i as f32 / 13.0).chain(special).collect();
        for (all, each) in
            [(logistic_all as fn(&mut [f32]), logistic as fn(f32) -> f32), (tanh_all, tanh)]
        {
            let mut y = x.clone();
            all(&mut y);
            let bits = |x: f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
            assert!(y.iter().zip(&x).all(|(&y, &x)| bits(y) == bits(each(x))));
        }
    }

    #[test]
    fn a_few_results_of_onnxruntime() {
        // Session of one node, onnxruntime 1.32.0, x86-64.
        for (x, bits) in LOGISTIC {
            assert_eq!(logistic(x).to_bits(), bits, "logistic({x})");
        }
        for (x, bits) in TANH {
            assert_eq!(tanh(x).to_bits(), bits, "tanh({x})");
        }
        assert!(logistic(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }

    const LOGISTIC: [(f32, u32); 11] = [
        (0.0, 0x3f00_0000),
        (1e-30, 0x3f00_0000),
        (-0.3, 0x3ed9_e2ac),
        (0.7, 0x3f2b_0e5a),
        (-1.9, 0x3e05_3b26),
        (3.3, 0x3f76_e4cf),
        (-7.25, 0x3a3a_0800),
        (12.5, 0x3f7f_ffc2),
        (-17.9, 0x3300_0000),
        (25.0, 0x3f80_0000),
        (-40.0, 0x0000_0000),
    ];
    const TANH: [(f32, u32); 11] = [
        (0.0, 0x0000_0000),
        (1e-30, 0x0da2_425f),
        (-0.3, 0xbe95_26ed),
        (0.7, 0x3f1a_b7d9),
        (-1.9, 0xbf74_cbfb),
        (3.3, 0x3f7f_4def),
        (-7.25, 0xbf7f_fff0),
        (12.5, 0x3f80_0000),
        (-17.9, 0xbf80_0000),
        (25.0, 0x3f80_0000),
        (-40.0, 0xbf80_0000),
    ];
}
