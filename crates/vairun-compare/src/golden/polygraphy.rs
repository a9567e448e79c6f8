//! Polygraphy's JSON: `--save-inputs` and `--save-outputs`.
//!
//! `RunResults` is `{"lst": [[runner, [{"outputs": {name: {"values": {"array": npy}}}}]]]}`, inputs are a list with an
//! object for each iteration; an array is an .npy file in base64 beside `"polygraphy_class": "ndarray"` (Polygraphy
//! 0.53). Of several runners and iterations the first counts. The text stays in the file; only where the arrays stand
//! in it is kept.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use vairun_tensor::MappedFile;
use vairun_tensor::files::{decode_npy, peek_npy_bytes};

use super::{Content, Entry, GoldenError, GoldenSource, base64, describe};

pub(super) struct Polygraphy {
    title: String,
    path: PathBuf,
    file: MappedFile,
    entries: Vec<Entry>,
    /// Where the base64 of each array stands.
    places: Vec<Range<usize>>,
}

impl Polygraphy {
    pub(super) fn open(path: &Path, title: String) -> Result<Self, GoldenError> {
        let file = MappedFile::open(path).map_err(|error| GoldenError::io(path, error))?;
        let root: Node = serde_json::from_slice(file.bytes())
            .map_err(|error| GoldenError::format(path, format!("no JSON: {error}")))?;
        let mut golden = Self {
            title,
            path: path.to_owned(),
            file: file.clone(),
            entries: Vec::new(),
            places: Vec::new(),
        };
        first_tensors(&root, &mut |name, text| golden.add(name, text));
        if golden.entries.is_empty() {
            let message = "no tensors as Polygraphy's --save-inputs or --save-outputs writes them";
            return Err(GoldenError::unknown(path, message));
        }
        Ok(golden)
    }

    fn add(&mut self, name: &str, text: &str) {
        // Base64 has nothing that JSON escapes, so the text is a part of the file.
        let start = text.as_ptr() as usize - self.file.bytes().as_ptr() as usize;
        let head = base64::decode(&text.as_bytes()[..text.len().min(4096) / 4 * 4]);
        let info = head.and_then(|head| peek_npy_bytes(&head).ok());
        let info = info.as_ref().map(|info| (info.dtype, &*info.shape));
        self.entries.push(Entry::new(name, info));
        self.places.push(start..start + text.len());
    }
}

impl GoldenSource for Polygraphy {
    fn description(&self) -> String {
        describe(&self.title, "Polygraphy", self.entries.len())
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        let name = &self.entries[index].name;
        let wrong =
            |what: &dyn fmt::Display| GoldenError::format(&self.path, format!("`{name}`: {what}"));
        let text = &self.file.bytes()[self.places[index].clone()];
        let bytes = base64::decode(text).ok_or_else(|| wrong(&"no base64"))?;
        decode_npy(&bytes).map(Content::Tensor).map_err(|kind| wrong(&kind))
    }
}

/// The parts of a JSON text that matter here.
enum Node<'a> {
    Object(Vec<(String, Node<'a>)>),
    List(Vec<Node<'a>>),
    /// A text without escapes.
    Text(&'a str),
    Other,
}

impl<'a> Node<'a> {
    fn get(&self, key: &str) -> Option<&Node<'a>> {
        match self {
            Self::Object(fields) => {
                fields.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    fn list(&self) -> &[Node<'a>] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The base64 of an array, `LazyArray` or not.
    fn array(&self) -> Option<&'a str> {
        match self.get("values").unwrap_or(self).get("array") {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Gives the arrays of the first iteration of the first runner to `add`.
fn first_tensors<'a>(root: &Node<'a>, add: &mut impl FnMut(&str, &'a str)) {
    let run = match root.get("lst").map(Node::list) {
        // [[runner, [iteration, …]], …]
        Some(runs) => runs.first().and_then(|run| run.list().get(1)),
        None => Some(root),
    };
    let iteration = match run {
        Some(Node::List(iterations)) => iterations.first(),
        other => other,
    };
    let tensors = iteration.map(|iteration| iteration.get("outputs").unwrap_or(iteration));
    if let Some(Node::Object(fields)) = tensors {
        fields.iter().for_each(|(name, node)| {
            if let Some(text) = node.array() {
                add(name, text);
            }
        });
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
                Ok(Node::Text(text))
            }

            fn visit_str<E>(self, _: &str) -> Result<Node<'de>, E> {
                Ok(Node::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Node<'de>, E> {
                Ok(Node::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Node<'de>, E> {
                Ok(Node::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Node<'de>, E> {
                Ok(Node::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
                Ok(Node::Other)
            }

            fn visit_unit<E>(self) -> Result<Node<'de>, E> {
                Ok(Node::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node<'de>, A::Error> {
                let mut object = Vec::new();
                while let Some((key, node)) = fields.next_entry::<String, Node<'de>>()? {
                    object.push((key, node));
                }
                Ok(Node::Object(object))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
