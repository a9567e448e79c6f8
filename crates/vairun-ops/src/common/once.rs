use std::sync::OnceLock;

/// What the cell holds, made where it holds nothing yet.
///
/// Two threads may both make it. None waits for another, as in [`OnceLock::get_or_init`]: while `make` waits for tasks of
/// rayon its thread may be given another run of the same model, and that would wait for itself.
pub(crate) fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    if let Some(value) = cell.get() {
        return value;
    }
    let made = make();
    cell.get_or_init(|| made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_asked_for_while_it_is_made() {
        let cell = OnceLock::new();
        assert_eq!(once(&cell, || *once(&cell, || 1) + 1), &1, "the first that was there");
        assert_eq!(once(&cell, || 3), &1);
    }
}
