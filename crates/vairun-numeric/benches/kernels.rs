//! How near the kernels come to what the CPU can do: `items` are multiplications.
//!
//! With `RAYON_NUM_THREADS=1` the rates compare with `peak`, which is that of one thread.

#![allow(clippy::unwrap_used)] // a bench that cannot start has nothing to say

use divan::Bencher;
use divan::counter::ItemsCount;
use vairun_numeric::contraction::{ConvGeometry, Window};
use vairun_numeric::kernel::{
    Codes, Element, Finish, Isa, Narrow, NarrowParts, Output, Product, Rows, Weights, Written,
};
use vairun_numeric::round::Round;

fn main() {
    divan::main();
}

/// Independent products of four bytes, as many as hide their latency: the most that the CPU can do.
#[divan::bench]
fn peak(bencher: Bencher) {
    const TURNS: usize = 1 << 16;
    bencher
        .counter(ItemsCount::new(TURNS * vairun_numeric::kernel::peak::PRODUCTS))
        .bench(|| vairun_numeric::kernel::peak::run(divan::black_box(TURNS)));
}

/// channels, output channels, pixels on a side, kernel, stride
const SHAPES: &[[usize; 5]] = &[
    [64, 64, 56, 3, 1],
    [128, 128, 28, 3, 1],
    [256, 256, 14, 3, 1],
    [512, 512, 7, 3, 1],
    [64, 256, 56, 1, 1],
    [256, 64, 56, 1, 1],
    [512, 128, 28, 1, 1],
    [1024, 256, 14, 1, 1],
    [256, 1024, 14, 1, 1],
    [512, 2048, 7, 1, 1],
    [2048, 512, 7, 1, 1],
    [128, 128, 56, 3, 2],
    [3, 64, 224, 7, 2],
    [2048, 1000, 1, 1, 1],
    [24, 96, 56, 1, 1],
];

/// Codes of 8 bits and weights as a whole tensor that shares one scale has them: most of them small.
#[divan::bench(args = SHAPES)]
fn bytes(bencher: Bencher, shape: &[usize; 5]) {
    product(bencher, shape, Element::Byte, |i| weight(i) / 8);
}

/// Codes of 8 bits and weights over the whole range, as channels with scales of their own have them.
#[divan::bench(args = SHAPES)]
fn bytes_per_channel(bencher: Bencher, shape: &[usize; 5]) {
    product(bencher, shape, Element::Byte, weight);
}

/// Codes of 16 bits.
#[divan::bench(args = SHAPES)]
fn words(bencher: Bencher, shape: &[usize; 5]) {
    product(bencher, shape, Element::Word, |i| weight(i) / 8);
}

/// Numbers between -126 and 126 around 0, small ones more often.
fn weight(i: usize) -> i16 {
    let hash = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..4).map(|n| (hash >> (20 + 8 * n)) as u8 as i16 % 64).sum::<i16>() - 126
}

fn product(
    bencher: Bencher,
    &[channels, out_channels, side, kernel, stride]: &[usize; 5],
    element: Element,
    weight: fn(usize) -> i16,
) {
    let window = Window {
        input: side,
        kernel,
        stride,
        dilation: 1,
        pad_begin: kernel / 2,
        pad_end: kernel / 2,
        output_padding: 0,
    };
    let geometry =
        ConvGeometry { batch: 1, channels, out_channels, groups: 1, windows: vec![window, window] };
    let taps = kernel * kernel;
    let w: Vec<i16> = (0..out_channels * taps * channels).map(weight).collect();
    let weights = Weights::new(element, out_channels, taps, channels, &w).unwrap();
    let scale = 0.37;
    let narrow = NarrowParts {
        scale,
        zero: 3,
        low: 0,
        high: 255,
        round: Round::HalfEven,
        zero_inside: None,
    };
    let add = weights.corrections(3, &vec![0; out_channels]).unwrap();
    let output = Output::Codes8(Narrow::new(narrow).unwrap());
    let finish = Finish::new(add, vec![0.01; out_channels], None, output);
    let rows = Rows::conv(&geometry).unwrap();
    let product = Product::new(vec![weights], channels, rows, 3, finish, Isa::best());
    let stride = channels.next_multiple_of(4);
    let bytes: Vec<u8> = (0..side * side * stride + 64).map(|i| (i % 251) as u8).collect();
    let words: Vec<i16> = bytes.iter().map(|&byte| byte.into()).collect();
    let mut out = vec![0u8; product.pixels() * out_channels];
    bencher.counter(ItemsCount::new(product.multiplications())).bench_local(|| {
        let x = match element {
            Element::Byte => Codes::U8(&bytes),
            Element::Word => Codes::I16(&words),
        };
        product.run(x, stride, Written::U8(&mut out), out_channels, 1);
    });
}
