//! Registries: an accepted one names nothing outside a folder, holds what a model needs, and reads back as written.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_fuzz::{is_digest, is_file_name, is_repository, stays_inside};
use preco_zoo::{Entry, Registry};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("registry.json");
    let Ok(registry) = Registry::parse(text, path) else { return };
    for entry in registry.entries() {
        check(entry);
        assert_eq!(registry.get(&entry.name), Some(entry), "a name leads to another entry");
    }
    let again = Registry::parse(&registry.to_text(), path).expect("what is written is read");
    assert_eq!(again, registry);
});

fn check(entry: &Entry) {
    assert!(is_file_name(&entry.name), "{:?}", entry.name);
    // A revision is a folder of the cache.
    assert!(is_file_name(&entry.revision), "{:?}", entry.revision);
    if let Some(repository) = &entry.repository {
        assert!(is_repository(repository), "{repository:?}");
    }
    for file in &entry.files {
        assert!(stays_inside(&file.name), "{:?}", file.name);
        assert!(is_digest(&file.sha256), "{:?}", file.sha256);
        assert_eq!(entry.file(&file.name), Some(file), "a name leads to another file");
        assert!(entry.bytes() >= file.bytes, "the files together are smaller than one of them");
    }
    entry.spec().expect("an accepted entry has a model");
    entry.preprocess().expect("an accepted entry has its preprocessing");
    entry.card.check().expect("an accepted entry has a card without a gap");
}
