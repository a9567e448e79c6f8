use std::sync::Arc;

use proptest::prelude::*;

use super::{Conv, Filters, Left, Right, Sizes, product, products};
use crate::contraction::{ConvGeometry, Window, indices};
use crate::kernel::Isa;

/// Numbers whose sums depend on their order.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let number = |i: u32| {
        let bits = (i ^ seed).wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b);
        (bits >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count as u32).map(number).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The documented order, one multiply-add after the other.
fn plain_conv(geometry: &ConvGeometry, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let ConvGeometry { batch, channels, out_channels, groups, windows } = geometry;
    let output = geometry.output().unwrap();
    let kernel: Vec<_> = windows.iter().map(|window| window.kernel).collect();
    let (outputs, kernels) = (indices(&output), indices(&kernel));
    let (rank, taps, input) = (windows.len(), geometry.taps(), geometry.pixels());
    let (group_in, group_out) = (channels / groups, out_channels / groups);
    let mut y = Vec::new();
    for image in 0..*batch {
        for m in 0..*out_channels {
            for pixel in 0..output.iter().product() {
                let mut sum = 0f32;
                for c in 0..group_in {
                    for tap in 0..taps {
                        let (o, k) =
                            (&outputs[pixel * rank..][..rank], &kernels[tap * rank..][..rank]);
                        let at = geometry.place(
                            (o, k),
                            |d| windows[d].input,
                            |window, o, k, _| window.source(o, k),
                        );
                        let channel = m / group_out * group_in + c;
                        let x = at.map_or(0.0, |at| x[(image * channels + channel) * input + at]);
                        sum = w[(m * group_in + c) * taps + tap].mul_add(x, sum);
                    }
                }
                y.push(bias.map_or(sum, |bias| sum + bias[m]));
            }
        }
    }
    y
}

fn check_conv(geometry: &ConvGeometry) {
    let terms = geometry.channels / geometry.groups * geometry.taps();
    let x = numbers(geometry.batch * geometry.channels * geometry.pixels(), 1);
    let w = numbers(geometry.out_channels * terms, 2);
    let bias = numbers(geometry.out_channels, 3);
    let filters = Arc::new(Filters::new(&w, geometry));
    for bias in [None, Some(bias.as_slice())] {
        let want = plain_conv(geometry, &x, &w, bias);
        for isa in Isa::available() {
            let conv = Conv::new(Arc::clone(&filters), geometry, isa).unwrap();
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let got = pool.install(|| conv.result(&x, bias));
                assert!(bits(&got) == bits(&want), "{isa}, {threads} threads, {geometry:?}");
            }
        }
    }
}

fn geometry(channels: usize, out: usize, groups: usize, windows: &[Window]) -> ConvGeometry {
    ConvGeometry { batch: 1, channels, out_channels: out, groups, windows: windows.to_vec() }
}

fn window(input: usize, kernel: usize, stride: usize, pad: usize) -> Window {
    let (dilation, output_padding) = (1, 0);
    Window { input, kernel, stride, dilation, pad_begin: pad, pad_end: pad, output_padding }
}

#[test]
fn convolutions_of_real_networks() {
    for (channels, out, groups, windows) in [
        (3, 32, 1, vec![window(37, 3, 2, 1), window(41, 3, 2, 1)]),
        (3, 20, 1, vec![window(30, 7, 2, 3); 2]),
        (70, 13, 1, vec![window(14, 1, 1, 0); 2]),
        (300, 40, 1, vec![window(7, 1, 1, 0); 2]),
        (40, 24, 1, vec![window(14, 3, 1, 1); 2]),
        (16, 7, 1, vec![window(9, 1, 2, 0); 2]),
        (12, 12, 12, vec![window(19, 5, 1, 2), window(33, 5, 2, 2)]),
        (6, 12, 6, vec![window(80, 3, 1, 1); 2]),
        (8, 12, 4, vec![window(10, 3, 1, 1); 2]),
        (24, 48, 1, vec![window(60, 1, 1, 0), window(20, 3, 1, 1)]),
        (5, 9, 1, vec![window(200, 9, 3, 4)]),
        (4, 6, 1, vec![window(5, 3, 1, 1), window(8, 1, 1, 0), window(16, 1, 1, 0)]),
        (3, 4, 1, vec![window(6, 2, 2, 1), window(7, 3, 1, 0), window(9, 3, 2, 1)]),
        (4, 5, 1, vec![]),
    ] {
        check_conv(&geometry(channels, out, groups, &windows));
    }
}

#[test]
fn a_kernel_of_more_terms_than_a_pass_holds() {
    check_conv(&geometry(2, 3, 1, &[window(40, 20, 1, 0); 2]));
    check_conv(&geometry(2, 3, 1, &[window(24, 20, 1, 3); 2]));
}

