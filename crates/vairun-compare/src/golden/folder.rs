//! What lies in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::GoldenError;

/// More files than any dump has: a folder with more was not meant.
const MOST_FILES: usize = 200_000;
/// Folders in folders; VART's dumps have two, those by tensor name as many as the names have parts.
const DEEPEST: usize = 24;

/// A file in a folder or below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Its path below the folder, with `/` between the parts.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Found {
    /// The name without its extension.
    pub(super) fn stem(&self) -> &str {
        let start = self.name.rfind('/').map_or(0, |slash| slash + 1);
        match self.name[start..].rfind('.') {
            Some(dot) if dot > 0 => &self.name[..start + dot],
            _ => &self.name,
        }
    }

    /// Whether it lies in the folder itself.
    pub(super) fn is_direct(&self) -> bool {
        !self.name.contains('/')
    }
}

/// Every file in `folder` and below it, sorted by name. Links to folders are not followed: they may lead back.
pub(super) fn walk(folder: &Path) -> Result<Vec<Found>, GoldenError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((at, prefix, depth)) = open.pop() {
        let fail = |error| GoldenError::io(&at, error);
        for entry in fs::read_dir(&at).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // Names that are no text belong to none of the tools.
            let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}"))
            else {
                continue;
            };
            let is_folder = entry.file_type().map_err(fail)?.is_dir();
            if is_folder && depth < DEEPEST {
                open.push((entry.path(), format!("{name}/"), depth + 1));
            } else if !is_folder {
                found.push(Found { name, path: entry.path() });
            }
        }
        if found.len() > MOST_FILES {
            let message = format!("more than {MOST_FILES} files lie in it");
            return Err(GoldenError::unknown(folder, message));
        }
    }
    found.sort();
    Ok(found)
}
