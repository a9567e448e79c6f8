/// Elements behind the codes of a buffer: kernels read whole vectors.
pub(super) const SLACK: usize = 64;

/// Buffers that are not in use, for the next one that is needed: a steady run allocates none.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    bytes: Vec<Vec<u8>>,
    words: Vec<Vec<i16>>,
    reals: Vec<Vec<f32>>,
}

/// A type of element that buffers hold.
pub(super) trait Pooled: Copy + Default {
    fn free(buffers: &mut Buffers) -> &mut Vec<Vec<Self>>;
}

impl Pooled for u8 {
    fn free(buffers: &mut Buffers) -> &mut Vec<Vec<Self>> {
        &mut buffers.bytes
    }
}

impl Pooled for i16 {
    fn free(buffers: &mut Buffers) -> &mut Vec<Vec<Self>> {
        &mut buffers.words
    }
}

impl Pooled for f32 {
    fn free(buffers: &mut Buffers) -> &mut Vec<Vec<Self>> {
        &mut buffers.reals
    }
}

impl Buffers {
    /// A buffer of `length` elements, whatever they are, and at least [`SLACK`] more.
    ///
    /// It stays as long as it was: filling what a smaller user had cut off took a tenth of the time of a small network.
    pub(super) fn take<T: Pooled>(&mut self, length: usize) -> Vec<T> {
        let needed = length + SLACK;
        let free = T::free(self);
        // The smallest that is large enough, else the largest.
        let fits =
            |buffer: &Vec<T>| (buffer.capacity() < needed, buffer.capacity().abs_diff(needed));
        let best = (0..free.len()).min_by_key(|&i| fits(&free[i]));
        let mut buffer = best.map_or_else(Vec::new, |i| free.swap_remove(i));
        if buffer.len() < needed {
            buffer.resize(needed, T::default());
        }
        buffer
    }

    /// Gives a buffer back.
    pub(super) fn give<T: Pooled>(&mut self, buffer: Vec<T>) {
        T::free(self).push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_where_it_fits() {
        let mut buffers = Buffers::default();
        let (small, large) = (buffers.take::<u8>(10), buffers.take::<u8>(1000));
        let place = large.as_ptr();
        buffers.give(small);
        buffers.give(large);
        let again = buffers.take::<u8>(500);
        assert_eq!((again.as_ptr(), again.len()), (place, 1000 + SLACK));
    }
}
