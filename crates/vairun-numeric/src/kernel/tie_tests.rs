//! Every instruction set where numbers lie on ties, and next to them.

use super::*;
use crate::round::Round;

/// All halves up to 300, some of the largest that a quantizer rounds, and the numbers around them, of both signs.
pub(super) fn near_ties() -> Vec<f32> {
    let halves =
        (0..600).chain((0..20).map(|i| 4_194_000 + i * 15)).chain([1 << 22, (1 << 22) + 3]);
    halves
        .map(|halves| halves as f32 / 2.0)
        .flat_map(|x| [x, x.next_up(), x.next_down(), x + 0.25])
        .flat_map(|x| [x, -x])
        .collect()
}

const CHANNELS: usize = 21;
/// Sums from `-SUMS / 2` on.
const SUMS: i32 = 1600;

/// The quantizers of a step: every rule, with the zero point behind the rounding and before it.
fn narrows(scale: f32) -> impl Iterator<Item = Narrow> {
    let of = move |round, zero_inside| {
        Narrow::new(NarrowParts { scale, zero: 100, low: 3, high: 250, round, zero_inside })
    };
    Round::ALL.into_iter().flat_map(move |round| [of(round, None), of(round, Some(100))]).flatten()
}

/// Results `[sums, channels]` of a product whose sums are all of them, and of a depthwise convolution with the same.
fn run(isa: Isa, finish: &Finish, element: Element) -> [Vec<u8>; 2] {
    let sums: Vec<i16> = (-SUMS / 2..SUMS / 2).map(|sum| sum as i16).collect();
    let rows = || Rows::matrix(sums.len()).unwrap();
    let weights = Weights::new(element, CHANNELS, 1, 1, &[1; CHANNELS]).unwrap();
    let product = Product::new(vec![weights], 1, rows(), 0, finish.clone(), isa);
    let weights = [1; CHANNELS];
    let depthwise = Depthwise::new(element, &weights, rows(), 0, finish.clone(), isa).unwrap();
    let spread: Vec<i16> = sums.iter().flat_map(|&sum| [sum; CHANNELS]).collect();
    let mut out = [(); 2].map(|()| vec![0u8; sums.len() * CHANNELS]);
    let [by_product, by_depthwise] = &mut out;
    match element {
        Element::Word => {
            let x: Vec<i16> = sums.iter().copied().chain([0; 2]).collect();
            product.run(Codes::I16(&x), 1, Written::U8(by_product), CHANNELS, 1);
            depthwise.run(Codes::I16(&spread), Written::U8(by_depthwise), 1);
        }
        Element::Byte => {
            let bytes = |x: &[i16]| x.iter().map(|&x| x as u8).collect::<Vec<_>>();
            let x = [bytes(&sums), vec![0; 4]].concat();
            product.run(Codes::U8(&x), 1, Written::U8(by_product), CHANNELS, 1);
            depthwise.run(Codes::U8(&bytes(&spread)), Written::U8(by_depthwise), 1);
        }
    }
    out
}

/// Scales of which many sums are ties of the step, exactly or up to a rounding.
fn scales(step: f32) -> Vec<f32> {
    (0..CHANNELS)
        .map(|c| match c % 3 {
            0 => step * 0.5,
            1 => (step * 0.125 * c as f32).next_up(),
            _ => 0.0517 * c as f32,
        })
        .collect()
}

#[test]
fn ties_are_rounded_by_the_rule() {
    for (step, with_bias) in [(0.25, false), (0.37, false), (0.25, true), (0.37, true)] {
        let scale = scales(step);
        let bias = with_bias.then(|| (0..CHANNELS).map(|c| c as f32 * step / 4.0).collect());
        for narrow in narrows(step) {
            let output = Output::Codes8(narrow);
            let finish = Finish::new(vec![0; CHANNELS], scale.clone(), bias.clone(), output);
            for element in [Element::Word, Element::Byte] {
                let code = |sum: i32| match element {
                    Element::Word => sum,
                    Element::Byte => i32::from(sum as u8),
                };
                let part = finish.from(0);
                let codes = |sum| (0..CHANNELS).map(move |c| narrow.code(part.real(c, sum)) as u8);
                let expected: Vec<u8> =
                    (-SUMS / 2..SUMS / 2).flat_map(|sum| codes(code(sum))).collect();
                for isa in Isa::available() {
                    for (kernel, out) in
                        ["product", "depthwise"].iter().zip(run(isa, &finish, element))
                    {
                        assert!(
                            out == expected,
                            "{isa} {kernel} {element:?} {narrow:?} bias {with_bias}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn numbers_near_ties_become_the_codes_of_the_rule() {
    for step in [0.25f32, 0.37] {
        let numbers: Vec<f32> =
            near_ties().into_iter().flat_map(|x| [x * step, (x * step).next_up()]).collect();
        for narrow in narrows(step) {
            let expected: Vec<u8> = numbers.iter().map(|&x| narrow.code(x) as u8).collect();
            for isa in Isa::available() {
                let mut out = vec![0u8; numbers.len()];
                quantize(isa, &narrow, &numbers, &mut out);
                assert!(out == expected, "{isa} {narrow:?}");
            }
        }
    }
}
