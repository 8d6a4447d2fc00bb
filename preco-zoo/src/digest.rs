//! What a file is known by: the hub names weights by SHA-256 and small files by git's own SHA-1.

use std::fmt;
use std::io::{self, Read};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Read at once while hashing.
const PIECE_BYTES: usize = 1 << 20;

/// A digest to compare a file with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Digest {
    /// Of the file's bytes, 64 lower-case hexadecimal digits.
    Sha256(String),
    /// Of git's `blob <length>\0` and the bytes, 40 digits: the entity tag of files that the hub keeps in git.
    GitBlob(String),
}

impl Digest {
    /// The digest that a hub's entity tag is, by its shape; `None` for tags that are no digest.
    pub(crate) fn of_etag(etag: &str) -> Option<Self> {
        let hexadecimal = etag.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        match (hexadecimal, etag.len()) {
            (true, 64) => Some(Self::Sha256(etag.to_owned())),
            (true, 40) => Some(Self::GitBlob(etag.to_owned())),
            _ => None,
        }
    }

    /// Its digits.
    pub(crate) fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// The same digest of other content.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn of(&self, content: &mut dyn Read, bytes: u64) -> io::Result<Self> {
        Ok(match self {
            Self::Sha256(_) => Self::Sha256(hashed(Sha256::new(), content)?),
            Self::GitBlob(_) => Self::GitBlob(hashed(Sha1::new_with_prefix(format!("blob {bytes}\0")), content)?),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(f, "SHA-256 {digits}"),
            Self::GitBlob(digits) => write!(f, "git object {digits}"),
        }
    }
}

fn hashed<D: sha2::Digest>(mut hasher: D, content: &mut dyn Read) -> io::Result<String> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok(digits(&hasher.finalize())),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// SHA-256 in 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    digits(&Sha256::digest(bytes))
}

/// True for 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    matches!(Digest::of_etag(text), Some(Digest::Sha256(_)))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_the_standards() {
        // FIPS 180-2, appendix B.1.
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), want);
        let tag = Digest::of_etag(want).expect("a digest");
        assert_eq!(tag.of(&mut b"abc".as_slice(), 3).expect("memory"), tag);
    }

    #[test]
    fn a_small_files_tag_is_what_git_calls_it() {
        // printf 'hello\n' | git hash-object --stdin
        let tag = Digest::of_etag("ce013625030ba8dba906f756967f9e9ca394464a").expect("a digest");
        assert_eq!(tag.of(&mut b"hello\n".as_slice(), 6).expect("memory"), tag);
        assert_ne!(tag.of(&mut b"hellO\n".as_slice(), 6).expect("memory"), tag);
        for other in ["", "abc", &"g".repeat(64), &"A".repeat(64), &"0".repeat(63), "../../etc/passwd"] {
            assert_eq!(Digest::of_etag(other), None, "{other}");
        }
    }
}
