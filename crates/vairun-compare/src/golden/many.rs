use super::{Content, Entry, GoldenError, GoldenSource};

/// Several goldens as one: their tensors one after the other.
pub(super) struct Many {
    parts: Vec<Box<dyn GoldenSource>>,
    entries: Vec<Entry>,
    /// For each entry its part, and its place in it.
    places: Vec<(usize, usize)>,
}

impl Many {
    pub(super) fn new(parts: Vec<Box<dyn GoldenSource>>) -> Self {
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        for (part, golden) in parts.iter().enumerate() {
            entries.extend_from_slice(golden.entries());
            places.extend((0..golden.entries().len()).map(|i| (part, i)));
        }
        Self { parts, entries, places }
    }
}

impl GoldenSource for Many {
    fn description(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|part| part.description()).collect();
        parts.join(" + ")
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        let (part, place) = self.places[index];
        self.parts[part].load(place)
    }
}
