/// Elements behind the codes of a buffer: kernels read whole vectors.
pub(super) const SLACK: usize = 64;

/// Buffers that are not in use, for the next one that is needed: a steady run allocates none.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    bytes: Vec<Free<u8>>,
    words: Vec<Free<i16>>,
    reals: Vec<Free<f32>>,
    runs: u64,
}

/// A buffer that is not in use.
#[derive(Debug)]
pub(super) struct Free<T> {
    buffer: Vec<T>,
    /// The run that gave it back.
    run: u64,
}

/// A type of element that buffers hold.
pub(super) trait Pooled: Copy + Default {
    fn free(buffers: &mut Buffers) -> &mut Vec<Free<Self>>;
}

impl Pooled for u8 {
    fn free(buffers: &mut Buffers) -> &mut Vec<Free<Self>> {
        &mut buffers.bytes
    }
}

impl Pooled for i16 {
    fn free(buffers: &mut Buffers) -> &mut Vec<Free<Self>> {
        &mut buffers.words
    }
}

impl Pooled for f32 {
    fn free(buffers: &mut Buffers) -> &mut Vec<Free<Self>> {
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
        let fits = |Free { buffer, .. }: &Free<T>| {
            (buffer.capacity() < needed, buffer.capacity().abs_diff(needed))
        };
        let best = (0..free.len()).min_by_key(|&i| fits(&free[i]));
        let mut buffer = best.map_or_else(Vec::new, |i| free.swap_remove(i).buffer);
        if buffer.len() < needed {
            buffer.resize(needed, T::default());
        }
        buffer
    }

    /// Gives a buffer back, or one that something else than [`Buffers::take`] has made.
    pub(super) fn give<T: Pooled>(&mut self, buffer: Vec<T>) {
        let run = self.runs;
        T::free(self).push(Free { buffer, run });
    }

    /// Ends a run: what lay idle for all of it is dropped, or each run would leave behind what others have made for it.
    pub(super) fn end_run(&mut self) {
        let run = self.runs;
        self.bytes.retain(|free| free.run == run);
        self.words.retain(|free| free.run == run);
        self.reals.retain(|free| free.run == run);
        self.runs += 1;
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

    #[test]
    fn what_no_run_takes_does_not_pile_up() {
        let mut buffers = Buffers::default();
        for _ in 0..100 {
            let used = buffers.take::<u8>(10);
            buffers.give(vec![0u8; 30]);
            buffers.give(used);
            buffers.end_run();
        }
        // Of the last run, what it used and was given.
        assert_eq!(buffers.bytes.len(), 2);
    }
}
