use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::depthwise::{PLANES_HELD, Window, depthwise};
use super::planes::{Axis, Part, Planes};
use super::product::FEW;
use super::vector::Kernels;
use crate::kernel::Isa;
use crate::pool::{Pool, PoolAxis, max};

/// [`crate::pool::max`] of float32.
///
/// # Panics
/// Where x does not fill the planes.
pub fn max_pool(x: &[f32], pool: &Pool, isa: Isa) -> Vec<f32> {
    match planes(pool) {
        Some(planes) => through(&planes, x, pool, isa),
        None => max(x, pool),
    }
}

fn planes(pool: &Pool) -> Option<Planes> {
    let axis = |axis: &PoolAxis| {
        let PoolAxis { input, output, kernel, stride, dilation, pad_begin, .. } = *axis;
        Axis::new(input, output, (kernel, stride, dilation), pad_begin)
    };
    let axes = pool.axes.iter().map(axis).collect::<Option<Vec<_>>>()?;
    let some = pool.planes * pool.input_len() * pool.output_len() > 0;
    some.then(|| Planes::over(axes)).flatten()
}

#[allow(unsafe_code)]
fn through(planes: &Planes, x: &[f32], pool: &Pool, isa: Isa) -> Vec<f32> {
    let (input, output) = (pool.input_len(), pool.output_len());
    assert_eq!(x.len(), pool.planes * input, "x fills the planes");
    let areas = planes.areas(planes.pixels_within(PLANES_HELD));
    let parts: Vec<_> = areas.into_iter().map(|area| Part::new(planes, area)).collect();
    let kernels = Kernels::of(isa);
    let plane = |(x, out): (&[f32], &mut [MaybeUninit<f32>])| {
        depthwise(kernels, &parts, x, Window::Largest, out);
    };
    let length = pool.planes * output;
    let mut result = Vec::with_capacity(length);
    let out = &mut result.spare_capacity_mut()[..length];
    match length * planes.taps <= FEW || rayon::current_num_threads() == 1 {
        true => x.chunks_exact(input).zip(out.chunks_exact_mut(output)).for_each(plane),
        false => x.par_chunks_exact(input).zip(out.par_chunks_exact_mut(output)).for_each(plane),
    }
    // SAFETY: every element of every plane has been written.
    unsafe { result.set_len(length) };
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// NaN, zeros of both signs and infinities among numbers.
    fn numbers(count: usize) -> Vec<f32> {
        let some = [0.0, -0.0, f32::NAN, 1.0, -3.0, f32::NEG_INFINITY, -0.0, 0.0, -1.0, 2.0, -2.5];
        (0..count).map(|i| some[i * i * 7 % 23 % some.len()]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_window_is_that_of_all_types(
            planes in 1..3usize,
            sizes in prop::collection::vec(
                (1..40usize, 1..5usize, 1..4usize, 1..3usize, 0..3usize, 0..3usize),
                1..5,
            ),
        ) {
            let axis = |&(input, kernel, stride, dilation, pad_begin, beyond)| PoolAxis {
                input,
                // Where a window reaches beyond the padding, as `ceil_mode` makes it, or sees nothing at all.
                output: (input + pad_begin + beyond) / stride + 1,
                kernel,
                stride,
                dilation,
                pad_begin,
                pad_end: beyond,
            };
            let pool = Pool { planes, axes: sizes.iter().map(axis).collect() };
            prop_assume!(pool.input_len().max(pool.output_len()) < 20_000);
            let x = numbers(planes * pool.input_len());
            let bits = |y: Vec<f32>| -> Vec<u32> { y.into_iter().map(f32::to_bits).collect() };
            let want = bits(max(&x, &pool));
            for isa in Isa::available() {
                prop_assert_eq!(&bits(max_pool(&x, &pool, isa)), &want);
            }
        }
    }
}
