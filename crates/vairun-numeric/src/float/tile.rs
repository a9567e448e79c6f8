//! A tile: some rows times one or more panels of columns, its sums in registers.

#![allow(unsafe_code)]

use crate::kernel::Isa;

/// Rows of a tile at most.
pub(super) const ROWS: usize = 6;

/// Columns of a panel.
pub(super) const COLUMNS: usize = 16;

/// Elements of a vector.
pub(super) const LANES: usize = 8;

/// What is added to a finished sum.
#[derive(Clone, Copy)]
pub(super) enum Bias {
    None,
    /// One for each row of the tile.
    Rows(*const f32),
    /// One for each column of the tile.
    Columns(*const f32),
}

/// Where a tile reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// `[terms, rows]`
    pub(super) a: *const f32,
    /// [`COLUMNS`] columns of each term.
    pub(super) b: *const f32,
    /// Where each term stands behind b.
    pub(super) places: *const usize,
    /// Elements from one panel to the next in b.
    pub(super) b_panel: usize,
    pub(super) terms: usize,
    /// The first column of the first row.
    pub(super) c: *mut f32,
    /// Elements from one row to the next in c.
    pub(super) c_step: usize,
    /// Whether the sums go on from what stands in c.
    pub(super) resumes: bool,
    pub(super) bias: Bias,
}

/// Eight numbers side by side.
pub(super) trait Vector: Copy {
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(x: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// `self · x + sum`, rounded once.
    unsafe fn mul_add(self, x: Self, sum: Self) -> Self;
    /// [`crate::pool::largest`] of `self` and `x`.
    unsafe fn largest(self, x: Self) -> Self;
}

impl Vector for [f32; LANES] {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }

    #[inline(always)]
    unsafe fn mul_add(self, x: Self, sum: Self) -> Self {
        std::array::from_fn(|i| self[i].mul_add(x[i], sum[i]))
    }

    #[inline(always)]
    unsafe fn largest(self, x: Self) -> Self {
        std::array::from_fn(|i| crate::pool::largest(self[i], x[i]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    // SAFETY of each: the caller has AVX and FMA, and the pointers hold eight elements.
    impl super::Vector for __m256 {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm256_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, x: Self, sum: Self) -> Self {
            unsafe { _mm256_fmadd_ps(self, x, sum) }
        }

        #[inline(always)]
        unsafe fn largest(self, x: Self) -> Self {
            // The maximum is its second operand where the first is not larger.
            unsafe {
                let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x);
                _mm256_blendv_ps(_mm256_max_ps(x, self), x, nan)
            }
        }
    }
}

impl Tile {
    /// # Safety
    /// The pointers hold `R` rows, `P` panels and the terms as [`Tile`] says; the CPU has what `V` needs.
    #[inline(always)]
    unsafe fn run<V: Vector, const R: usize, const P: usize>(self) {
        // SAFETY: within what the caller promises.
        unsafe {
            let at = |row: usize, panel: usize, half: usize| {
                self.c.add(row * self.c_step + panel * COLUMNS + half * LANES)
            };
            let mut sums = [[[V::splat(0.0); 2]; P]; R];
            if self.resumes {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (panel, sums) in sums.iter_mut().enumerate() {
                        *sums = [V::load(at(row, panel, 0)), V::load(at(row, panel, 1))];
                    }
                }
            }
            let mut a = self.a;
            for term in 0..self.terms {
                let b = self.b.add(*self.places.add(term));
                for panel in 0..P {
                    let b = b.add(panel * self.b_panel);
                    let columns = [V::load(b), V::load(b.add(LANES))];
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let (a, sums) = (V::splat(*a.add(row)), &mut sums[panel]);
                        sums[0] = a.mul_add(columns[0], sums[0]);
                        sums[1] = a.mul_add(columns[1], sums[1]);
                    }
                }
                a = a.add(R);
            }
            match self.bias {
                Bias::None => {}
                Bias::Rows(bias) => {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let bias = V::splat(*bias.add(row));
                        for sums in sums {
                            *sums = [sums[0].add(bias), sums[1].add(bias)];
                        }
                    }
                }
                Bias::Columns(bias) => {
                    for panel in 0..P {
                        let bias = bias.add(panel * COLUMNS);
                        let bias = [V::load(bias), V::load(bias.add(LANES))];
                        for sums in &mut sums {
                            let sums = &mut sums[panel];
                            *sums = [sums[0].add(bias[0]), sums[1].add(bias[1])];
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (panel, sums) in sums.iter().enumerate() {
                    sums[0].store(at(row, panel, 0));
                    sums[1].store(at(row, panel, 1));
                }
            }
        }
    }

    /// `rows` rows times `panels` panels.
    ///
    /// # Safety
    /// As [`Kernels::tile`].
    #[inline(always)]
    unsafe fn sized<V: Vector>(self, rows: usize, panels: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            match rows {
                1 => self.wide::<V, 1, 4>(panels),
                2 => self.wide::<V, 2, 3>(panels),
                3 => self.wide::<V, 3, 2>(panels),
                4 => self.wide::<V, 4, 1>(panels),
                5 => self.wide::<V, 5, 1>(panels),
                _ => self.wide::<V, 6, 1>(panels),
            }
        }
    }

    /// `P` panels at once: enough sums to hide the latency of the additions.
    ///
    /// # Safety
    /// As [`Kernels::tile`].
    #[inline(always)]
    unsafe fn wide<V: Vector, const R: usize, const P: usize>(self, panels: usize) {
        let mut panel = 0;
        // SAFETY: as the caller promises.
        unsafe {
            while panel + P <= panels {
                self.panel(panel).run::<V, R, P>();
                panel += P;
            }
            while panel < panels {
                self.panel(panel).run::<V, R, 1>();
                panel += 1;
            }
        }
    }

    /// The tile from this panel on.
    ///
    /// # Safety
    /// There is such a panel.
    #[inline(always)]
    pub(super) unsafe fn panel(self, panel: usize) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let bias = match self.bias {
                Bias::Columns(bias) => Bias::Columns(bias.add(panel * COLUMNS)),
                bias => bias,
            };
            let (b, c) = (self.b.add(panel * self.b_panel), self.c.add(panel * COLUMNS));
            Self { b, c, bias, ..self }
        }
    }
}

/// The kernels for an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernels {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Fma,
}

impl Kernels {
    pub(super) fn of(isa: Isa) -> Self {
        #[cfg(target_arch = "x86_64")]
        if isa != Isa::Scalar
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
        {
            return Self::Fma;
        }
        let _ = isa;
        Self::Plain
    }

    /// Computes `rows` rows times `panels` panels.
    ///
    /// # Safety
    /// The pointers hold as many rows, panels and terms as [`Tile`] says, at most [`ROWS`] rows.
    pub(super) unsafe fn tile(self, tile: Tile, rows: usize, panels: usize) {
        // SAFETY: as the caller promises; `of` has asked the CPU.
        unsafe {
            match self {
                Self::Plain => tile.sized::<[f32; LANES]>(rows, panels),
                #[cfg(target_arch = "x86_64")]
                Self::Fma => tile_fma(tile, rows, panels),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_fma(tile: Tile, rows: usize, panels: usize) {
    // SAFETY: as the caller promises.
    unsafe { tile.sized::<std::arch::x86_64::__m256>(rows, panels) }
}
