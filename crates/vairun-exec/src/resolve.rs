use std::sync::Arc;

use vairun_ops::contraction::Contraction;
use vairun_ops::{
    Attrs, BuildError, Context, Inputs, NodeSpec, OpError, Operator, Outputs, Provider,
};
use vairun_tensor::DType;

use crate::plan::{Contractions, Options};

/// The operator for a node from the first provider that has it, and whether that is a standard one; `Err(None)` where
/// nobody has it.
pub(crate) fn resolve(
    spec: &NodeSpec,
    providers: &[Arc<dyn Provider>],
    options: &Options,
) -> Result<(Box<dyn Operator>, bool), Option<BuildError>> {
    let found =
        providers.iter().find_map(|provider| Some((provider.build(spec)?, provider.is_standard())));
    let (float, standard) = found.ok_or(None)?;
    let float = float.map_err(Some)?;
    if options.contractions == Contractions::Float {
        return Ok((float, standard));
    }
    // Attributes that the exact form does not read were checked by the provider of the float form.
    match Contraction::from_node(spec, &Attrs::new(spec.attributes)).map_err(Some)? {
        Some(exact) => Ok((Box::new(ExactOr { exact, float }), standard)),
        None => Ok((float, standard)),
    }
}

/// A contraction: exact where both operands were dequantized, else whatever the provider of the float form computes.
struct ExactOr {
    exact: Contraction,
    float: Box<dyn Operator>,
}

impl Operator for ExactOr {
    fn run(&self, inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        match self.exact.run(&inputs)? {
            Some(y) => Ok(vec![y.into()]),
            None => self.float.run(inputs, context),
        }
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        self.float.output_dtypes(inputs)
    }

    fn contraction(&self) -> Option<&Contraction> {
        Some(&self.exact)
    }
}
