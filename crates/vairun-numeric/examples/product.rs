//! Runs one product again and again, for profilers and instruction counts: `product bytes 64 256 56 1 1 [turns]`.
//!
//! The arguments are `bytes`, `per_channel` or `words`, channels of x, output channels, pixels on a side, kernel and
//! stride. With no turns it only prepares the product: the difference is what the product takes.

#![allow(clippy::unwrap_used)] // an example without its arguments has nothing to say

use std::env;

use vairun_numeric::contraction::{ConvGeometry, Window};
use vairun_numeric::kernel::{
    Codes, Element, Finish, Isa, Narrow, NarrowParts, Output, Product, Rows, Weights, Written,
};
use vairun_numeric::round::Round;

fn main() {
    let kind = env::args().nth(1).unwrap();
    let sizes: Vec<usize> = env::args().skip(2).map(|size| size.parse().unwrap()).collect();
    let &[channels, out_channels, side, kernel, stride, ref rest @ ..] = &sizes[..] else {
        panic!("five sizes");
    };
    let (element, divisor) = match &kind[..] {
        "bytes" => (Element::Byte, 8),
        "per_channel" => (Element::Byte, 1),
        _ => (Element::Word, 8),
    };
    let product = product(element, divisor, [channels, out_channels, side, kernel, stride]);
    let bytes: Vec<u8> = (0..side * side * channels + 64).map(|i| (i % 251) as u8).collect();
    let words: Vec<i16> = bytes.iter().map(|&byte| byte.into()).collect();
    let mut out = vec![0u8; product.pixels() * out_channels];
    for _ in 0..rest.first().copied().unwrap_or(1) {
        let x = match element {
            Element::Byte => Codes::U8(&bytes),
            Element::Word => Codes::I16(&words),
        };
        product.run(x, channels, Written::U8(&mut out), out_channels, 1);
    }
    std::hint::black_box(&out);
}

fn product(element: Element, divisor: i16, sizes: [usize; 5]) -> Product {
    let [channels, out_channels, side, kernel, stride] = sizes;
    let (pad_begin, pad_end) = (kernel / 2, kernel / 2);
    let window =
        Window { input: side, kernel, stride, dilation: 1, pad_begin, pad_end, output_padding: 0 };
    let windows = vec![window; 2];
    let geometry = ConvGeometry { batch: 1, channels, out_channels, groups: 1, windows };
    let taps = kernel * kernel;
    let w: Vec<i16> = (0..out_channels * taps * channels).map(|i| weight(i) / divisor).collect();
    let weights = Weights::new(element, out_channels, taps, channels, &w).unwrap();
    let (round, zero_inside) = (Round::HalfEven, None);
    let parts = NarrowParts { scale: 0.37, zero: 3, low: 0, high: 255, round, zero_inside };
    let add = weights.corrections(3, &vec![0; out_channels]).unwrap();
    let output = Output::Codes8(Narrow::new(parts).unwrap());
    let finish = Finish::new(add, vec![0.01; out_channels], None, output);
    Product::new(vec![weights], channels, Rows::conv(&geometry).unwrap(), 3, finish, Isa::best())
}

/// Numbers between -126 and 126 around 0, small ones more often.
fn weight(i: usize) -> i16 {
    let hash = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..4).map(|n| i16::from((hash >> (20 + 8 * n)) as u8 % 64)).sum::<i16>() - 126
}
