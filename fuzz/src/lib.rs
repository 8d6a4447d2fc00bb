//! What the targets share: judgements of names, written apart from the code under test.

use std::path::{Component, Path};

/// True for a path that stays below the folder it is joined to: the standard library finds nothing but names in it, and
/// it has no character that makes it something else on another system (`\`, `:`, control characters).
pub fn stays_inside(path: &str) -> bool {
    let folder = Path::new("/folder");
    !path.is_empty()
        && !path.contains(['\\', ':'])
        && !path.chars().any(char::is_control)
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        && folder.join(path).parent().is_some_and(|parent| parent.starts_with(folder))
}

/// True for the name of a file in a folder, no matter which.
pub fn is_file_name(name: &str) -> bool {
    stays_inside(name) && !name.contains('/')
}

/// True for `organisation/name`.
pub fn is_repository(name: &str) -> bool {
    stays_inside(name) && name.split('/').count() == 2
}

/// True for a digest as files hold it: 64 lower-case hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|digit| digit.is_ascii_digit() || ('a'..='f').contains(&digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_a_folder_is_told_from_what_stays() {
        for good in ["a", "a/b.json", "..a", "a b", "ä"] {
            assert!(stays_inside(good), "{good}");
        }
        for bad in ["", "/", "/a", "..", "../a", "a/../b", "./a", "a\\b", "C:a", "a\0", "a\nb"] {
            assert!(!stays_inside(bad), "{bad:?}");
        }
        assert!(is_file_name("a") && !is_file_name("a/b") && !is_file_name("a/"));
        assert!(is_repository("a/b") && !is_repository("a") && !is_repository("a/b/c"));
        assert!(is_digest(&"0f".repeat(32)) && !is_digest(&"0F".repeat(32)) && !is_digest("0f"));
    }
}
