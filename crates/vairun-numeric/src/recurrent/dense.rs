use crate::vector::{Loop, widest};

/// Sums that run side by side.
const LANES: usize = 16;

/// `y[i] += Σ w[i, k] · x[k]` for the rows `i` of `w`.
pub(super) fn add_product(y: &mut [f32], w: &[f32], x: &[f32]) {
    assert_eq!(w.len(), y.len() * x.len(), "one weight for each pair");
    if !x.is_empty() {
        widest(Dots { y, w, x });
    }
}

struct Dots<'a> {
    y: &'a mut [f32],
    w: &'a [f32],
    x: &'a [f32],
}

impl Loop for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let rows = self.w.chunks_exact(self.x.len());
        self.y.iter_mut().zip(rows).for_each(|(y, row)| *y += dot(row, self.x));
    }
}

/// `Σ a[k] · b[k]`, in an order that no machine changes.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks_a, chunks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (rest_a, rest_b) = (chunks_a.remainder(), chunks_b.remainder());
    for (a, b) in chunks_a.zip(chunks_b) {
        for k in 0..LANES {
            lanes[k] += a[k] * b[k];
        }
    }
    lanes.iter_mut().zip(rest_a.iter().zip(rest_b)).for_each(|(lane, (a, b))| *lane += a * b);
    let mut width = LANES / 2;
    while width > 0 {
        for k in 0..width {
            lanes[k] += lanes[k + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_added_once() {
        for n in 0..50u16 {
            let a: Vec<f32> = (0..n).map(f32::from).collect();
            let expected: u32 = (0..u32::from(n)).map(|i| i * i).sum();
            assert_eq!(dot(&a, &a), expected as f32, "{n}");
        }
    }

    #[test]
    fn a_product_is_added_to_what_is_there() {
        let mut y = [1., 10.];
        add_product(&mut y, &[1., 2., 3., 4.], &[5., 6.]);
        assert_eq!(y, [18., 49.]);
    }
}
