use vairun_tensor::Tensor;

use crate::golden::{GoldenError, GoldenSource};
use crate::quantizer::{Kind, Quantizer};
use crate::report::Reading;

/// Which golden tensor stands for which tensor of a model, and how it is read.
pub trait Pairing: Sync {
    /// The golden.
    fn golden(&self) -> &dyn GoldenSource;

    /// The entry of the golden that stands for the tensor of that name.
    fn find(&self, name: &str) -> Option<usize>;

    /// Further entries that stand for the same tensor, as a dump with numbers and codes has them.
    fn others(&self, name: &str) -> Vec<usize> {
        let _ = name;
        Vec::new()
    }

    /// The entry whose elements can be given to an input of the model.
    fn find_input(&self, name: &str) -> Option<usize> {
        self.find(name)
    }

    /// The elements of an entry in the layout of its counterpart.
    ///
    /// # Errors
    /// A golden that cannot be read.
    fn read(&self, index: usize, made: &MadeTensor) -> Result<Found, GoldenError>;

    /// The same where it was read before, for the tensor itself, and now `made` may only stand in for that.
    ///
    /// # Errors
    /// As [`Pairing::read`].
    fn read_again(
        &self,
        index: usize,
        made: &MadeTensor,
        earlier: &Reading,
    ) -> Result<Found, GoldenError> {
        let _ = earlier;
        self.read(index, made)
    }

    /// Names of the model that an entry without a counterpart may mean, the closest first.
    fn closest(&self, index: usize) -> Vec<String> {
        let _ = index;
        Vec::new()
    }
}

/// A tensor of the model, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct MadeTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the model makes.
    pub tensor: &'a Tensor,
    /// What its elements are.
    pub kind: Kind,
    /// Its quantizer.
    pub quantizer: Option<&'a Quantizer>,
}

/// A golden tensor as its counterpart in the model has it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The elements.
    pub tensor: Tensor,
    /// How they were read.
    pub reading: Reading,
}
