//! STUB
use super::ImageSource;
use crate::error::{Error, Result};
use preco_core::imagery::{IMAGE_EXTENSIONS, Rgb8, decode, probe};
use std::path::{Path, PathBuf};
/// STUB
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanOptions {
    /// skip
    pub skip_unreadable: bool,
}
/// STUB
pub struct ImageFolder {
    paths: Vec<PathBuf>,
    labels: Vec<Option<usize>>,
    classes: Vec<String>,
}
impl ImageFolder {
    /// STUB
    ///
    /// # Errors
    /// none found
    pub fn scan(root: &Path, options: &ScanOptions) -> Result<Self> {
        let mut paths = Vec::new();
        walk(root, &mut paths)?;
        paths.sort();
        Self::build(root, paths, options)
    }
    /// STUB
    ///
    /// # Errors
    /// none found
    pub fn scan_list(root: &Path, list: &Path, options: &ScanOptions) -> Result<Self> {
        let text =
            std::fs::read_to_string(list).map_err(|e| Error::Folder(format!("cannot read {}: {e}", list.display())))?;
        Self::build(root, text.lines().map(|line| root.join(line)).collect(), options)
    }
    fn build(root: &Path, mut paths: Vec<PathBuf>, options: &ScanOptions) -> Result<Self> {
        if options.skip_unreadable {
            paths.retain(|path| decode(path).is_ok());
        } else {
            for path in &paths {
                probe(path)?;
            }
        }
        if paths.is_empty() {
            return Err(Error::Folder(format!("{} holds no image", root.display())));
        }
        let class = |path: &PathBuf| {
            let inside = path.strip_prefix(root).ok()?;
            let parent = inside.parent()?.file_name()?;
            Some(parent.to_string_lossy().into_owned())
        };
        let mut classes: Vec<String> = paths.iter().filter_map(class).collect();
        classes.sort();
        classes.dedup();
        let labels = paths.iter().map(|p| class(p).and_then(|c| classes.iter().position(|k| *k == c))).collect();
        Ok(Self { paths, labels, classes })
    }
}
fn walk(root: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(root).map_err(|e| Error::Folder(format!("cannot read {}: {e}", root.display())))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, out)?;
        } else if path
            .extension()
            .is_some_and(|e| IMAGE_EXTENSIONS.contains(&e.to_string_lossy().to_lowercase().as_str()))
        {
            out.push(path);
        }
    }
    Ok(())
}
impl ImageSource for ImageFolder {
    fn len(&self) -> usize {
        self.paths.len()
    }
    fn image(&self, index: usize) -> Result<Rgb8> {
        Ok(decode(&self.paths[index])?)
    }
    fn label(&self, index: usize) -> Option<usize> {
        self.labels[index]
    }
    fn name(&self, index: usize) -> String {
        self.paths[index].display().to_string()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
}
