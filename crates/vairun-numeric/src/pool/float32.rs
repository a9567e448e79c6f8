//! The pools of float32, compiled here, for the widest vectors of the CPU.

use super::geometry::Pool;
use crate::vector::{Loop, widest};

/// [`super::mean`].
pub fn mean(x: &[f32], pool: &Pool, include_padding: bool) -> Vec<f32> {
    struct Mean<'a>(&'a [f32], &'a Pool, bool);
    impl Loop for Mean<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run(self) -> Vec<f32> {
            super::mean(self.0, self.1, self.2)
        }
    }
    widest(Mean(x, pool, include_padding))
}

/// [`super::mean_of_rows`].
pub fn mean_of_rows(x: &[f32], rows: usize, length: usize) -> Vec<f32> {
    struct Mean<'a>(&'a [f32], usize, usize);
    impl Loop for Mean<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run(self) -> Vec<f32> {
            super::mean_of_rows(self.0, self.1, self.2)
        }
    }
    widest(Mean(x, rows, length))
}
