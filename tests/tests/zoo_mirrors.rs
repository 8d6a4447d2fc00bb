//! Plain mirrors: folders on a web server, addresses of files, and buckets' web side.

use preco_tests::hub::{Fault, Hub, Kind};
use preco_tests::models::{borrowed, published};
use preco_tests::zoo::{Heard, as_user, contents, download, settings};
use preco_zoo::Registry;

type Files = Vec<(String, Vec<u8>)>;

/// A server with a model's folder at `/plain/zoo/preco-test`.
fn start() -> (Hub, Files, String, tempfile::TempDir) {
    let (hub, files) = (Hub::start(), published("preco-test", 3, None));
    for (name, bytes) in &files {
        hub.plain(&format!("zoo/preco-test/{name}"), bytes);
    }
    let address = format!("{}/plain/zoo/preco-test", hub.endpoint());
    (hub, files, address, tempfile::tempdir().expect("temporary folder"))
}

fn plain(kind: Kind) -> Fault {
    Fault::hub(kind).path("/plain/zoo/preco-test/model.safetensors")
}

#[test]
fn a_folder_on_a_web_server_is_a_model() {
    let (hub, files, address, folder) = start();
    let settings = as_user(&settings(&hub, folder.path()), "hf_secret");
    let path = download(&address, &settings).expect("download");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    assert!(hub.requests().iter().all(|request| request.header("authorization").is_none()), "a mirror gets no token");
    hub.forget_requests();
    download(&format!("{address}/"), &settings).expect("again");
    let asked: Vec<String> = hub.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/plain/zoo/preco-test/SHA256SUMS"], "the list of digests says what is here already");
    preco_zoo::from_pretrained(address.as_str()).settings(settings.clone()).encoder().expect("encoder");
    drop(hub);
    download(&address, &settings).expect("what is here serves where the server is gone");
    preco_zoo::from_pretrained(address).settings(settings).offline(true).encoder().expect("offline");
}

#[test]
fn what_is_cut_goes_on_and_what_is_wrong_is_refused() {
    let (hub, files, address, folder) = start();
    let settings = settings(&hub, folder.path());
    for (at, kind) in [Kind::Cut(100_000), Kind::Garble, Kind::Truncate(50), Kind::Hangup, Kind::Status(503, vec![])]
        .into_iter()
        .enumerate()
    {
        let mut settings = settings.clone();
        settings.cache = folder.path().join(at.to_string());
        hub.fault(plain(kind.clone()).times(1));
        hub.forget_requests();
        let path = download(&address, &settings).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(contents(&path), files.iter().cloned().collect(), "{kind:?}");
        if matches!(kind, Kind::Cut(_)) {
            let ranges: Vec<_> =
                hub.requests().iter().filter_map(|asked| asked.header("range").map(str::to_owned)).collect();
            assert_eq!(ranges.len(), 1, "{ranges:?}");
        }
        hub.clear_faults();
        // Behind a cut, the other side ignores or mistakes the range.
        for odd in [Kind::IgnoreRange, Kind::WrongRange] {
            settings.cache = folder.path().join(format!("{at}-{odd:?}"));
            hub.fault(plain(Kind::Cut(100_000)).times(1));
            hub.fault(plain(odd).times(1));
            let path = download(&address, &settings).expect("in the end");
            assert_eq!(contents(&path), files.iter().cloned().collect());
            hub.clear_faults();
        }
    }
    hub.fault(plain(Kind::Garble));
    let mut other = settings.clone();
    other.cache = folder.path().join("garbled");
    let told = download(&address, &other).expect_err("always wrong");
    assert!(
        told.contains("cannot be trusted with model.safetensors") && told.contains("promised is SHA-256"),
        "{told}"
    );
    hub.clear_faults();
    for (sums, needle) in [("x", "SHA256SUMS: line 1"), (&format!("{}  ../x", "0".repeat(64)), "no file of the folder")]
    {
        hub.plain("zoo/bad/SHA256SUMS", sums.as_bytes());
        let told = download(&format!("{}/plain/zoo/bad", hub.endpoint()), &settings).expect_err("no digests");
        assert!(told.contains(needle), "{told}");
    }
    let told = download(&format!("{}/plain/zoo/none", hub.endpoint()), &settings).expect_err("nothing there");
    assert!(told.contains("has no SHA256SUMS"), "{told}");
}

