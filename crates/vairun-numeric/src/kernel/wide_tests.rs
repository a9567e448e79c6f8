//! Sums that 32 bits cannot hold, and operations on codes, for every instruction set.

use super::*;
use crate::linear;
use crate::qlinear;
use crate::round::Round;

const CHANNELS: usize = 8;
const OUT: usize = 19;
const PIXELS: usize = 5;

fn narrow() -> Narrow {
    let (round, zero_inside) = (Round::HalfEven, None);
    let parts = NarrowParts { scale: 0.37, zero: 100, low: 3, high: 250, round, zero_inside };
    Narrow::new(parts).unwrap()
}

fn weights(i: usize) -> i16 {
    (i * 89 % 255) as i16 - 127
}

/// The outputs of `run` as codes of 8 bits and as numbers.
fn outputs(run: impl Fn(Output, Written)) -> (Vec<u8>, Vec<u32>) {
    let (mut codes, mut numbers) = (vec![0; PIXELS * OUT], vec![0f32; PIXELS * OUT]);
    run(Output::Codes8(narrow()), Written::U8(&mut codes));
    run(Output::Real, Written::F32(&mut numbers));
    (codes, numbers.into_iter().map(f32::to_bits).collect())
}

fn expected(numbers: &[f32]) -> (Vec<u8>, Vec<u32>) {
    let codes = numbers.iter().map(|&x| narrow().code(x) as u8);
    (codes.collect(), numbers.iter().map(|x| x.to_bits()).collect())
}

#[test]
fn a_sum_is_shifted_and_its_fine_bias_added_before_the_only_rounding() {
    let x: Vec<u8> = (0..PIXELS * CHANNELS + 4).map(|i| (i * 37 % 251) as u8).collect();
    let w: Vec<i16> = (0..OUT * CHANNELS).map(weights).collect();
    let term = |o: usize| (1i64 << 31) + 12_345_677 * o as i64;
    let scale = |o: usize| 1e-11 * (o + 1) as f32;
    let number = |i: usize| {
        let (pixel, o) = (i / OUT, i % OUT);
        let term_of =
            |c: usize| i64::from(x[pixel * CHANNELS + c]) * i64::from(w[o * CHANNELS + c]);
        let sum: i64 = (0..CHANNELS).map(term_of).sum();
        ((sum << 17) + term(o)) as f32 * scale(o)
    };
    let want = expected(&(0..PIXELS * OUT).map(number).collect::<Vec<_>>());
    for isa in Isa::available() {
        let got = outputs(|output, out| {
            let weights = Weights::new(Element::Byte, OUT, 1, CHANNELS, &w).unwrap();
            let finish = Finish::new(vec![0; OUT], (0..OUT).map(scale).collect(), None, output);
            let terms = (0..OUT).map(|o| term(o) as f64).collect();
            let finish = finish.widened(vec![131_072.0; OUT], terms);
            let rows = Rows::matrix(PIXELS).unwrap();
            let product = Product::new(vec![weights], CHANNELS, rows, 0, finish, isa);
            product.run(Codes::U8(&x), CHANNELS, out, OUT, 1);
        });
        assert_eq!(got, want, "{isa}");
    }
}

#[test]
fn a_sum_that_leaves_32_bits_is_split_by_channels_and_digits() {
    let x: Vec<i16> = (0..PIXELS * CHANNELS + 4).map(|i| 32_767 - (i * 37 % 251) as i16).collect();
    let w: Vec<i16> = (0..OUT * CHANNELS).map(|i| 16_000 + weights(i)).collect();
    let scale = |o: usize| if o.is_multiple_of(2) { 1e-8 } else { -1e-8 } * (o + 1) as f32;
    let slope = |o: usize| 0.7 - o as f32 / 9.0;
    let number = |i: usize| {
        let (pixel, o) = (i / OUT, i % OUT);
        let term = |c: usize| i64::from(x[pixel * CHANNELS + c]) * i64::from(w[o * CHANNELS + c]);
        (0..CHANNELS).map(term).sum::<i64>() as f32 * scale(o)
    };
    let numbers: Vec<f32> = (0..PIXELS * OUT).map(number).collect();
    let below = |(i, &x): (usize, &f32)| if x < 0.0 { x * slope(i % OUT) } else { x };
    let sloped: Vec<f32> = numbers.iter().enumerate().map(below).collect();
    assert_ne!(numbers, sloped);
    let wants = [expected(&numbers), expected(&sloped)];
    let ways = [(4, 1), (1, 2), (2, 2)];
    let cases = Isa::available().flat_map(|isa| ways.map(|way| (isa, way)));
    for (isa, (parts, digits)) in cases {
        let width = CHANNELS / parts;
        let got = [false, true].map(|sloped| {
            outputs(|output, out| {
                let groups = (0..parts).map(|part| {
                    let digit = |d: usize| {
                        let part =
                            w.chunks(CHANNELS).flat_map(move |w| &w[width * part..][..width]);
                        part.map(move |&w| Split::digit(w, d, digits))
                    };
                    let w: Vec<i16> = (0..digits).flat_map(digit).collect();
                    Weights::new(Element::Word, digits * OUT, 1, width, &w).unwrap()
                });
                let count = parts * digits * OUT;
                let sums = Finish::new(vec![0; count], vec![1.0; count], None, Output::Sums);
                let rows = Rows::matrix(PIXELS).unwrap();
                let product = Product::new(groups.collect(), width, rows, 0, sums, isa);
                let finish = Finish::new(vec![0; OUT], (0..OUT).map(scale).collect(), None, output);
                let finish = finish.widened(vec![1.0; OUT], vec![0.0; OUT]);
                let split = Split::new(product, digits, finish, isa);
                let split = match sloped {
                    true => split.sloped((0..OUT).map(slope).collect()),
                    false => split,
                };
                split.run(Codes::I16(&x), CHANNELS, out, 1);
            })
        });
        assert_eq!(got, wants, "{isa}, {parts} parts, {digits} digits");
    }
}

