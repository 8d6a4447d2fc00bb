//! Cards: what is read is written, reads back equal, and has the same gaps.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_zoo::Facts;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("card.toml");
    let Ok(facts) = Facts::parse(text, path) else { return };
    let written = facts.to_text().expect("what is read is written");
    let again = Facts::parse(&written, path).expect("what is written is read");
    assert_eq!(again, facts);
    assert_eq!(again.to_text().expect("written again"), written, "the same facts gave other bytes");
    let gap = |facts: &Facts| facts.check().err().map(|error| error.to_string());
    assert_eq!(gap(&again), gap(&facts));
});
