//! Every instruction set of the smaller kernels against plain definitions.

use proptest::prelude::*;

use super::*;
use crate::contraction::{ConvGeometry, Window};
use crate::round::Round;

fn window(input: usize, kernel: usize, stride: usize, pad: usize) -> Window {
    Window { input, kernel, stride, dilation: 1, pad_begin: pad, pad_end: pad, output_padding: 0 }
}

fn narrow(scale: f32, round: Round) -> Narrow {
    Narrow::new(NarrowParts { scale, zero: 100, low: 3, high: 250, round, zero_inside: None })
        .unwrap()
}

fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

proptest! {
    #[test]
    fn depthwise_is_a_product_of_groups_of_one(
        (channels, side, kernel, stride, pad) in (1usize..150, 3usize..11, 1usize..8, 1usize..3, 0usize..4),
        (words, batch, seed) in (any::<bool>(), 1usize..3, any::<u64>()),
        // With so much behind x, blocks of channels may be read in their place.
        behind in prop_oneof![4usize..20, Just(64)],
        // Large weights saturate the sums of bytes.
        part in prop_oneof![Just(1), Just(2)],
        (scale, round) in (prop_oneof![Just(0.25f32), Just(0.37)], proptest::sample::select(&Round::ALL[..])),
    ) {
        let windows = vec![window(side, kernel, stride, pad); 2];
        let geometry = ConvGeometry { batch, channels, out_channels: channels, groups: channels, windows };
        let Some(rows) = Rows::conv(&geometry) else { return Ok(()) };
        let taps = kernel * kernel;
        let w: Vec<i16> = bytes(seed, channels * taps).iter().map(|&w| i16::from(w as i8) / part).collect();
        let (zero, element) = if words { (-77, Element::Word) } else { (77, Element::Byte) };
        let all = Weights::new(element, channels, taps, 1, &w).unwrap();
        let Some(add) = all.corrections(zero, &vec![5; channels]) else { return Ok(()) };
        let codes = bytes(seed ^ 5, batch * channels * side * side + behind);
        let wide: Vec<i16> = codes.iter().map(|&x| i16::from(x) * 100 - 9000).collect();
        let x = if words { Codes::I16(&wide) } else { Codes::U8(&codes) };
        let outputs = [
            Output::Codes8(narrow(scale, round)),
            Output::Codes16(narrow(scale, round)),
            Output::Real,
        ];
        for output in outputs {
            let scales = (0..channels).map(|i| 0.01 + i as f32 * 1e-4).collect();
            let finish = Finish::new(add.clone(), scales, None, output);
            let finish = match seed % 3 {
                0 => finish.sloped((0..channels).map(|i| 0.7 - i as f32 / 9.0).collect()),
                1 => {
                    let terms = (0..channels).map(|i| 33_554_433.0 * (i % 3) as f64 - 5.0);
                    finish.widened(vec![2.0; channels], terms.collect())
                }
                _ => finish,
            };
            let run = |isa: Isa, depthwise: bool| {
                let (mut out8, mut out16, mut out32) = (vec![], vec![], vec![]);
                let count = batch * rows.pixels() * channels;
                let written = match output {
                    Output::Codes8(_) => { out8.resize(count, 0); Written::U8(&mut out8) }
                    Output::Codes16(_) => { out16.resize(count, 0); Written::I16(&mut out16) }
                    _ => { out32.resize(count, 0.0); Written::F32(&mut out32) }
                };
                if depthwise {
                    Depthwise::new(element, &w, rows.clone(), zero, finish.clone(), isa).unwrap().run(x, written, batch);
                } else {
                    let groups = w.chunks(taps).map(|w| Weights::new(element, 1, taps, 1, w).unwrap());
                    let product = Product::new(groups.collect(), 1, rows.clone(), zero, finish.clone(), isa);
                    product.run(x, channels, written, channels, batch);
                }
                (out8, out16, out32)
            };
            let expected = run(Isa::Scalar, false);
            for isa in Isa::available() {
                prop_assert_eq!(&run(isa, true), &expected, "{}", isa);
            }
        }
    }

    #[test]
    fn two_codes_make_one(
        seed in any::<u64>(),
        count in 1usize..300,
        repeat in prop_oneof![1usize..4, 4usize..60],
        (scale, round) in (prop_oneof![Just(0.25f32), Just(0.37)], proptest::sample::select(&Round::ALL[..])),
    ) {
        let (a, b) = (bytes(seed, count * repeat), bytes(seed ^ 9, count));
        let grids = [Grid { scale: 0.1, zero: 90 }, Grid { scale: 0.07, zero: 128 }];
        let narrow = narrow(scale, round);
        for operation in [Operation::Add, Operation::Subtract, Operation::Multiply] {
            let code = |(i, &a): (usize, &u8)| {
                let (a, b) = (grids[0].real(a.into()), grids[1].real(b[i % count].into()));
                narrow.code(match operation {
                    Operation::Add => a + b,
                    Operation::Subtract => a - b,
                    Operation::Multiply => a * b,
                    other => other.apply(a, b),
                }) as u8
            };
            let expected: Vec<u8> = a.iter().enumerate().map(code).collect();
            for isa in Isa::available() {
                let mut out = vec![0u8; a.len()];
                Binary { operation, grids, narrow }.run(isa, &a, &b, &mut out);
                prop_assert_eq!(&out, &expected, "{} {:?}", isa, operation);
            }
        }
    }

    #[test]
    fn numbers_become_the_codes_of_the_rule(
        x in proptest::collection::vec(any::<f32>(), 1..100),
        inside in any::<bool>(),
        (scale, round) in (prop_oneof![Just(0.25f32), Just(0.37)], proptest::sample::select(&Round::ALL[..])),
    ) {
        let zero_inside = inside.then_some(100);
        let parts = NarrowParts { scale, zero: 100, low: 3, high: 250, round, zero_inside };
        let narrow = Narrow::new(parts).unwrap();
        let numbers: Vec<f32> = x.iter().copied().filter(|x| !x.is_nan()).collect();
        let expected: Vec<u8> = numbers.iter().map(|&x| narrow.code(x) as u8).collect();
        for isa in Isa::available() {
            let mut out = vec![0u8; numbers.len()];
            quantize(isa, &narrow, &numbers, &mut out);
            prop_assert_eq!(&out, &expected, "{}", isa);
        }
    }

    #[test]
    fn the_largest_code_of_each_window(seed in any::<u64>(), channels in 1usize..70, pad in 0usize..2) {
        let windows = vec![window(5, 3, 2, pad); 2];
        let geometry = ConvGeometry { batch: 1, channels, out_channels: channels, groups: 1, windows };
        let rows = Rows::conv(&geometry).unwrap();
        prop_assert!(rows.all_touch());
        let x = bytes(seed, 25 * channels);
        let expected: Vec<u8> = rows
            .table
            .chunks(9)
            .flat_map(|at| (0..channels).map(|c| {
                at.iter().filter(|&&at| at != Rows::PADDING).map(|&at| x[at as usize * channels + c]).max().unwrap()
            }).collect::<Vec<_>>())
            .collect();
        for isa in Isa::available() {
            let mut out = vec![0u8; expected.len()];
            max_pool(isa, &rows, &x, channels, &mut out);
            prop_assert_eq!(&out, &expected, "{}", isa);
        }
    }

    #[test]
    fn tables_are_read_in_order(seed in any::<u64>(), count in 1usize..300) {
        let x = bytes(seed, count);
        let table: [u8; 256] = bytes(seed ^ 3, 256).try_into().unwrap();
        for isa in Isa::available() {
            let mut out = vec![0u8; count];
            map_bytes(isa, &table, &x, &mut out);
            prop_assert!(out.iter().zip(&x).all(|(&out, &x)| out == table[usize::from(x)]), "{}", isa);
        }
    }

    #[test]
    fn rows_become_columns(rows in 1usize..70, columns in 1usize..70, batch in 1usize..3) {
        fn check<T: Moved>(
            [batch, rows, columns]: [usize; 3],
            element: fn(usize) -> T,
        ) -> Result<(), TestCaseError> {
            let x: Vec<T> = (0..batch * rows * columns).map(element).collect();
            let mut y = vec![T::default(); x.len()];
            transpose(&x, rows, columns, &mut y);
            let image = rows * columns;
            let from = |i: usize| i / image * image + i % rows * columns + i % image / rows;
            let expected: Vec<T> = (0..x.len()).map(|i| x[from(i)]).collect();
            prop_assert_eq!(y, expected);
            Ok(())
        }
        let sizes = [batch, rows, columns];
        check(sizes, |i| i as i32)?;
        check(sizes, |i| (i * 31 % 251) as u8)?;
        check(sizes, |i| i as i16)?;
    }
}

#[test]
fn gathering_fills_what_has_no_source() {
    let mut out = [0u8; 6];
    gather(&[1, 2, 3, 4], 2, &[1, -1, 0], 9, &mut out);
    assert_eq!(out, [3, 4, 9, 9, 1, 2]);
    let mut out = [0u8; 6];
    spread_rows(&[1, 2, 3, 4], 2, &mut out, 3, 1);
    assert_eq!(out, [0, 1, 2, 0, 3, 4]);
}
