use std::sync::Arc;

use vairun_ops::{BuildError, NodeSpec, Operator, Provider};

use crate::plan::Options;

/// The operator for a node from the first provider that has it; `Err(None)` where nobody has.
pub(crate) fn resolve(
    spec: &NodeSpec,
    providers: &[Arc<dyn Provider>],
    _options: &Options,
) -> Result<Box<dyn Operator>, Option<BuildError>> {
    providers.iter().find_map(|provider| provider.build(spec)).ok_or(None)?.map_err(Some)
}
