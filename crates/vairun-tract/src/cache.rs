//! The plans of one node, the latest used first.

use std::sync::{Arc, Mutex};

use vairun_tensor::{DType, Tensor};

use crate::plan::Plan;

/// How many plans a node keeps: a model that meets more shapes than this in turn builds plans anew.
const KEPT: usize = 8;

/// What a plan holds for: the types and shapes of the data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Key(Vec<(DType, Vec<usize>)>);

impl Key {
    pub(crate) fn add_data(&mut self, tensor: &Tensor) {
        self.0.push((tensor.dtype(), tensor.shape().to_vec()));
    }
}

/// A bounded list of plans.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Vec<(Key, Arc<Plan>)>>);

impl Cache {
    /// The plan for `key`; `build` makes one where there is none yet. While it builds, other threads that need a plan
    /// of the same node wait: they would build the same.
    pub(crate) fn get<E>(
        &self,
        key: Key,
        build: impl FnOnce() -> Result<Plan, E>,
    ) -> Result<Arc<Plan>, E> {
        let mut plans = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = plans.iter().position(|(known, _)| *known == key) {
            plans[..=found].rotate_right(1);
        } else {
            let plan = Arc::new(build()?);
            plans.truncate(KEPT - 1);
            plans.insert(0, (key, plan));
        }
        Ok(Arc::clone(&plans[0].1))
    }
}
