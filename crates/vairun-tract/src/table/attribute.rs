use vairun_ops::{Attrs, BuildError};

/// The values of an attribute that tract does right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Accept {
    Int,
    /// Integers of which none is negative.
    Sizes,
    Float,
    /// 0 or 1.
    Flag,
    /// One of these words.
    Words(&'static [&'static str]),
}

impl Accept {
    /// Reads the attribute, if there, and refuses what is not accepted.
    pub(crate) fn check(self, attrs: &Attrs, name: &'static str) -> Result<(), BuildError> {
        match self {
            Self::Int => attrs.int(name).map(drop),
            Self::Sizes => match attrs
                .ints(name)?
                .filter(|sizes| sizes.iter().any(|&size| size < 0))
            {
                Some(sizes) => Err(Attrs::value(name, format!("{sizes:?}"), "no negative number")),
                None => Ok(()),
            },
            Self::Float => attrs.float(name).map(drop),
            Self::Flag => attrs.flag(name).map(drop),
            Self::Words(words) => {
                match attrs.string(name)?.filter(|got| !words.contains(&got.as_str())) {
                    Some(got) => Err(Attrs::value(name, got, &words.join(", "))),
                    None => Ok(()),
                }
            }
        }
    }
}
