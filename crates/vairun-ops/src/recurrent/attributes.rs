use vairun_numeric::recurrent::Activation;

use crate::attrs::Attrs;
use crate::error::BuildError;

/// The attributes that all recurrent operators have.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    /// For each direction whether it runs from the last step to the first.
    pub(crate) reverse: Vec<bool>,
    /// `[batch, steps, …]` instead of `[steps, batch, …]`.
    pub(crate) batch_first: bool,
    pub(crate) hidden_size: Option<usize>,
    pub(crate) clip: Option<f32>,
    /// For each direction the activations of its cell.
    pub(crate) activations: Vec<Vec<Activation>>,
}

impl Attributes {
    /// Reads activation_alpha, activation_beta, activations, clip, direction, hidden_size and layout; `defaults` are the
    /// activations of one direction.
    pub(crate) fn read(attrs: &Attrs, defaults: &[&str]) -> Result<Self, BuildError> {
        let reverse = match attrs.string("direction")?.as_deref() {
            None | Some("forward") => vec![false],
            Some("reverse") => vec![true],
            Some("bidirectional") => vec![false, true],
            Some(other) => {
                return Err(Attrs::value("direction", other, "forward, reverse or bidirectional"));
            }
        };
        let hidden_size = attrs.int("hidden_size")?.map(|size| {
            usize::try_from(size)
                .map_err(|_| Attrs::value("hidden_size", size, "a positive number"))
        });
        Ok(Self {
            activations: activations(attrs, defaults, reverse.len())?,
            reverse,
            batch_first: attrs.flag("layout")?.unwrap_or(false),
            hidden_size: hidden_size.transpose()?,
            // Old exporters write 0 for "no clip"; a clip to nothing has no meaning.
            clip: attrs.float("clip")?.filter(|&clip| clip > 0.0),
        })
    }
}

fn activations(
    attrs: &Attrs,
    defaults: &[&str],
    directions: usize,
) -> Result<Vec<Vec<Activation>>, BuildError> {
    let given = attrs.strings("activations")?;
    let names: Vec<&str> = match &given {
        Some(names) if !names.is_empty() => names.iter().map(String::as_str).collect(),
        _ => defaults.repeat(directions),
    };
    if names.len() != defaults.len() * directions {
        let expected = format!("{} names for each direction", defaults.len());
        return Err(Attrs::value("activations", format!("{names:?}"), &expected));
    }
    let mut alphas = attrs.floats("activation_alpha")?.unwrap_or_default();
    let mut betas = attrs.floats("activation_beta")?.unwrap_or_default();
    let known = "Affine, Elu, HardSigmoid, LeakyRelu, Relu, ScaledTanh, Sigmoid, Softplus, Softsign, Tanh or \
                 ThresholdedRelu";
    let mut named = |name: &&str| {
        Activation::named(name, &mut alphas, &mut betas)
            .ok_or_else(|| Attrs::value("activations", name, known))
    };
    names.chunks(defaults.len()).map(|names| names.iter().map(&mut named).collect()).collect()
}
