use thiserror::Error;
use vairun_tensor::{DType, Tensor};

/// Reference tensors, read one at a time.
pub trait GoldenSource: Sync {
    /// What it is and how it was read: `ref.npz (npz, 62 tensors)`.
    fn description(&self) -> String;

    /// What it holds, without the elements.
    fn entries(&self) -> &[Entry];

    /// The elements of an entry.
    ///
    /// # Errors
    /// A file that cannot be read any more, or that is not what it was taken for.
    fn load(&self, index: usize) -> Result<Content, GoldenError>;
}

/// One tensor of a golden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The name that the golden gives it.
    pub name: String,
    /// The type, where the golden says it.
    pub dtype: Option<DType>,
    /// The shape, where the golden says it.
    pub shape: Option<Vec<usize>>,
    /// Bytes of the elements, where that is known without reading them.
    pub bytes: Option<u64>,
    /// The file it stands in, where there is one for each tensor.
    pub file: Option<String>,
}

/// The elements of a golden tensor, as far as the golden says what they are.
#[derive(Clone, Debug)]
pub enum Content {
    /// A tensor with type and shape.
    Tensor(Tensor),
    /// Bytes whose type and shape the model must tell.
    Raw(Vec<u8>),
    /// Numbers from a text file; the shape is the model's.
    Numbers(Vec<f64>),
}

/// A golden that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A file or folder of no known layout.
    #[error("{path}: {message}")]
    Unknown {
        /// The file or folder.
        path: String,
        /// What was looked for.
        message: String,
    },
}

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

impl Entry {
    /// What describes a tensor that is there.
    pub fn of(name: impl Into<String>, tensor: &Tensor) -> Self {
        Self {
            name: name.into(),
            dtype: Some(tensor.dtype()),
            shape: Some(tensor.shape().to_vec()),
            bytes: Some(tensor.byte_len() as u64),
            file: None,
        }
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
