//! Where the golden vectors lie, and every case of a family.

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::case::Case;

/// The folder with the families, and whether it is only the committed part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The folder.
    pub path: PathBuf,
    /// True where the full set is absent.
    pub is_committed_part: bool,
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// `PRECO_GOLDEN`, else `../shared/golden`, else `tests/golden`.
///
/// # Panics
/// Where `PRECO_GOLDEN` names no folder: who sets it wants that set and no other.
pub fn root() -> Root {
    choose(std::env::var_os("PRECO_GOLDEN").map(PathBuf::from), &workspace())
}

fn choose(asked: Option<PathBuf>, workspace: &Path) -> Root {
    if let Some(path) = asked.filter(|path| !path.as_os_str().is_empty()) {
        // Cargo runs tests in the package's folder; people type paths that start at the workspace.
        let path = if path.is_relative() { workspace.join(path) } else { path };
        assert!(path.is_dir(), "PRECO_GOLDEN is {}, which is no folder. Unset it or correct it", path.display());
        return Root { path, is_committed_part: false };
    }
    let shared = workspace.join("../shared/golden");
    if shared.is_dir() {
        return Root { path: shared, is_committed_part: false };
    }
    Root { path: workspace.join("tests/golden"), is_committed_part: true }
}

/// Every case of `family`, by name.
///
/// # Panics
/// Where the family is absent or empty: its test would otherwise pass without having compared anything.
pub fn family(family: &str) -> Vec<Case> {
    let root = root();
    if root.is_committed_part {
        say(&format!(
            "golden {family}: ONLY THE COMMITTED PART is compared; ../shared/golden is absent and PRECO_GOLDEN is not set"
        ));
    }
    let folder = root.path.join(family);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("golden {}: {error}", folder.display()));
    let (mut names, mut others) = (BTreeSet::new(), Vec::new());
    for path in entries.map(|entry| entry.expect("entry of the golden folder").path()).filter(|path| path.is_file()) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json" | "safetensors") => {
                names.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
            }
            _ => others.push(path),
        }
    }
    assert!(!names.is_empty(), "{} holds no case", folder.display());
    let mut cases: Vec<Case> = names.iter().map(|name| crate::read::case(&folder, family, name)).collect();
    others.sort_unstable();
    for path in others {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // texture_a_420.jpg belongs to texture_a, and to texture_a_420 where there is such a case.
        let owner = cases.iter_mut().filter(|case| file.starts_with(&case.name)).max_by_key(|case| case.name.len());
        owner.unwrap_or_else(|| panic!("{} belongs to no case", path.display())).files.push(path);
    }
    cases
}

/// Runs `test` on every case of `family`, all of them even if one fails, and says how many ran.
///
/// # Panics
/// At the end, with every failure, unless each case passed and had all its expected tensors compared.
pub fn run(family: &str, test: impl Fn(&Case)) {
    run_cases(family, self::family(family), test);
}

fn run_cases(family: &str, cases: Vec<Case>, test: impl Fn(&Case)) {
    let total = cases.len();
    let mut failures = Vec::new();
    for case in cases {
        let name = case.name.clone();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&case))) {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            case.fail(text.unwrap_or_else(|| "panicked".to_owned()));
            case.forgive_uncompared();
        }
        if let Err(report) = case.finish() {
            failures.push(format!("golden {family}/{name}:\n{report}"));
        }
    }
    say(&format!("golden {family}: ran {total} of {total} cases, {} failed", failures.len()));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A line on stderr that the test runner does not swallow.
pub fn say(line: &str) {
    // Nothing can be done about a closed stderr.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_part_is_the_last_resort() {
        let place = tempfile::tempdir().expect("temporary folder");
        let workspace = place.path().join("work");
        std::fs::create_dir_all(&workspace).expect("workspace");
        let part = choose(None, &workspace);
        assert_eq!(part, Root { path: workspace.join("tests/golden"), is_committed_part: true });
        std::fs::create_dir_all(place.path().join("shared/golden")).expect("shared");
        assert!(!choose(None, &workspace).is_committed_part);
        let asked = choose(Some("../shared".into()), &workspace);
        assert_eq!(asked, Root { path: workspace.join("../shared"), is_committed_part: false });
    }

    #[test]
    #[should_panic(expected = "is no folder")]
    fn an_absent_golden_folder_that_was_asked_for_is_an_error() {
        choose(Some("absent".into()), &workspace());
    }

    #[test]
    #[should_panic(expected = "out.b")]
    fn a_case_with_an_uncompared_tensor_fails_the_run() {
        run_cases("toy", vec![crate::case::toy()], |case| case.check("out.a", &[1.0, 2.0]));
    }

    #[test]
    fn a_case_with_every_tensor_compared_passes() {
        run_cases("toy", vec![crate::case::toy()], |case| {
            case.check("out.a", &[1.0, 2.0]);
            case.check("out.b", &[3.0]);
        });
    }
}
