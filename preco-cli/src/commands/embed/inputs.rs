//! From what was typed to files and addresses, and from those to scenes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use preco_core::imagery::IMAGE_EXTENSIONS;
use preco_core::imagery::raster::{self, Raster};
use preco_zoo::{Settings, shown, sources};
use serde::Deserialize;

/// Endings, in lower case, of scenes that are looked for in folders.
const SCENE_EXTENSIONS: [&str; 4] = ["tif", "tiff", "gtiff", "btf"];

/// A line of a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Path(String),
    Object { path: String },
}

/// Opens the file or address `name`.
pub(crate) fn open(name: &str, overview: usize, settings: &Settings) -> Result<Arc<dyn Raster>> {
    // An address may hold a signature, and the raster's name is in its errors.
    Ok(raster::open(sources::open(name, settings)?, &shown(name), overview)?.into())
}

/// Files and addresses, in the order they were given; those of folders and patterns by their names.
pub(crate) fn expand(asked: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for text in asked {
        let path = Path::new(text);
        if sources::is_address(text) {
            found.push(text.clone());
        } else if path.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            let endings = IMAGE_EXTENSIONS.iter().chain(&SCENE_EXTENSIONS).copied().collect::<Vec<_>>().join(", ");
            ensure!(found.len() > before, "{text}: no image and no scene in it (they end in {endings})");
        } else if path.extension().is_some_and(|ending| ending == "jsonl") {
            list(path, &mut found)?;
        } else if path.exists() || !text.contains(['*', '?', '[']) {
            found.push(text.clone());
        } else {
            let matches = glob::glob(text).with_context(|| format!("{text} is no pattern"))?;
            let before = found.len();
            for path in matches {
                let path = path?;
                if !path.is_dir() {
                    found.push(text_of(&path)?);
                }
            }
            ensure!(found.len() > before, "{text} matches no file");
        }
    }
    Ok(found)
}

/// Links to a folder around them lead nowhere new.
fn walk(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    let around = std::fs::canonicalize(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    for path in paths {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if path.is_dir() {
            let leads_back = path.is_symlink() && std::fs::canonicalize(&path).is_ok_and(|to| around.starts_with(to));
            if !leads_back {
                walk(&path, found)?;
            }
        } else if ending.is_some_and(|e| IMAGE_EXTENSIONS.contains(&&*e) || SCENE_EXTENSIONS.contains(&&*e)) {
            found.push(text_of(&path)?);
        }
    }
    Ok(())
}

/// Each line names a file, from the list's own folder on, or an address.
fn list(path: &Path, found: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|_| {
            anyhow::anyhow!("{}, line {}: write \"file\" or {{\"path\": \"file\"}}, not {line}", path.display(), at + 1)
        })?;
        let (Line::Path(name) | Line::Object { path: name }) = line;
        found.push(if sources::is_address(&name) { name } else { text_of(&folder.join(name))? });
    }
    Ok(())
}

fn text_of(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{} is no UTF-8, which files of embeddings need", path.display()),
    }
}
