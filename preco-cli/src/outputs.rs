//! Files that a command is to write, looked at before the work: nothing of the user's is lost, and nothing is computed
//! that cannot be kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use preco_core::files::Temporary;
use preco_zoo::sources;

/// What is read, what is to be written, and whether files may be replaced.
pub(crate) struct Outputs {
    force: bool,
    inputs: Vec<PathBuf>,
    outputs: Vec<(&'static str, PathBuf)>,
}

impl Outputs {
    /// With `force`, files are replaced.
    pub(crate) fn new(force: bool) -> Self {
        Self { force, inputs: Vec::new(), outputs: Vec::new() }
    }

    /// These are read, files or addresses: they are never replaced.
    pub(crate) fn reads(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.inputs.extend(names.into_iter().filter_map(|name| same(&sources::local(name.as_ref())?)));
        self
    }

    /// This is to be written, as the flag `flag` says.
    pub(crate) fn writes(mut self, flag: &'static str, path: Option<&Path>) -> Self {
        self.outputs.extend(path.map(|path| (flag, path.to_path_buf())));
        self
    }

    /// Refuses what cannot be written, or would be lost.
    ///
    /// # Errors
    /// With the flag, the file and what to do.
    pub(crate) fn check(&self) -> Result<()> {
        let mut seen: Vec<(&str, PathBuf)> = Vec::new();
        for (flag, path) in &self.outputs {
            let shown = path.display();
            ensure!(!path.is_dir(), "{flag} {shown} is a folder: name a file in it");
            // A file that is not there yet has a folder that is.
            Temporary::beside(path).with_context(|| format!("{flag} {shown} cannot be written there"))?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let place = same(path).or_else(|| Some(same(folder)?.join(path.file_name()?)));
            let place = place.unwrap_or_else(|| path.clone());
            ensure!(!self.inputs.contains(&place), "{flag} {shown} is what is read: choose another name");
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == place) {
                anyhow::bail!("{other} and {flag} are both to write {shown}: choose another name");
            }
            ensure!(self.force || !path.exists(), "{flag} {shown} exists; --force replaces it");
            seen.push((*flag, place));
        }
        Ok(())
    }
}

/// Removes a folder with all that is in it, where there is one.
///
/// # Errors
/// The system's, with the folder.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// The file that a path leads to, whatever it is called.
fn same(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_or_there_already_is_not_written_over() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["in.tif", "old.png"] {
            std::fs::write(at(name), b"x").expect("write");
        }
        std::fs::create_dir(at("sub")).expect("folder");
        let input = at("in.tif").to_string_lossy().into_owned();
        let refused = |force: bool, outputs: &[&str]| {
            let outputs = outputs
                .iter()
                .fold(Outputs::new(force).reads([&input]), |all, name| all.writes("--out", Some(&at(name))));
            outputs.check().err().map(|error| format!("{error:#}")).unwrap_or_default()
        };
        assert_eq!(refused(false, &["new.png", "other.png"]), "");
        assert_eq!(refused(true, &["old.png"]), "");
        assert!(refused(false, &["old.png"]).contains("exists; --force"));
        assert!(refused(true, &["in.tif"]).contains("is what is read"));
        assert!(refused(true, &["sub/../in.tif"]).contains("is what is read"));
        assert!(refused(true, &["new.png", "sub/../new.png"]).contains("both to write"));
        assert!(refused(true, &["sub"]).contains("is a folder"));
        assert!(refused(true, &["missing/new.png"]).contains("cannot be written"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 3, "nothing is left behind");
    }
}