#[test]
fn a_kernel_spread_over_padding_is_refused() {
    let far = Window { dilation: 1 << 40, pad_begin: 1 << 40, ..window(4, 2, 1, 0) };
    let geometry = geometry(1, 1, 1, &[far]);
    let filters = Arc::new(Filters::new(&[1.0, 1.0], &geometry));
    assert!(Conv::new(filters, &geometry, Isa::Scalar).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution_sums_in_the_documented_order(
        batch in 1..3usize,
        groups in 1..4usize,
        group_in in 1..5usize,
        group_out in 1..9usize,
        sizes in prop::collection::vec((1..20usize, 1..4usize, 1..4usize, 1..3usize, 0..3usize, 0..3usize), 1..4),
    ) {
        let windows: Vec<_> = sizes
            .into_iter()
            .map(|(input, kernel, stride, dilation, pad_begin, pad_end)| {
                Window { input, kernel, stride, dilation, pad_begin, pad_end, output_padding: 0 }
            })
            .collect();
        let (channels, out_channels) = (groups * group_in, groups * group_out);
        let geometry = ConvGeometry { batch, channels, out_channels, groups, windows };
        prop_assume!(geometry.output().is_some());
        check_conv(&geometry);
    }
}

#[test]
fn products_sum_in_the_documented_order() {
    for (rows, terms, columns) in [
        (1, 1, 1),
        (1, 300, 200),
        (2, 7, 100),
        (3, 600, 17),
        (4, 5, 16),
        (5, 513, 33),
        (13, 64, 300),
        (400, 20, 9),
        (3, 0, 5),
        (0, 3, 5),
    ] {
        let (a, b) = (numbers(rows * terms, 1), numbers(terms * columns, 2));
        let bias = numbers(columns, 3);
        let sum = |i: usize, j: usize| {
            (0..terms).fold(0f32, |sum, k| a[i * terms + k].mul_add(b[k * columns + j], sum))
        };
        let want: Vec<f32> = (0..rows * columns)
            .map(|at| sum(at / columns, at % columns) + bias[at % columns])
            .collect();
        for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 3)]) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut got = vec![f32::NAN; want.len()];
            let (left, right) = (Left::new(&a, rows, terms), Right::new(&b, terms, columns));
            pool.install(|| product(&left, &right, Some(&bias), &mut got, isa));
            assert!(bits(&got) == bits(&want), "{isa}, {rows} × {terms} × {columns}");
        }
    }
}

/// Every tile that registers hold, with what is left beside it, over more terms than a pass.
#[test]
fn tiles_of_every_size_sum_in_the_documented_order() {
    for (rows, columns) in (1..8).flat_map(|rows| (1..10).map(move |panels| (rows, 16 * panels))) {
        let terms = 259;
        let (a, b) = (numbers(rows * terms, 1), numbers(terms * columns, 2));
        let sum = |at: usize| {
            let term = |k: usize| (a[at / columns * terms + k], b[k * columns + at % columns]);
            (0..terms).map(term).fold(0f32, |sum, (a, b)| a.mul_add(b, sum))
        };
        let want: Vec<f32> = (0..rows * columns).map(sum).collect();
        let (left, right) = (Left::new(&a, rows, terms), Right::new(&b, terms, columns));
        for isa in Isa::available() {
            let mut got = vec![f32::NAN; want.len()];
            product(&left, &right, None, &mut got, isa);
            assert!(bits(&got) == bits(&want), "{isa}, {rows} × {columns}");
        }
    }
}

#[test]
fn several_products_of_matrices_anywhere() {
    let (a, b) = (numbers(200, 1), numbers(200, 2));
    let starts = [(0, 90), (7, 0), (7, 3)];
    for (rows, terms, columns) in [(4, 5, 20), (9, 10, 1), (1, 100, 1), (3, 0, 2)] {
        let sizes = Sizes { rows, terms, columns };
        let sum = |(a_start, b_start): (usize, usize), i: usize, j: usize| {
            let terms = 0..terms;
            let term = |k: usize| (a[a_start + i * terms.len() + k], b[b_start + k * columns + j]);
            terms.clone().map(term).fold(0f32, |sum, (a, b)| a.mul_add(b, sum))
        };
        let matrix =
            |start| (0..rows * columns).map(move |at| sum(start, at / columns, at % columns));
        let want: Vec<f32> = starts.into_iter().flat_map(matrix).collect();
        for isa in Isa::available() {
            let mut got = vec![f32::NAN; want.len()];
            products(&a, &b, &starts, sizes, &mut got, isa);
            assert!(bits(&got) == bits(&want), "{isa}, {sizes:?}");
        }
    }
}
