//! A product in the order of an instruction set.

#![allow(unsafe_code)]

use std::sync::Arc;

use super::finish::Finish;
use super::gather::places::Places;
use super::isa::Isa;
use super::product::Image;
use super::rows::Rows;
use super::tile::Target;
use super::weights::Weights;
use super::{avx2, avx512};

/// Weights in the order of an instruction set, and where they read. Clones share both.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    order: Order,
    places: Arc<Places>,
}

#[derive(Clone, Debug)]
enum Order {
    Avx2(Arc<avx2::Packed>),
    Avx512(Arc<avx512::product::Packed>),
}

impl Packed {
    /// Where the instruction set has an order of its own; beside it what is left of the weights and of the rows.
    pub(super) fn new(
        groups: Vec<Weights>,
        channels: usize,
        rows: Rows,
        zero: i32,
        isa: Isa,
    ) -> (Option<Self>, Vec<Weights>, Rows) {
        if isa == Isa::Scalar {
            return (None, groups, rows);
        }
        let left = groups.iter().map(Weights::emptied).collect();
        let order = match isa {
            Isa::Avx2 | Isa::AvxVnni => {
                let dot = isa == Isa::AvxVnni;
                Order::Avx2(Arc::new(avx2::Packed::new(&groups, channels, &rows, zero, dot)))
            }
            _ => {
                Order::Avx512(Arc::new(avx512::product::Packed::new(groups, channels, &rows, zero)))
            }
        };
        let places = Arc::new(order.places(&rows));
        let rows = if order.reads_rows() { rows } else { rows.forgotten() };
        (Some(Self { order, places }), left, rows)
    }

    /// The same weights for other rows.
    pub(super) fn of_rows(&self, rows: &Rows) -> Self {
        Self { order: self.order.clone(), places: Arc::new(self.order.places(rows)) }
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// The CPU has the instruction set; `x` is an image that `rows` may read, with 4 bytes behind it; the rows are those of
    /// the packed product; the target starts at its first pixel and is writable for all of them.
    pub(super) unsafe fn image(&self, rows: &Rows, finish: &Finish, x: Image, target: Target) {
        let rows = (rows, &*self.places);
        // SAFETY: as the caller promises.
        unsafe {
            match &self.order {
                Order::Avx2(packed) => packed.image(rows, finish, x, target),
                Order::Avx512(packed) => packed.image(rows, finish, x, target),
            }
        }
    }
}

impl Order {
    fn places(&self, rows: &Rows) -> Places {
        match self {
            Self::Avx2(packed) => packed.places(rows),
            Self::Avx512(packed) => packed.places(rows),
        }
    }

    fn reads_rows(&self) -> bool {
        match self {
            Self::Avx2(packed) => packed.reads_rows(),
            Self::Avx512(packed) => packed.reads_rows(),
        }
    }
}
