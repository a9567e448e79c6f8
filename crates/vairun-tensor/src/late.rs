use std::fmt;
use std::sync::OnceLock;

use crate::storage::Buffer;

/// Numbers that are computed when somebody reads them.
pub(crate) struct Late<F> {
    count: usize,
    make: F,
    made: OnceLock<Vec<f32>>,
}

impl<F: Fn() -> Vec<f32>> Late<F> {
    pub(crate) fn new(count: usize, make: F) -> Self {
        Self { count, make, made: OnceLock::new() }
    }

    fn numbers(&self) -> &[f32] {
        let made = self.made.get_or_init(&self.make);
        assert_eq!(made.len(), self.count, "as many numbers as were announced");
        made
    }
}

impl<F: Fn() -> Vec<f32> + Send + Sync + 'static> Buffer for Late<F> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.numbers())
    }

    fn byte_len(&self) -> usize {
        self.count * size_of::<f32>()
    }

    fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl<F> fmt::Debug for Late<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.count)
    }
}
