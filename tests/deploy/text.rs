//! Reading the repository's own files.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
#[track_caller]
pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files under a folder, with their paths from the root; build output and hidden files are passed over.
pub(super) fn files_under(folder: &str) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    found.into_iter().map(|path| (name(&path), path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true if name != "target" && !name.starts_with('.') => walk(&path, found),
            false if !name.starts_with('.') => found.push(path),
            _ => {}
        }
    }
}

/// The words of a text that begin like this: `consilium_`, `CONSILIUM_`. A word is letters, digits and underscores.
pub(super) fn words<'a>(text: &'a str, beginning: &str) -> Vec<&'a str> {
    let mut words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(beginning) && word.len() > beginning.len())
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}
