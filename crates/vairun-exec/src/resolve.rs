use std::sync::{Arc, Mutex};

use vairun_ops::contraction::{Contraction, RealOr};
use vairun_ops::{Attrs, BuildError, NodeSpec, Operator, Provider};

use crate::exact::ExactOr;
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
    let mut float = float.map_err(Some)?;
    if standard {
        float = RealOr::over(float, spec, options.isa).map_err(Some)?;
    }
    if options.contractions == Contractions::Float {
        return Ok((float, standard));
    }
    // Attributes that the exact form does not read were checked by the provider of the float form.
    match Contraction::from_node(spec, &Attrs::new(spec.attributes)).map_err(Some)? {
        Some(exact) => {
            let fixed = spec.inputs.iter().skip(1).flatten().all(|input| input.fixed);
            let channels_second = matches!(spec.op.op_type.as_str(), "Conv" | "ConvTranspose");
            let (isa, packed) = (options.isa, Mutex::default());
            let exact = ExactOr { exact, float, isa, fixed, channels_second, packed };
            Ok((Box::new(exact), standard))
        }
        None => Ok((float, standard)),
    }
}