#[test]
fn a_mirror_has_published_names_before_the_hub_and_the_registry_has_the_last_word() {
    let (hub, files, address, folder) = start();
    let mut settings = settings(&hub, folder.path());
    let commit = hub.commit("org/preco-test", &borrowed(&files));
    let made = download(&address, &settings).expect("download");
    let entry = preco_zoo::publish::entry(&made, Some(("org/preco-test", &commit))).expect("entry");
    let mut registry = Registry::default();
    registry.insert(entry);
    let path = folder.path().join("registry.json");
    std::fs::write(&path, registry.to_text()).expect("write");
    settings.registry = Some(path);
    settings.mirror = Some(format!("{}/plain/zoo/", hub.endpoint()));
    settings.cache = folder.path().join("second");
    hub.forget_requests();
    let path = download("preco-test", &settings).expect("from the mirror");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    assert!(hub.requests().iter().all(|request| request.path.starts_with("/plain/")), "the hub was not asked");
    hub.forget_requests();
    download("preco-test", &settings).expect("cached");
    assert!(hub.requests().is_empty());

    // A mirror with other files, without them, or gone: it is told of, and the hub is asked.
    hub.plain("zoo/preco-test/config.json", b"{}");
    let gone = "http://127.0.0.1:9/zoo".to_owned();
    for (at, mirror, words) in [
        ("third", settings.mirror.clone().expect("a mirror"), "cannot be trusted with config.json"),
        ("fourth", format!("{}/plain/empty", hub.endpoint()), "has no "),
        ("fifth", gone, "Check the connection"),
        ("sixth", format!("file://{}", folder.path().join("none").display()), "check the folder"),
    ] {
        (settings.cache, settings.mirror) = (folder.path().join(at), Some(mirror));
        let heard = Heard::default();
        let (path, _) = preco_zoo::download("preco-test", &settings, &heard).expect(at);
        assert_eq!(contents(&path), files.iter().cloned().collect(), "{at}");
        assert!(
            heard.notes().iter().any(|note| note.contains(words) && note.contains("Asking the hub")),
            "{:?}",
            heard.notes()
        );
    }
    // A folder is a mirror, and the registry has the last word on it as well.
    let shelf = folder.path().join("a shelf/preco-test");
    std::fs::create_dir_all(&shelf).expect("create");
    for (name, bytes) in &files {
        std::fs::write(shelf.join(name), bytes).expect("write");
    }
    hub.forget_requests();
    let address = format!("file://{}", folder.path().join("a%20shelf").display());
    (settings.cache, settings.mirror) = (folder.path().join("seventh"), Some(address));
    let path = download("preco-test", &settings).expect("from the folder");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    assert!(hub.requests().is_empty());
}

#[test]
fn an_address_of_a_file_is_a_folder() {
    let (hub, files, _, folder) = start();
    let settings = settings(&hub, folder.path());
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).expect("create");
    for (name, bytes) in &files {
        std::fs::write(copy.join(name), bytes).expect("write");
    }
    assert_eq!(download(&format!("file://{}", copy.display()), &settings).expect("folder"), copy);
    std::fs::write(copy.join("config.json"), b"{}").expect("write");
    let told = download(&format!("file://{}", copy.display()), &settings).expect_err("changed");
    assert!(told.contains("config.json has SHA-256"), "{told}");
    download("file:///no/such/folder", &settings).expect_err("not there");
    assert!(hub.requests().is_empty());
}
