//! What people call a model: a published name, a repository of the hub, an address, or a folder.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::settings::shown;

/// A model's name, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A folder on this machine.
    Folder(PathBuf),
    /// An entry of the registry, at its pinned revision unless another is given.
    Published {
        /// Such as `preco-swin-pico`.
        name: String,
        /// A branch, a tag or a commit of its repository.
        revision: Option<String>,
    },
    /// A repository of the Hugging Face hub.
    Hub {
        /// `organisation/name`.
        repository: String,
        /// A branch, a tag or a commit; the branch `main` where there is none.
        revision: Option<String>,
    },
    /// The address of a model's folder, `https://…` or an object store's.
    Address(String),
}

impl Name {
    /// Understands `text`. What exists as a path is a path.
    ///
    /// # Errors
    /// [`Error::Name`] where it is nothing of the four.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Name { name: shown(text), reason: reason.to_owned() };
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "file" => {
                    let path = file_path(rest);
                    path.map(Self::Folder)
                        .ok_or_else(|| wrong("an address of a file has three slashes: file:///folder"))
                }
                "hf" => Self::parse_repository(rest).ok_or_else(|| wrong("hf:// wants organisation/name")),
                _ if rest.trim_matches('/').is_empty() => Err(wrong("the address says no place")),
                "http" | "https" | "s3" | "s3a" | "gs" | "az" | "azure" | "adl" | "abfs" | "abfss" => {
                    Ok(Self::Address(text.trim_end_matches('/').to_owned()))
                }
                _ => Err(wrong("an address begins with https://, file://, hf://, s3://, gs:// or az://")),
            };
        }
        if text.is_empty() {
            return Err(wrong("a name is wanted"));
        }
        let path = Path::new(text);
        let is_path = path.is_absolute() || text.starts_with('.') || text.contains('\\') || text.ends_with('/');
        if path.exists() || is_path {
            return Ok(Self::Folder(path.to_owned()));
        }
        let (name, revision) = split_revision(text);
        match name.matches('/').count() {
            // More than one slash is a path that is not there.
            2.. => Ok(Self::Folder(path.to_owned())),
            slashes => {
                let parts: Vec<&str> = name.split('/').collect();
                if let Some(part) = parts.into_iter().find(|part| !is_plain(part)) {
                    let reason = format!("{part:?} is no name; letters, digits, - _ and . are good, up to 96");
                    return Err(wrong(&format!("there is no such folder, and {reason}")));
                }
                match revision {
                    Some(revision) if !is_revision(&revision) => {
                        Err(wrong("behind @ stands a branch, a tag or a commit"))
                    }
                    revision if slashes == 0 => Ok(Self::Published { name: name.to_owned(), revision }),
                    revision => Ok(Self::Hub { repository: name.to_owned(), revision }),
                }
            }
        }
    }

    /// `organisation/name` or `organisation/name@revision`.
    pub(crate) fn parse_repository(text: &str) -> Option<Self> {
        let (repository, revision) = split_revision(text);
        let (organisation, name) = repository.split_once('/')?;
        let is_good = is_plain(organisation) && is_plain(name) && revision.as_deref().is_none_or(is_revision);
        is_good.then(|| Self::Hub { repository: repository.to_owned(), revision })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What parse would take for an address is shown as one.
            Self::Folder(path) if path.to_string_lossy().contains("://") => {
                write!(f, "file://{}", path.to_string_lossy().replace('%', "%25"))
            }
            Self::Folder(path) => path.display().fmt(f),
            Self::Published { name, revision: None } => f.write_str(name),
            Self::Published { name, revision: Some(revision) } => write!(f, "{name}@{revision}"),
            // Without hf:// a folder of that name would be meant.
            Self::Hub { repository, revision: None } => write!(f, "hf://{repository}"),
            Self::Hub { repository, revision: Some(revision) } => write!(f, "hf://{repository}@{revision}"),
            Self::Address(address) => f.write_str(address),
        }
    }
}

/// The path of an address `file://rest`; nothing where it names another machine.
pub(crate) fn file_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    path.starts_with('/').then(|| decoded(path).into())
}

