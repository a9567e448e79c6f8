//! The kernels beside products: `items` are multiplications of depthwise convolutions, and elements of the others.

#![allow(clippy::unwrap_used)] // a bench that cannot start has nothing to say

use divan::Bencher;
use divan::counter::ItemsCount;
use vairun_numeric::contraction::{ConvGeometry, Window};
use vairun_numeric::float::Unary;
use vairun_numeric::kernel::{
    Binary, Codes, Depthwise, Element, Finish, Formula, Grid, Isa, Narrow, NarrowParts, Operation,
    Output, Rows, Term, Written, map_bytes, map_words, max_pool, quantize, transpose,
};
use vairun_numeric::round::Round;

fn main() {
    divan::main();
}

const COUNT: usize = 1 << 16;

fn windows(side: usize, kernel: usize, stride: usize, pad: usize) -> Vec<Window> {
    let window = Window {
        input: side,
        kernel,
        stride,
        dilation: 1,
        pad_begin: pad,
        pad_end: pad,
        output_padding: 0,
    };
    vec![window; 2]
}

fn narrow(scale: f32) -> Narrow {
    let (round, zero_inside) = (Round::HalfEven, None);
    Narrow::new(NarrowParts { scale, zero: 3, low: 0, high: 255, round, zero_inside }).unwrap()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 37 % 251) as u8).collect()
}

/// channels, pixels on a side, kernel, stride
const DEPTHWISE: &[[usize; 4]] = &[
    [32, 112, 3, 1],
    [96, 112, 3, 2],
    [144, 56, 3, 1],
    [240, 28, 5, 1],
    [480, 14, 3, 1],
    [672, 14, 5, 2],
    [1152, 7, 5, 1],
];

#[divan::bench(args = DEPTHWISE, consts = [1, 2])]
fn depthwise<const BYTES: usize>(bencher: Bencher, &[channels, side, kernel, stride]: &[usize; 4]) {
    let element = if BYTES == 1 { Element::Byte } else { Element::Word };
    let windows = windows(side, kernel, stride, kernel / 2);
    let geometry =
        ConvGeometry { batch: 1, channels, out_channels: channels, groups: channels, windows };
    let w: Vec<i16> = (0..channels * kernel * kernel).map(|i| (i % 255) as i16 - 127).collect();
    let output = Output::Codes8(narrow(0.37));
    let finish = Finish::new(vec![5; channels], vec![0.01; channels], None, output);
    let rows = Rows::conv(&geometry).unwrap();
    let depthwise = Depthwise::new(element, &w, rows, 3, finish, Isa::best()).unwrap();
    let codes = bytes(side * side * channels);
    let words: Vec<i16> = codes.iter().map(|&code| code.into()).collect();
    let mut out = vec![0; depthwise.pixels() * channels];
    bencher.counter(ItemsCount::new(depthwise.multiplications())).bench_local(|| {
        let x = if BYTES == 1 { Codes::U8(&codes) } else { Codes::I16(&words) };
        depthwise.run(x, Written::U8(&mut out), 1);
    });
}

#[divan::bench(args = [0.25, 0.37])]
fn add(bencher: Bencher, scale: f32) {
    let (a, b, mut out) = (bytes(COUNT), bytes(COUNT + 1), vec![0u8; COUNT]);
    let grids = [Grid { scale: 0.1, zero: 90 }, Grid { scale: 0.07, zero: 128 }];
    let binary = Binary { operation: Operation::Add, grids, narrow: narrow(scale) };
    let run = || binary.run(Isa::best(), &a, &b[1..], &mut out);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(run);
}

#[divan::bench(args = [0.25, 0.37])]
fn codes_of_numbers(bencher: Bencher, scale: f32) {
    let x: Vec<f32> = (0..COUNT).map(|i| (i % 1000) as f32 * 0.17 - 30.0).collect();
    let mut out = vec![0u8; COUNT];
    let run = || quantize(Isa::best(), &narrow(scale), &x, &mut out);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(run);
}

#[divan::bench]
fn table(bencher: Bencher) {
    let (x, mut out) = (bytes(COUNT), vec![0u8; COUNT]);
    let table = std::array::from_fn(|i| (i * 7) as u8);
    let run = || map_bytes(Isa::best(), &table, &x, &mut out);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(run);
}

/// Codes of 16 bits all over a table, and the same by formulas.
#[divan::bench]
fn table_of_words(bencher: Bencher) {
    let (x, mut out) = (words(), vec![0i16; COUNT]);
    let table: Vec<i16> = (0..1 << 16).map(|i| (i / 7) as i16).collect();
    let run = || map_words(&table, &x, &mut out);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(run);
}

#[divan::bench(args = ["hard swish", "rounded", "rounded four times", "exp"])]
fn formula(bencher: Bencher, name: &str) {
    let grid = Grid { scale: 1.1e-4, zero: 0 };
    let parts = NarrowParts {
        scale: grid.scale,
        zero: 0,
        low: -32768,
        high: 32767,
        round: Round::HalfEven,
        zero_inside: None,
    };
    let narrow = Narrow::new(parts).unwrap();
    let rounded = |n: usize| (0..n).map(|i| Term::Rounded(narrow, grid, i)).collect();
    let terms: Vec<_> = match name {
        "hard swish" => vec![Term::Unary(Unary::HardSwish { alpha: 0.17, beta: 0.5 }, 0)],
        "exp" => vec![Term::Unary(Unary::Exp, 0)],
        "rounded" => rounded(1),
        _ => rounded(4),
    };
    let formula = Formula::new(Grid { scale: 1e-4, zero: 0 }, &terms).unwrap();
    let (x, mut out) = (words(), vec![0i16; COUNT]);
    let run = || formula.codes(Isa::best(), &narrow, &x, &mut out);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(run);
}

fn words() -> Vec<i16> {
    (0..COUNT).map(|i| (i * 40_503) as i16).collect()
}

#[divan::bench(args = [64, 40])]
fn largest(bencher: Bencher, channels: usize) {
    let windows = windows(56, 3, 2, 1);
    let geometry = ConvGeometry { batch: 1, channels, out_channels: channels, groups: 1, windows };
    let rows = Rows::conv(&geometry).unwrap();
    let (x, mut out) = (bytes(56 * 56 * channels), vec![0u8; 28 * 28 * channels]);
    let run = || max_pool(Isa::best(), &rows, &x, channels, &mut out);
    bencher.counter(ItemsCount::new(28 * 28 * channels)).bench_local(run);
}

/// rows, columns
#[divan::bench(args = [[64, 3136], [3, 50176], [3136, 64], [32, 25600], [32, 25000]])]
fn transposed(bencher: Bencher, [rows, columns]: [usize; 2]) {
    let (x, mut out) = (bytes(rows * columns), vec![0u8; rows * columns]);
    let run = || transpose(&x, rows, columns, &mut out);
    bencher.counter(ItemsCount::new(rows * columns)).bench_local(run);
}
