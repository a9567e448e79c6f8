//! The convolutions against their definition, written down plainly.

use proptest::prelude::*;

use super::*;

/// `index` of a row-major array of these lengths, one number for each.
fn split(mut at: usize, lengths: &[usize]) -> Vec<i64> {
    let mut index: Vec<i64> = lengths
        .iter()
        .rev()
        .map(|&n| {
            let i = at % n;
            at /= n;
            i64::try_from(i).unwrap()
        })
        .collect();
    index.reverse();
    index
}

fn join(index: &[i64], lengths: &[usize]) -> Option<usize> {
    index
        .iter()
        .zip(lengths)
        .try_fold(0, |at, (&i, &n)| usize::try_from(i).ok().filter(|&i| i < n).map(|i| at * n + i))
}

#[derive(Debug)]
struct Case {
    geometry: ConvGeometry,
    x: Vec<i64>,
    x_zero: i64,
    w: Vec<i64>,
    w_zeros: Vec<i32>,
}

impl Case {
    fn lengths(&self, of: impl Fn(&Window) -> usize) -> Vec<usize> {
        self.geometry.windows.iter().map(of).collect()
    }

    /// Calls `visit(out, product)` for every pair that the definition of either convolution multiplies.
    fn plain(&self, transposed: bool) -> Vec<i64> {
        let g = &self.geometry;
        let output = if transposed { g.transposed_output() } else { g.output() }.unwrap();
        let (input, kernel) = (self.lengths(|w| w.input), self.lengths(|w| w.kernel));
        let count: usize = output.iter().product();
        let (cg, og) = (g.channels / g.groups, g.out_channels / g.groups);
        let mut out = vec![0; g.batch * g.out_channels * count];
        for n in 0..g.batch {
            for (o, c) in (0..g.out_channels).flat_map(|o| (0..cg).map(move |c| (o, c))) {
                let channel = n * g.channels + o / og * cg + c;
                for tap in 0..g.taps() {
                    let weight = match transposed {
                        true => ((o / og * cg + c) * og + o % og) * g.taps() + tap,
                        false => (o * cg + c) * g.taps() + tap,
                    };
                    let zero = self.w_zeros[match (self.w_zeros.len(), transposed) {
                        (1, _) => 0,
                        (_, true) => o % og,
                        (_, false) => o,
                    }];
                    let weight = self.w[weight] - i64::from(zero);
                    let tap = split(tap, &kernel);
                    let (outer, inner) =
                        if transposed { (&input, &output) } else { (&output, &input) };
                    for at in 0..outer.iter().product() {
                        let index = split(at, outer);
                        let other: Vec<i64> = (0..index.len())
                            .map(|d| {
                                let window = &g.windows[d];
                                index[d] * window.stride as i64 + tap[d] * window.dilation as i64
                                    - window.pad_begin as i64
                            })
                            .collect();
                        let Some(other) = join(&other, inner) else { continue };
                        let (from, to) = if transposed { (at, other) } else { (other, at) };
                        let pixels: usize = input.iter().product();
                        let x = self.x[channel * pixels + from] - self.x_zero;
                        out[(n * g.out_channels + o) * count + to] += x * weight;
                    }
                }
            }
        }
        out
    }

    fn run(&self, transposed: bool) -> Vec<i64> {
        let x: Vec<u8> = self.x.iter().map(|&x| x.try_into().unwrap()).collect();
        let w: Vec<i16> = self.w.iter().map(|&w| w.try_into().unwrap()).collect();
        let x_zero = [self.x_zero.try_into().unwrap()];
        let x = Operand { codes: Codes::U8(&x), zero_points: &x_zero };
        let w = Operand { codes: Codes::I16(&w), zero_points: &self.w_zeros };
        let run = if transposed { conv_transpose } else { conv };
        run(&self.geometry, &x, &w).unwrap().to_i64()
    }
}

fn window() -> impl Strategy<Value = Window> {
    (1usize..7, 1usize..4, 1usize..4, 1usize..3, 0usize..3, 0usize..3, 0usize..2).prop_map(
        |(input, kernel, stride, dilation, pad_begin, pad_end, output_padding)| Window {
            input,
            kernel,
            stride,
            dilation,
            pad_begin,
            pad_end,
            output_padding,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let sizes = (1usize..3, 1usize..4, 1usize..4, 1usize..4);
    let windows = proptest::collection::vec(window(), 0..=3);
    let codes = (any::<[u8; 16]>(), any::<bool>(), any::<bool>());
    (sizes, windows, codes).prop_map(
        |((batch, cg, og, groups), windows, (seed, wide, per_channel))| {
            let geometry = ConvGeometry {
                batch,
                channels: cg * groups,
                out_channels: og * groups,
                groups,
                windows,
            };
            let byte =
                |i: usize| i64::from(seed[i % 16].wrapping_mul(i as u8).wrapping_add(seed[i % 13]));
            let scale = if wide { 200 } else { 1 };
            let zeros = if per_channel { og * groups } else { 1 };
            Case {
                x: (0..batch * geometry.channels * geometry.pixels()).map(byte).collect(),
                x_zero: byte(3),
                w: (0..geometry.out_channels * cg * geometry.taps())
                    .map(|i| (byte(i + 5) - 128) * scale)
                    .collect(),
                w_zeros: (0..zeros).map(|i| byte(i).try_into().unwrap()).collect(),
                geometry,
            }
        },
    )
}

proptest! {
    #[test]
    fn conv_is_its_definition(case in case()) {
        prop_assume!(case.geometry.output().is_some());
        prop_assert_eq!(case.run(false), case.plain(false));
    }

    #[test]
    fn conv_transpose_is_its_definition(mut case in case()) {
        prop_assume!(case.geometry.transposed_output().is_some());
        let per_group = case.geometry.out_channels / case.geometry.groups;
        case.w_zeros.truncate(per_group);
        prop_assert_eq!(case.run(true), case.plain(true));
    }
}

#[test]
fn a_kernel_larger_than_the_padded_input_has_no_output() {
    let window = Window {
        input: 2,
        kernel: 4,
        stride: 1,
        dilation: 1,
        pad_begin: 1,
        pad_end: 0,
        output_padding: 0,
    };
    assert_eq!(window.output(), None);
}