/// `%20` as a blank, and so on; what is no such code stays.
fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        // from_str_radix would take a sign.
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn split_revision(text: &str) -> (&str, Option<String>) {
    match text.split_once('@') {
        Some((name, revision)) => (name, Some(revision.to_owned())),
        None => (text, None),
    }
}

/// Names are parts of paths and addresses: letters, digits, `-`, `_` and `.`, as the hub has them, up to 96.
pub(crate) fn is_plain(name: &str) -> bool {
    (1..=96).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        && !name.starts_with(['.', '-'])
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("--")
        && !is_device(name)
}

/// A branch, tag or commit: what is a path below `refs/` in the cache.
pub(crate) fn is_revision(revision: &str) -> bool {
    revision.len() <= 255 && is_relative(revision)
}

/// 40 lower-case hexadecimal digits.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// True for a path that stays below the folder it is joined to, on every system: no `..`, no root, no drive, no stream,
/// no device, no name that Windows would shorten.
pub(crate) fn is_relative(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 1024
        && path.split('/').all(|part| {
            !part.is_empty()
                && part.len() <= 255
                && part != "."
                && part != ".."
                && !part.ends_with(['.', ' '])
                && !part.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
                && !part.chars().any(char::is_control)
                && !is_device(part)
        })
}

/// True for the names that are devices on Windows, with any ending.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest.chars().collect::<Vec<_>>()[..], ['0'..='9' | '¹' | '²' | '³']))
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(repository: &str, revision: Option<&str>) -> Name {
        Name::Hub { repository: repository.to_owned(), revision: revision.map(str::to_owned) }
    }

    #[test]
    fn names_are_told_apart() {
        let folder = |path: &str| Name::Folder(path.into());
        let published = |name: &str, revision: Option<&str>| Name::Published {
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
        };
        for (text, want) in [
            ("preco-swin-pico", published("preco-swin-pico", None)),
            ("preco-swin-pico@main", published("preco-swin-pico", Some("main"))),
            ("org/name", hub("org/name", None)),
            ("org/name@v1.0", hub("org/name", Some("v1.0"))),
            ("hf://org/name@refs/pr/1", hub("org/name", Some("refs/pr/1"))),
            ("./org/name", folder("./org/name")),
            ("/models/x", folder("/models/x")),
            ("file:///models/x", folder("/models/x")),
            ("file://localhost/a%20b/100%", folder("/a b/100%")),
            ("file:///a%+1", folder("/a%+1")),
            ("file:///models/s3://x%25", folder("/models/s3://x%")),
            // A folder that is there, and yet the hub's.
            ("hf://src/card", hub("src/card", None)),
            ("src", folder("src")),
            ("runs/a/b", folder("runs/a/b")),
            ("https://example.org/models/x/", Name::Address("https://example.org/models/x".to_owned())),
            ("s3://bucket/x", Name::Address("s3://bucket/x".to_owned())),
        ] {
            let name = Name::parse(text).expect(text);
            assert_eq!(name, want);
            assert_eq!(Name::parse(&name.to_string()).expect("again"), name);
        }
        for wrong in [
            "",
            "a b",
            "hf://name",
            "file://host/x",
            "https://",
            "https:///",
            "x@../../y",
            "x@",
            "hf://a/b@c:d",
            "a/b@",
            "a/nul",
            "o/模型",
            "ftp://h/x",
        ] {
            Name::parse(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn nothing_leaves_the_folder_it_is_joined_to() {
        for good in ["config.json", "a/b.json", "model-00001-of-00002.safetensors", "ümlaut.txt", "..a", "COMMON.txt"]
        {
            assert!(is_relative(good), "{good}");
        }
        let bad = [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../x",
            "a//b",
            "./a",
            "a/",
            "C:x",
            "C:\\x",
            "a\\b",
            "\\\\host\\share",
            "a:stream",
            "NUL",
            "nul.txt",
            "com1",
            "COM1.json",
            "lpt9",
            "aux.h",
            "a ",
            "a.",
            "x/con",
            "a\0b",
            "a\nb",
            "a*",
            "CONIN$",
        ];
        for bad in bad {
            assert!(!is_relative(bad), "{bad:?}");
            assert!(!is_revision(bad), "{bad:?}");
        }
    }
}
