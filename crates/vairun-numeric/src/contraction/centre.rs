use super::operand::{Codes, Operand};

/// Codes less their zero points, in the narrowest type that holds them all, in the order that `place` asks for.
pub(super) enum Centred {
    /// Every value fits.
    I16(Vec<i16>),
    /// Some do not.
    I32(Vec<i32>),
}

/// How a row-major operand is read: as `[outer, axis, inner]` with a zero point for each index of `axis`.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) outer: usize,
    pub(super) axis: usize,
    pub(super) inner: usize,
}

impl Centred {
    /// `None` where a difference does not fit `i32`.
    pub(super) fn new(operand: &Operand, layout: Layout) -> Option<Self> {
        match operand.codes {
            Codes::I8(codes) => Self::centre(codes, operand.zero_points, layout),
            Codes::U8(codes) => Self::centre(codes, operand.zero_points, layout),
            Codes::I16(codes) => Self::centre(codes, operand.zero_points, layout),
            Codes::U16(codes) => Self::centre(codes, operand.zero_points, layout),
            Codes::I32(codes) => Self::centre(codes, operand.zero_points, layout),
        }
    }

    fn centre<T: Copy + Into<i64>>(
        codes: &[T],
        zero_points: &[i32],
        layout: Layout,
    ) -> Option<Self> {
        let Layout { outer, axis, inner } = layout;
        assert_eq!(codes.len(), outer * axis * inner, "the codes fill the shape");
        assert!([1, axis].contains(&zero_points.len()), "one zero point, or one for each index");
        let zero = |i: usize| i64::from(zero_points[if zero_points.len() == 1 { 0 } else { i }]);
        let rows = || codes.chunks_exact(inner.max(1)).enumerate();
        let (mut low, mut high) = (0i64, 0i64);
        for (row, codes) in rows() {
            let z = zero(row % axis);
            let (least, most) = codes.iter().fold((i64::MAX, i64::MIN), |(least, most), &code| {
                (least.min(code.into()), most.max(code.into()))
            });
            (low, high) = (low.min(least - z), high.max(most - z));
        }
        if i16::try_from(low).is_ok() && i16::try_from(high).is_ok() {
            let mut out = Vec::with_capacity(codes.len());
            rows().for_each(|(row, codes)| {
                let z = zero(row % axis);
                out.extend(codes.iter().map(|&code| (code.into() - z) as i16));
            });
            return Some(Self::I16(out));
        }
        (i32::try_from(low).is_ok() && i32::try_from(high).is_ok()).then(|| {
            let centre = |(row, codes): (usize, &[T])| {
                let z = zero(row % axis);
                codes.iter().map(move |&code| (code.into() - z) as i32).collect::<Vec<_>>()
            };
            Self::I32(rows().flat_map(centre).collect())
        })
    }

    /// The largest magnitude.
    pub(super) fn magnitude(&self) -> i64 {
        match self {
            Self::I16(values) => {
                let (least, most) =
                    values.iter().fold((0, 0), |(a, b), &v| (i16::min(a, v), i16::max(b, v)));
                i64::from(most).max(-i64::from(least))
            }
            Self::I32(values) => {
                values.iter().map(|&value| i64::from(value).abs()).max().unwrap_or(0)
            }
        }
    }

    /// The values in `i32`.
    pub(super) fn widen(self) -> Vec<i32> {
        match self {
            Self::I16(values) => values.into_iter().map(i32::from).collect(),
            Self::I32(values) => values,
        }
    }
}

/// `[rows, columns]` → `[columns, rows]` within each of the `batches` that `values` holds.
pub(super) fn transposed<T: Copy + Default>(
    values: &[T],
    batches: usize,
    rows: usize,
    columns: usize,
) -> Vec<T> {
    const TILE: usize = 32;
    let mut out = vec![T::default(); values.len()];
    for batch in 0..batches {
        let (from, to) = (
            &values[batch * rows * columns..][..rows * columns],
            &mut out[batch * rows * columns..][..rows * columns],
        );
        for r0 in (0..rows).step_by(TILE) {
            for c0 in (0..columns).step_by(TILE) {
                for c in c0..columns.min(c0 + TILE) {
                    for r in r0..rows.min(r0 + TILE) {
                        to[c * rows + r] = from[r * columns + c];
                    }
                }
            }
        }
    }
    out
}