#[test]
fn operations_on_codes_are_those_of_the_operators() {
    let a: Vec<u8> = (0..1 << 16).map(|i| (i >> 8) as u8).collect();
    let b: Vec<u8> = (0..1 << 16).map(|i| (i & 255) as u8).collect();
    let grid = |scale, zero_point| linear::Grid { scale, zero_point };
    let (x, y, z) = (grid(0.037, 121), grid(0.25, 3), grid(0.11, 130));
    for binary in
        [qlinear::Binary::<u8>::add(x, y, z, (0, 255)), qlinear::Binary::mul(x, y, z, (0, 255))]
    {
        let mut want = Vec::new();
        binary.extend(&a, &b, &mut want);
        let (operation, zeros) = binary.operation();
        let round = Round::HalfEven;
        let parts =
            NarrowParts { scale: 1.0, zero: 0, low: 0, high: 255, round, zero_inside: None };
        let narrow = Narrow::new(parts).unwrap();
        let grids = zeros.map(|zero| Grid { scale: 1.0, zero });
        for isa in Isa::available() {
            let mut got = vec![0u8; a.len()];
            Binary { operation, grids, narrow }.run(isa, &a, &b, &mut got);
            assert!(got == want, "{isa} {operation:?}");
            let operation = operation.swapped().unwrap();
            let grids = [grids[1], grids[0]];
            Binary { operation, grids, narrow }.run(isa, &b, &a, &mut got);
            assert!(got == want, "{isa} {operation:?}");
        }
    }
}

/// Scales whose sums lie on ties, beside them, and far beyond the range.
#[test]
fn every_sum_of_two_bytes_has_the_code_of_the_definition() {
    let a: Vec<u8> = (0..1 << 16).map(|i| (i >> 8) as u8).collect();
    let b: Vec<u8> = (0..1 << 16).map(|i| (i & 255) as u8).collect();
    let next = |x: f32| f32::from_bits(x.to_bits() + 1);
    let step = 0.37;
    let halves = [0.5 * step, next(0.5 * step), 1.5 * step, 0.005, 0.74, 0.9, 3.0];
    let scales = halves.iter().flat_map(|&x| halves.map(|y| (x, y)));
    for (i, (x, y)) in scales.enumerate() {
        let grids = [Grid { scale: x, zero: 128 }, Grid { scale: y, zero: [0, 77, 255][i % 3] }];
        let round = [Round::HalfEven, Round::HalfUp, Round::HalfAway][i % 3];
        let parts =
            NarrowParts { scale: step, zero: 100, low: 3, high: 250, round, zero_inside: None };
        let narrow = Narrow::new(parts).unwrap();
        for operation in [Operation::Add, Operation::Subtract] {
            let real = |(&a, &b): (&u8, &u8)| {
                operation.apply(grids[0].real(a.into()), grids[1].real(b.into()))
            };
            let want: Vec<u8> =
                a.iter().zip(&b).map(|pair| narrow.code(real(pair)) as u8).collect();
            for isa in Isa::available() {
                let mut got = vec![0u8; a.len()];
                Binary { operation, grids, narrow }.run(isa, &a, &b, &mut got);
                assert!(got == want, "{isa} {operation:?} of {grids:?}, {round:?}");
            }
        }
    }
}
