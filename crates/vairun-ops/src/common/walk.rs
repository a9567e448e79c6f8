//! Where elements stand.

/// `Σ i[k]·steps[k]` for every index `i` of `shape`, in row-major order.
pub(crate) fn offsets(shape: &[usize], steps: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for (&dim, &step) in shape.iter().zip(steps) {
        offsets = offsets.iter().flat_map(|&at| (0..dim).map(move |i| at + i * step)).collect();
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_walk() {
        assert_eq!(offsets(&[3, 2], &[1, 3]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(offsets(&[], &[]), [0]);
        assert!(offsets(&[0, 2], &[2, 1]).is_empty());
    }
}
