//! Which input of the model is meant.

use vairun::Port;

use super::Given;

/// `a`, `b`; or none.
pub(super) fn names(ports: &[Port]) -> String {
    match ports {
        [] => "no inputs".to_owned(),
        [one] => format!("the input `{}`", one.name),
        many => {
            let quoted: Vec<_> = many.iter().map(|port| format!("`{}`", port.name)).collect();
            format!("the inputs {}", quoted.join(", "))
        }
    }
}

pub(super) fn named<'a>(ports: &'a [Port], name: &str) -> Option<&'a Port> {
    ports.iter().find(|port| port.name == name)
}

/// The first input that has no value yet, those without a default before the others.
pub(super) fn next<'a>(ports: &'a [Port], found: &[Given]) -> Option<&'a Port> {
    let open = |port: &&Port| found.iter().all(|given| given.name != port.name);
    let needed = ports.iter().filter(|port| !port.has_default).find(open);
    needed.or_else(|| ports.iter().find(open))
}
