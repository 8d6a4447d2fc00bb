//! Indices of shards: every shard is a file beside the index, and what is read reads back as written.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_fuzz::is_file_name;
use preco_zoo::Index;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("model.safetensors.index.json");
    let Ok(index) = Index::parse(text, path) else { return };
    let shards = index.shards();
    assert!(!shards.is_empty() && shards.len() <= index.weight_map.len());
    for shard in &shards {
        assert!(is_file_name(shard), "{shard:?}");
    }
    assert!(index.weight_map.values().all(|shard| shards.contains(shard.as_str())));
    let again = Index::parse(&index.to_text(), path).expect("what is written is read");
    assert_eq!(again, index);
});
