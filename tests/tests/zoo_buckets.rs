//! Buckets as mirrors, over the protocol of S3.

use preco_tests::hub::{Fault, Hub, Kind};
use preco_tests::models::published;
use preco_tests::zoo::{contents, download, settings};

// One test, since the variables are the process's.
#[test]
fn a_folder_in_a_bucket_is_a_model() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    for (name, bytes) in &files {
        hub.plain(&format!("bucket/zoo/preco-test/{name}"), bytes);
    }
    let endpoint = format!("{}/plain", hub.endpoint());
    for (name, value) in [
        ("AWS_ENDPOINT", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_SKIP_SIGNATURE", "true"),
        ("AWS_REGION", "nowhere"),
    ] {
        // SAFETY: this is the binary's only test, and no other thread runs yet that reads the environment.
        unsafe { std::env::set_var(name, value) };
    }
    let mut settings = settings(&hub, folder.path());
    let path = download("s3://bucket/zoo/preco-test", &settings).expect("download");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    settings.cache = folder.path().join("cut");
    hub.fault(Fault::hub(Kind::Cut(100_000)).path("model.safetensors").times(1));
    let path = download("s3://bucket/zoo/preco-test", &settings).expect("cut");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    hub.clear_faults();
    settings.cache = folder.path().join("garbled");
    hub.fault(Fault::hub(Kind::Garble).path("model.safetensors"));
    let told = download("s3://bucket/zoo/preco-test", &settings).expect_err("always wrong");
    assert!(told.contains("cannot be trusted with model.safetensors"), "{told}");
    let told = download("s3://bucket/zoo/none", &settings).expect_err("nothing there");
    assert!(told.contains("has no SHA256SUMS"), "{told}");
}
