//! Names: what joins a folder of the cache stays in it, and what is shown is understood as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preco_fuzz::{is_file_name, is_repository, stays_inside};
use preco_zoo::Name;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(name) = Name::parse(text) else { return };
    match &name {
        // People may name any folder of theirs; it is the one they wrote.
        Name::Folder(path) => {
            assert!(has_code(text) || path.to_str().is_some_and(|path| text.ends_with(path)), "{path:?}");
        }
        Name::Address(address) => assert!(text.starts_with(address.as_str()), "{address:?}"),
        Name::Published { name, revision } => {
            assert!(is_file_name(name), "{name:?}");
            assert!(revision.as_deref().is_none_or(stays_inside), "{revision:?}");
        }
        Name::Hub { repository, revision } => {
            assert!(is_repository(repository), "{repository:?}");
            assert!(revision.as_deref().is_none_or(stays_inside), "{revision:?}");
        }
    }
    let again = Name::parse(&name.to_string()).expect("what is shown is understood");
    assert_eq!(again, name);
});

/// True where an address has a byte written as `%20` is.
fn has_code(text: &str) -> bool {
    let mut threes = text.as_bytes().windows(3);
    threes.any(|three| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit))
}
