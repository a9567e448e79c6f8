use vairun_tensor::Tensor;

use super::{Content, Entry, GoldenError, GoldenSource};

/// Tensors in memory as a golden.
#[derive(Clone, Debug, Default)]
pub struct MemoryGolden {
    description: String,
    entries: Vec<Entry>,
    tensors: Vec<Tensor>,
}

impl MemoryGolden {
    /// From named tensors; `description` says where they come from.
    pub fn new(
        description: impl Into<String>,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Self {
        let (entries, tensors) =
            tensors.into_iter().map(|(name, tensor)| (Entry::of(name, &tensor), tensor)).unzip();
        Self { description: description.into(), entries, tensors }
    }
}

impl GoldenSource for MemoryGolden {
    fn description(&self) -> String {
        self.description.clone()
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        Ok(Content::Tensor(self.tensors[index].clone()))
    }
}
