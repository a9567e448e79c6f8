//! Every instruction set against the reference form.

use proptest::prelude::*;

use super::*;
use crate::contraction::{self, ConvGeometry, Operand, Window};
use crate::round::Round;

#[derive(Debug)]
struct Case {
    geometry: ConvGeometry,
    transposed: bool,
    words: bool,
    seed: u64,
    scale: f32,
    round: Round,
    with_bias: bool,
    /// What the weights are divided by: small ones are multiplied otherwise than large ones. 0: some are beyond 8 bits.
    divisor: i32,
}

fn random(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed | 1;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u32
    }
}

fn window() -> impl Strategy<Value = Window> {
    (3usize..9, 1usize..4, 1usize..3, 1usize..3, 0usize..2, 0usize..2).prop_map(
        |(input, kernel, stride, dilation, pad_begin, pad_end)| Window {
            input,
            kernel,
            stride,
            dilation,
            pad_begin,
            pad_end,
            output_padding: 0,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let sizes = (1usize..3, 1usize..20, prop_oneof![1usize..20, 60usize..140], 1usize..3);
    let windows = proptest::collection::vec(window(), 1..=2);
    let divisor = proptest::sample::select(&[0, 1, 2, 4, 16][..]);
    let rest = (any::<bool>(), any::<bool>(), any::<u64>(), any::<bool>(), divisor);
    let narrow =
        (prop_oneof![Just(0.25f32), Just(0.37)], proptest::sample::select(&Round::ALL[..]));
    (sizes, windows, rest, narrow).prop_map(|(sizes, windows, rest, (scale, round))| {
        let (batch, cg, og, groups) = sizes;
        let (transposed, words, seed, with_bias, divisor) = rest;
        let geometry = ConvGeometry {
            batch,
            channels: cg * groups,
            out_channels: og * groups,
            groups,
            windows,
        };
        Case { geometry, transposed, words, seed, scale, round, with_bias, divisor }
    })
}

/// `[outer, a, b]` → `[outer, b, a]`.
fn swapped<T: Copy>(values: &[T], a: usize, b: usize) -> Vec<T> {
    values
        .chunks_exact((a * b).max(1))
        .flat_map(|part| (0..b).flat_map(move |j| (0..a).map(move |i| part[i * b + j])))
        .collect()
}

impl Case {
    fn pixels(&self) -> Option<usize> {
        let output = match self.transposed {
            true => self.geometry.transposed_output(),
            false => self.geometry.output(),
        };
        output.map(|output| output.iter().product())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let g = &self.geometry;
        let mut random = random(self.seed);
        let (cg, og, taps) = (g.channels / g.groups, g.out_channels / g.groups, g.taps());
        let limit = if self.words { 65536 } else { 256 };
        let x: Vec<i32> = (0..g.batch * g.channels * g.pixels())
            .map(|_| (random() % limit) as i32 - if self.words { 32768 } else { 0 })
            .collect();
        let zero = (random() % limit) as i32 - if self.words { 32768 } else { 0 };
        // [groups, og, cg, taps]
        let w: Vec<i32> = (0..g.out_channels * cg * taps)
            .map(|_| (random() % 255) as i32 - 127)
            .map(|w| match self.divisor {
                0 if w % 17 == 0 => 2 * w,
                divisor => w / divisor.max(1),
            })
            .collect();
        let w_file = match self.transposed {
            // [groups, cg, og, taps]
            true => w
                .chunks_exact(og * cg * taps)
                .flat_map(|w| {
                    (0..cg * og)
                        .flat_map(move |i| w[(i % og * cg + i / og) * taps..][..taps].to_vec())
                })
                .collect(),
            false => w.clone(),
        };
        let run = if self.transposed { contraction::conv_transpose } else { contraction::conv };
        let operand = Operand { codes: contraction::Codes::I32(&x), zero_points: &[zero] };
        let w_operand = Operand { codes: contraction::Codes::I32(&w_file), zero_points: &[0] };
        let pixels = self.pixels().unwrap();
        let sums = swapped(&run(g, &operand, &w_operand).unwrap().to_i64(), g.out_channels, pixels);
        let bias: Vec<i64> =
            (0..g.out_channels).map(|_| i64::from(random() % 2000) - 1000).collect();
        let element = if self.words { Element::Word } else { Element::Byte };
        let split = self.divisor == 0 && !self.words;
        let pack = |w: &[i16]| match split {
            true => Weights::of_two(og, taps, cg, w),
            false => Weights::new(element, og, taps, cg, w),
        };
        let narrowed: Vec<i16> = w.iter().map(|&w| w as i16).collect();
        let groups: Vec<Weights> = swapped(&narrowed, cg, taps)
            .chunks_exact(og * cg * taps)
            .map(|w| pack(w).unwrap())
            .collect();
        let add: Option<Vec<Vec<i32>>> =
            groups.iter().zip(bias.chunks(og)).map(|(w, bias)| w.corrections(zero, bias)).collect();
        let Some(add) = add.map(|add| add.concat()) else { return Ok(()) };
        let scale: Vec<f32> = (0..g.out_channels).map(|i| 0.001 + i as f32 * 1e-4).collect();
        let float_bias: Option<Vec<f32>> =
            self.with_bias.then(|| (0..g.out_channels).map(|i| i as f32 * 0.3).collect());
        let rows = if self.transposed { Rows::conv_transpose(g) } else { Rows::conv(g) }.unwrap();
        let narrow = |low, high, scale| {
            Narrow::new(NarrowParts {
                scale,
                zero: 100,
                low,
                high,
                round: self.round,
                zero_inside: None,
            })
            .unwrap()
        };
        let (narrow8, narrow16) =
            (narrow(3, 250, self.scale), narrow(-32768, 32767, self.scale / 64.0));
        let slopes: Option<Vec<f32>> = self
            .seed
            .is_multiple_of(3)
            .then(|| (0..g.out_channels).map(|i| 0.7 - i as f32 / 9.0).collect());
        let real = |i: usize| {
            let c = i % g.out_channels;
            let product = (sums[i] + bias[c]) as f32 * scale[c];
            let real = float_bias.as_ref().map_or(product, |bias| product + bias[c]);
            match &slopes {
                Some(slopes) if real < 0.0 => real * slopes[c],
                _ => real,
            }
        };
        let stride = g.channels + 3;
        let stored: Vec<i32> = swapped(&x, g.channels, g.pixels())
            .chunks_exact(g.channels)
            .flat_map(|pixel| pixel.iter().copied().chain([7, 9, 3]))
            .chain([1, 2, 3, 4])
            .collect();
        let bytes: Vec<u8> = stored.iter().map(|&x| x as u8).collect();
        let words: Vec<i16> = stored.iter().map(|&x| x as i16).collect();
        let x = if self.words { Codes::I16(&words) } else { Codes::U8(&bytes) };
        for isa in Isa::available().filter(|&isa| !split || Weights::are_split_by(isa)) {
            let product = |output| {
                let finish = Finish::new(add.clone(), scale.clone(), float_bias.clone(), output);
                let product = Product::new(groups.clone(), cg, rows.clone(), zero, finish, isa);
                match &slopes {
                    Some(slopes) => product.sloped(slopes.clone()),
                    None => product,
                }
            };
            let mut out = vec![0u8; sums.len()];
            product(Output::Codes8(narrow8)).run(
                x,
                stride,
                Written::U8(&mut out),
                g.out_channels,
                g.batch,
            );
            let expected: Vec<u8> = (0..sums.len()).map(|i| narrow8.code(real(i)) as u8).collect();
            prop_assert_eq!(&out, &expected, "{}", isa);
            let mut out = vec![0i16; sums.len()];
            product(Output::Codes16(narrow16)).run(
                x,
                stride,
                Written::I16(&mut out),
                g.out_channels,
                g.batch,
            );
            let expected: Vec<i16> =
                (0..sums.len()).map(|i| narrow16.code(real(i)) as i16).collect();
            prop_assert_eq!(&out, &expected, "{}", isa);
            let mut out = vec![0f32; sums.len()];
            product(Output::Real).run(x, stride, Written::F32(&mut out), g.out_channels, g.batch);
            prop_assert!((0..sums.len()).all(|i| out[i].to_bits() == real(i).to_bits()), "{}", isa);
            let mut out = vec![0i32; sums.len()];
            product(Output::Sums).run(x, stride, Written::I32(&mut out), g.out_channels, g.batch);
            prop_assert!(
                (0..sums.len()).all(|i| i64::from(out[i]) == sums[i] + bias[i % g.out_channels])
            );
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_instruction_set_gives_the_bits_of_the_reference(case in case()) {
        prop_assume!(case.pixels().is_some_and(|pixels| pixels > 0));
        case.check()?;
    }
}

/// Sums of two or four products that just fit 16 bits, and those that just do not.
#[test]
fn the_largest_codes_and_weights_do_not_saturate() {
    const CHANNELS: usize = 24;
    for steps in [
        [64, 64, 0, 0],
        [64, 65, 0, 0],
        [-64, -64, 1, 0],
        [-128, 0, 0, -128],
        [32; 4],
        [127; 4],
        [-128; 4],
    ] {
        let w: Vec<i16> = (0..17 * CHANNELS).map(|i| steps[i % 4] as i16).collect();
        let x = [255u8; 7 * CHANNELS + 4];
        let expected = 255 * steps.iter().sum::<i32>() * CHANNELS as i32 / 4;
        for isa in Isa::available() {
            let weights = Weights::new(Element::Byte, 17, 1, CHANNELS, &w).unwrap();
            let finish = Finish::new(vec![0; 17], vec![1.0; 17], None, Output::Sums);
            let rows = Rows::matrix(7).unwrap();
            let product = Product::new(vec![weights], CHANNELS, rows, 0, finish, isa);
            let mut out = [0; 7 * 17];
            product.run(Codes::U8(&x), CHANNELS, Written::I32(&mut out), 17, 1);
            assert_eq!(out, [expected; 7 * 17], "{isa} {steps:?}");
        }
    }
}

/// The same weights for other rows, and another end of the sums.
#[test]
fn rows_and_the_end_may_change_after_packing() {
    const SIZES: (usize, usize) = (21, 19);
    let (k, n) = SIZES;
    let w: Vec<i16> = (0..n * k).map(|i| (i * 31 % 255) as i16 - 127).collect();
    for isa in Isa::available() {
        let weights = Weights::new(Element::Byte, n, 1, k, &w).unwrap();
        let finish = Finish::new(vec![0; n], vec![1.0; n], None, Output::Sums);
        let packed =
            Product::new(vec![weights], k, Rows::matrix(2).unwrap(), 0, finish.clone(), isa);
        for rows in [1, 2, 13] {
            let x: Vec<u8> = (0..rows * k + 4).map(|i| (i * 37 % 256) as u8).collect();
            let sums: Vec<i32> = (0..rows * n)
                .map(|i| {
                    let term = |c: usize| i32::from(x[i / n * k + c]) * i32::from(w[i % n * k + c]);
                    (0..k).map(term).sum()
                })
                .collect();
            let product = packed.of_rows(rows).unwrap();
            let add: Vec<i32> = (0..n as i32).collect();
            let scale: Vec<f32> = (0..n).map(|c| 0.1 + c as f32).collect();
            let ended = Finish::new(add, scale.clone(), Some(scale.clone()), Output::Real);
            let mut out = vec![0f32; sums.len()];
            product.run_with(&ended, Codes::U8(&x), k, Written::F32(&mut out), n, 1);
            let real = |(i, &sum): (usize, &i32)| {
                let c = i % n;
                (sum + c as i32) as f32 * scale[c] + scale[c]
            };
            let expected: Vec<f32> = sums.iter().enumerate().map(real).collect();
            assert_eq!(out, expected, "{isa} {rows}");
            let mut applied = vec![0f32; sums.len()];
            ended.apply(&sums, Written::F32(&mut applied));
            assert_eq!(applied, expected, "{isa} {rows}");
        }
    }
}

#[test]
fn sums_that_might_leave_i32_are_refused() {
    let weights = Weights::new(Element::Word, 1, 1, 1, &[32767]).unwrap();
    assert_eq!(weights.corrections(0, &[0]), Some(vec![0]));
    assert_eq!(weights.corrections(-32768, &[0]), Some(vec![32767 * 32768]));
    assert_eq!(weights.corrections(-32768, &[1 << 16]), None);
}

#[test]
fn weights_beyond_the_packed_type_are_refused() {
    assert!(Weights::new(Element::Byte, 1, 1, 1, &[128]).is_none());
    assert!(Weights::of_two(1, 1, 2, &[-256, 254]).is_some());
    assert!(Weights::of_two(1, 1, 1, &[255]).is_none());
}
