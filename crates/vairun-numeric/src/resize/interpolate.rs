use super::coordinates::Axis;
use super::taps::Taps;

/// Interpolates along one axis of a row-major array of shape `[outer, taps' input, inner]`: the weighted sum of the
/// elements that each output is made from, in their order. Outputs outside of the input become `extrapolation`.
pub fn interpolate(
    x: &[f32],
    outer: usize,
    inner: usize,
    taps: &Taps,
    extrapolation: f32,
) -> Vec<f32> {
    let input = x.len().checked_div(outer * inner).unwrap_or(0);
    let mut y = Vec::with_capacity(outer * taps.outputs() * inner);
    for o in 0..outer {
        let x = &x[o * input * inner..][..input * inner];
        for i in 0..taps.outputs() {
            let start = y.len();
            let Some(pairs) = taps.of(i) else {
                y.resize(start + inner, extrapolation);
                continue;
            };
            y.resize(start + inner, 0.0);
            for (at, weight) in pairs {
                let row = &x[at * inner..][..inner];
                y[start..].iter_mut().zip(row).for_each(|(y, x)| *y += weight * x);
            }
        }
    }
    y
}

/// The two neighbours of an output along one axis.
struct Pair {
    low: usize,
    high: usize,
    /// The weights of both, by their distance.
    to_low: f32,
    to_high: f32,
    outside: bool,
}

/// Interpolates planes of `rows.input` × `columns.input` linearly in both directions at once:
///
/// `(1-dx)(1-dy)·x11 + dx(1-dy)·x12 + (1-dx)dy·x21 + dx·dy·x22`
///
/// in this order of operations, which is onnxruntime's; one direction after the other rounds differently.
pub fn bilinear(x: &[f32], rows: &Axis, columns: &Axis, extrapolation: f32) -> Vec<f32> {
    let (ys, xs) = (pairs(rows), pairs(columns));
    let plane = rows.input * columns.input;
    let mut out = Vec::with_capacity(x.len() / plane.max(1) * ys.len() * xs.len());
    for x in x.chunks_exact(plane.max(1)) {
        for v in &ys {
            let upper = &x[v.low * columns.input..][..columns.input];
            let lower = &x[v.high * columns.input..][..columns.input];
            let element = |h: &Pair| {
                if v.outside || h.outside {
                    return extrapolation;
                }
                h.to_low * v.to_low * upper[h.low]
                    + h.to_high * v.to_low * upper[h.high]
                    + h.to_low * v.to_high * lower[h.low]
                    + h.to_high * v.to_high * lower[h.high]
            };
            out.extend(xs.iter().map(element));
        }
    }
    out
}

fn pairs(axis: &Axis) -> Vec<Pair> {
    let last = axis.input - 1;
    let pair = |o| {
        let source = axis.source(o);
        let at = source.clamp(0.0, last as f32);
        let low = (at as usize).min(last);
        let high = (low + 1).min(last);
        let (from_low, from_high) = match low == high {
            true => (0.5, 0.5),
            false => ((at - low as f32).abs(), (at - high as f32).abs()),
        };
        Pair { low, high, to_low: from_high, to_high: from_low, outside: axis.is_outside(source) }
    };
    (0..axis.output).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Coordinates, Kernel};
    use super::*;

    fn axis(input: usize, output: usize, coordinates: Coordinates) -> Axis {
        Axis { input, output, scale: output as f32 / input as f32, coordinates }
    }

    #[test]
    fn lines_stay_lines() {
        let grow = axis(3, 5, Coordinates::AlignCorners);
        let taps = Taps::new(&grow, Kernel::Linear, false, false);
        assert_eq!(interpolate(&[0., 2., 4.], 1, 1, &taps, 9.), [0., 1., 2., 3., 4.]);
        let two = [0., 10., 2., 12., 4., 14.];
        assert_eq!(
            interpolate(&two, 1, 2, &taps, 9.),
            [0., 10., 1., 11., 2., 12., 3., 13., 4., 14.]
        );
    }

    #[test]
    fn both_directions_at_once_agree_with_one_after_the_other_where_nothing_is_rounded() {
        let (rows, columns) =
            (axis(2, 4, Coordinates::HalfPixel), axis(3, 6, Coordinates::HalfPixel));
        let x = [1., 2., 3., 4., 5., 6.];
        let along = |axis: &Axis| Taps::new(axis, Kernel::Linear, false, false);
        let after =
            interpolate(&interpolate(&x, 2, 1, &along(&columns), 0.), 1, 6, &along(&rows), 0.);
        assert_eq!(bilinear(&x, &rows, &columns, 0.), after);
    }

    #[test]
    fn a_shrinking_axis_is_smoothed_where_asked() {
        let shrink = axis(4, 2, Coordinates::HalfPixel);
        let smooth = Taps::new(&shrink, Kernel::Linear, true, false);
        let x = [0., 0., 1., 1.];
        // Weights 1/8 3/8 3/8 1/8 around each output, the border repeated.
        assert_eq!(interpolate(&x, 1, 1, &smooth, 0.), [0.125, 0.875]);
        let sharp = Taps::new(&shrink, Kernel::Linear, false, false);
        assert_eq!(interpolate(&x, 1, 1, &sharp, 0.), [0., 1.]);
    }

    #[test]
    fn what_lies_outside_takes_the_given_value() {
        let crop = axis(3, 3, Coordinates::TfCropAndResize { start: 0.5, end: 1.5 });
        let taps = Taps::new(&crop, Kernel::Linear, false, false);
        assert_eq!(interpolate(&[1., 2., 3.], 1, 1, &taps, 7.), [2., 3., 7.]);
        assert_eq!(
            bilinear(&[1., 2., 3.], &axis(1, 1, Coordinates::HalfPixel), &crop, 7.),
            [2., 3., 7.]
        );
    }
}
