use rayon::prelude::*;

use super::code::Code;
use crate::contraction::Window;

/// The shape of an image whose channels lie last, and how a window moves over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Batch size.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// The spatial dimensions, outermost first.
    pub windows: Vec<Window>,
}

/// Windows over an image `[batch, spatial…, channels]`.
pub struct Pool {
    shape: PoolShape,
    output: Vec<usize>,
}

impl Pool {
    /// `None` where a window does not fit.
    pub fn new(shape: PoolShape) -> Option<Self> {
        let output = shape.windows.iter().map(Window::output).collect::<Option<Vec<_>>>()?;
        Some(Self { shape, output })
    }

    /// The spatial dimensions of the result.
    pub fn output(&self) -> &[usize] {
        &self.output
    }

    /// The largest code of each window; `None` where one has no pixel of the image.
    pub fn max<T: Code>(&self, x: &[T]) -> Option<Vec<T>> {
        let filled =
            (0..self.output.iter().product::<usize>()).all(|o| !self.sources(o).is_empty());
        filled.then(|| {
            self.each(x, T::LEAST, |out, x| {
                out.iter_mut().zip(x).for_each(|(o, &x)| *o = x.max(*o))
            })
        })
    }

    /// The sum of each window; the caller knows that it fits.
    pub fn sum<T: Code>(&self, x: &[T]) -> Vec<i64> {
        self.each(x, 0i64, |out, x| out.iter_mut().zip(x).for_each(|(o, x)| *o += x.widen()))
    }

    fn each<T: Code, S: Code>(
        &self,
        x: &[T],
        initial: S,
        add: impl Fn(&mut [S], &[T]) + Sync,
    ) -> Vec<S> {
        let channels = self.shape.channels;
        let pixels: usize = self.shape.windows.iter().map(|window| window.input).product();
        let length: usize = self.output.iter().product();
        let mut out = vec![initial; self.shape.batch * length * channels];
        if out.is_empty() {
            return out;
        }
        out.par_chunks_mut(channels).with_min_len(256).enumerate().for_each(|(i, out)| {
            let x = &x[i / length * pixels * channels..];
            for at in self.sources(i % length) {
                add(out, &x[at * channels..][..channels]);
            }
        });
        out
    }

    /// The pixels of the image in the window of output `o`.
    fn sources(&self, o: usize) -> Vec<usize> {
        let mut places = vec![0];
        let mut stride = self.output.iter().product::<usize>();
        for (window, &length) in self.shape.windows.iter().zip(&self.output) {
            stride /= length;
            let first = o / stride % length * window.stride;
            let inside = |k: usize| {
                let place = (first + k * window.dilation).checked_sub(window.pad_begin);
                place.filter(|&place| place < window.input)
            };
            let along: Vec<usize> = (0..window.kernel).filter_map(inside).collect();
            let join = |&outer: &usize| along.iter().map(move |&i| outer * window.input + i);
            places = places.iter().flat_map(join).collect();
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(input: usize, kernel: usize, stride: usize, pad: [usize; 2]) -> Pool {
        let window = Window {
            input,
            kernel,
            stride,
            dilation: 1,
            pad_begin: pad[0],
            pad_end: pad[1],
            output_padding: 0,
        };
        Pool::new(PoolShape { batch: 1, channels: 1, windows: vec![window; 2] }).unwrap()
    }

    #[test]
    fn padding_is_below_every_code_for_max_and_zero_for_sums() {
        let x: Vec<i8> = vec![-1, -2, -3, -4, -5, -6, -7, -8, -9];
        let pool = pool(3, 2, 2, [1, 0]);
        assert_eq!(pool.output(), [2, 2]);
        assert_eq!(pool.max(&x).unwrap(), [-1, -2, -4, -5]);
        assert_eq!(pool.sum(&x), [-1, -5, -11, -28]);
    }

    #[test]
    fn a_window_without_pixels_has_no_maximum() {
        let pool = pool(2, 1, 1, [1, 0]);
        assert_eq!(pool.max(&[1i8, 2, 3, 4]), None);
        assert_eq!(pool.sum(&[1i8, 2, 3, 4]), [0, 0, 0, 0, 1, 2, 0, 3, 4]);
    }

    #[test]
    fn channels_and_batches_are_apart() {
        let window = Window {
            input: 2,
            kernel: 2,
            stride: 1,
            dilation: 1,
            pad_begin: 0,
            pad_end: 0,
            output_padding: 0,
        };
        let pool = Pool::new(PoolShape { batch: 2, channels: 2, windows: vec![window] }).unwrap();
        let x = [1i8, 10, 2, 20, 3, 30, 4, 40];
        assert_eq!(pool.sum(&x), [3, 30, 7, 70]);
        assert_eq!(pool.max(&x).unwrap(), [2, 20, 4, 40]);
    }
}
