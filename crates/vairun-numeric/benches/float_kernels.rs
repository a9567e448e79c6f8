//! How fast float32 convolutions are: `items` are multiplications.
//!
//! With `RAYON_NUM_THREADS=1` the rates compare with `peak`, which is that of one thread.

#![allow(clippy::unwrap_used)] // a bench that cannot start has nothing to say

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use vairun_numeric::contraction::{ConvGeometry, Window};
use vairun_numeric::float::{Conv, Filters};
use vairun_numeric::kernel::Isa;

fn main() {
    divan::main();
}

/// Channels, output channels, sizes of x, kernel, stride, dilation.
type Shape = (usize, usize, &'static [usize], usize, usize, usize);

const DENSE: &[Shape] = &[
    (3, 16, &[224, 224], 3, 2, 1),
    (3, 64, &[224, 224], 7, 2, 1),
    (16, 16, &[160, 160], 3, 1, 1),
    (32, 16, &[160, 160], 3, 1, 1),
    (64, 64, &[40, 40], 3, 1, 1),
    (256, 128, &[20, 20], 3, 1, 1),
    (512, 512, &[7, 7], 3, 1, 1),
    (32, 32, &[4000], 3, 1, 2),
    (32, 64, &[4000], 9, 4, 1),
    (64, 64, &[1000], 9, 2, 1),
    (1, 32, &[16000], 9, 4, 1),
    (128, 128, &[250], 5, 2, 1),
    (32, 16, &[160, 160], 1, 1, 1),
    (64, 64, &[56, 56], 1, 1, 1),
    (256, 256, &[14, 14], 1, 1, 1),
    (512, 512, &[7, 7], 1, 1, 1),
    (512, 1280, &[1, 1], 1, 1, 1),
    (256, 512, &[28, 28], 1, 2, 1),
    (16, 32, &[10, 10], 3, 1, 1),
];

#[divan::bench(args = DENSE)]
fn dense(bencher: Bencher, shape: Shape) {
    bench(bencher, shape, 1);
}

const DEPTHWISE: &[Shape] = &[
    (32, 32, &[112, 112], 3, 1, 1),
    (32, 32, &[112, 112], 3, 2, 1),
    (64, 64, &[56, 56], 3, 1, 1),
    (64, 64, &[56, 56], 3, 2, 1),
    (256, 256, &[14, 14], 5, 1, 1),
    (232, 232, &[14, 14], 3, 1, 1),
    (232, 232, &[14, 14], 3, 2, 1),
    (512, 512, &[7, 7], 5, 1, 1),
    (64, 64, &[1000], 9, 1, 1),
];

#[divan::bench(args = DEPTHWISE)]
fn depthwise(bencher: Bencher, shape: Shape) {
    bench(bencher, shape, shape.0);
}

fn bench(bencher: Bencher, shape: Shape, groups: usize) {
    let (channels, out_channels, sizes, kernel, stride, dilation) = shape;
    let pad = (kernel - 1) * dilation / 2;
    let window = |&input: &usize| Window {
        input,
        kernel,
        stride,
        dilation,
        pad_begin: pad,
        pad_end: pad,
        output_padding: 0,
    };
    let windows: Vec<_> = sizes.iter().map(window).collect();
    let geometry = ConvGeometry { batch: 1, channels, out_channels, groups, windows };
    let terms = channels / groups * geometry.taps();
    let number = |i: usize| (i * 37 % 251) as f32 / 251.0 - 0.5;
    let numbers = |count: usize| -> Vec<f32> { (0..count).map(number).collect() };
    let (x, weights) = (numbers(channels * geometry.pixels()), numbers(out_channels * terms));
    let bias = numbers(out_channels);
    let filters = Arc::new(Filters::new(&weights, &geometry));
    let conv = Conv::new(filters, &geometry, Isa::best()).unwrap();
    let multiplications = ItemsCount::new(conv.shape().iter().product::<usize>() * terms);
    bencher.counter(multiplications).bench_local(|| conv.result(&x, Some(&bias)));
}
