//! `SHA256SUMS`: every name stays in the folder and is there once, and what is read reads back as written.
#![no_main]

use std::collections::HashSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_fuzz::{is_digest, stays_inside};
use preco_zoo::parse_sums;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("SHA256SUMS");
    let Ok(sums) = parse_sums(text, path) else { return };
    let mut names = HashSet::new();
    for (name, digest) in &sums {
        assert!(stays_inside(name), "{name:?}");
        assert!(is_digest(digest), "{digest:?}");
        assert!(names.insert(name), "{name:?} is there twice");
    }
    let written: String = sums.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    assert_eq!(parse_sums(&written, path).expect("what is written is read"), sums);
});
