//! A tile: some rows times one or more panels of columns, its sums in registers.

#![allow(unsafe_code)]

use super::vector::{Body, Kernels, Set, Vector};

/// Rows of a tile at most.
pub(super) const ROWS: usize = 6;

/// Columns of a panel.
pub(super) const COLUMNS: usize = 16;

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

/// Some rows times some panels.
struct Tiles {
    tile: Tile,
    rows: usize,
    panels: usize,
}

impl Body for Tiles {
    #[inline(always)]
    unsafe fn run<S: Set>(self) {
        let Self { tile, rows, panels } = self;
        // SAFETY: as the caller promises.
        unsafe {
            // As many panels at once as registers hold sums of; so many hide the latency of the additions.
            match (rows, S::REGISTERS >= 32) {
                (1, false) => tile.wide::<S::Long, 1, 4>(panels),
                (2, false) => tile.wide::<S::Long, 2, 3>(panels),
                (3, false) => tile.wide::<S::Long, 3, 2>(panels),
                (4, false) => tile.wide::<S::Long, 4, 1>(panels),
                (5, false) => tile.wide::<S::Long, 5, 1>(panels),
                (_, false) => tile.wide::<S::Long, 6, 1>(panels),
                (1, true) => tile.wide::<S::Long, 1, 8>(panels),
                (2, true) => tile.wide::<S::Long, 2, 8>(panels),
                (3, true) => tile.wide::<S::Long, 3, 4>(panels),
                (4, true) => tile.wide::<S::Long, 4, 4>(panels),
                (5, true) => tile.wide::<S::Long, 5, 4>(panels),
                (_, true) => tile.wide::<S::Long, 6, 4>(panels),
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
            let at = |row: usize, panel: usize| self.c.add(row * self.c_step + panel * COLUMNS);
            let mut sums = [[V::splat(0.0); P]; R];
            if self.resumes {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (panel, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(at(row, panel));
                    }
                }
            }
            let mut a = self.a;
            for term in 0..self.terms {
                let b = self.b.add(*self.places.add(term));
                for panel in 0..P {
                    let columns = V::load(b.add(panel * self.b_panel));
                    for (row, sums) in sums.iter_mut().enumerate() {
                        sums[panel] = V::splat(*a.add(row)).mul_add(columns, sums[panel]);
                    }
                }
                a = a.add(R);
            }
            match self.bias {
                Bias::None => {}
                Bias::Rows(bias) => {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let bias = V::splat(*bias.add(row));
                        for sum in sums {
                            *sum = sum.add(bias);
                        }
                    }
                }
                Bias::Columns(bias) => {
                    for panel in 0..P {
                        let bias = V::load(bias.add(panel * COLUMNS));
                        for sums in &mut sums {
                            sums[panel] = sums[panel].add(bias);
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (panel, sum) in sums.iter().enumerate() {
                    sum.store(at(row, panel));
                }
            }
        }
    }

    /// `P` panels at once, and what is left of them.
    ///
    /// # Safety
    /// As [`Tile::compute`].
    #[inline(always)]
    unsafe fn wide<V: Vector, const R: usize, const P: usize>(self, panels: usize) {
        let mut panel = 0;
        // SAFETY: as the caller promises.
        unsafe {
            while panel + P <= panels {
                self.panel(panel).run::<V, R, P>();
                panel += P;
            }
            while P > 2 && panel + 2 <= panels {
                self.panel(panel).run::<V, R, 2>();
                panel += 2;
            }
            while panel < panels {
                self.panel(panel).run::<V, R, 1>();
                panel += 1;
            }
        }
    }

    /// Computes `rows` rows times `panels` panels.
    ///
    /// # Safety
    /// The pointers hold as many rows, panels and terms as [`Tile`] says, at most [`ROWS`] rows.
    pub(super) unsafe fn compute(self, kernels: Kernels, rows: usize, panels: usize) {
        // SAFETY: as the caller promises.
        unsafe { kernels.run(Tiles { tile: self, rows, panels }) }
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
