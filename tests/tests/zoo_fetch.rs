//! Models from the hub, with nothing going wrong: names, revisions, the cache, access.

use std::path::Path;

use preco_tests::hub::{Access, Fault, Hub, Kind, Request};
use preco_tests::models::{borrowed, published};
use preco_tests::zoo::{Heard, as_user, cache_is_right, contents, download, settings};
use preco_zoo::{Registry, Settings};

const REPOSITORY: &str = "org/preco-test";

type Files = Vec<(String, Vec<u8>)>;

/// A hub with a model, its files, and a cache.
fn start() -> (Hub, Files, String, tempfile::TempDir, Settings) {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    let commit = hub.commit(REPOSITORY, &borrowed(&files));
    let settings = settings(&hub, folder.path());
    (hub, files, commit, folder, settings)
}

fn gets(hub: &Hub, part: &str) -> Vec<Request> {
    hub.requests().into_iter().filter(|request| request.method == "GET" && request.path.contains(part)).collect()
}

#[test]
fn a_model_comes_once_and_then_from_the_cache() {
    let (hub, files, commit, _folder, settings) = start();
    let path = download(REPOSITORY, &settings).expect("download");
    assert_eq!(path, settings.cache.join("models--org--preco-test/snapshots").join(&commit));
    assert_eq!(contents(&path), files.iter().cloned().collect());
    cache_is_right(&settings.cache, &files);
    assert_eq!(gets(&hub, "model.safetensors").iter().filter(|request| request.to_cdn).count(), 1);
    let weights = &files.iter().find(|(name, _)| name == "model.safetensors").expect("weights").1;
    let blob = settings.cache.join("models--org--preco-test/blobs").join(preco_zoo::sha256(weights));
    assert_eq!(std::fs::read(&blob).expect("named by its digest, as Python has it"), *weights);

    hub.forget_requests();
    download(REPOSITORY, &settings).expect("again");
    assert!(gets(&hub, "resolve").is_empty(), "a branch is asked for its commit, its files are here");
    hub.forget_requests();
    download(&format!("{REPOSITORY}@{commit}"), &settings).expect("pinned");
    assert!(hub.requests().is_empty(), "a cached commit needs no request: {:?}", hub.requests());
    preco_zoo::from_pretrained(REPOSITORY).settings(settings).offline(true).encoder().expect("encoder");
    assert!(hub.requests().is_empty());
}

#[test]
fn other_forms_of_the_weights_and_other_peoples_files_stay_there() {
    let (hub, mut files, _, _folder, settings) = start();
    let mine = files.clone();
    files.push(("pytorch_model.bin".to_owned(), vec![1; 1000]));
    files.push(("figures/map.png".to_owned(), vec![2; 1000]));
    files.push(("LICENSE".to_owned(), b"MIT".to_vec()));
    hub.commit(REPOSITORY, &borrowed(&files));
    let path = download(REPOSITORY, &settings).expect("download");
    let mut want: std::collections::BTreeMap<_, _> = mine.into_iter().collect();
    want.insert("LICENSE".to_owned(), b"MIT".to_vec());
    assert_eq!(contents(&path), want);
}

#[test]
fn a_description_comes_without_its_weights() {
    let (hub, _, commit, _folder, mut settings) = start();
    let fetched = preco_zoo::describe(REPOSITORY, &settings, &Heard::default()).expect("described");
    assert_eq!((fetched.folder.spec().name.as_str(), fetched.revision), ("preco-test", Some(commit)));
    assert!(fetched.folder.facts().expect("card").is_some());
    assert!(hub.requests().iter().all(|request| !request.path.contains("model.safetensors")));
    settings.offline = true;
    preco_zoo::describe(REPOSITORY, &settings, &Heard::default()).expect("described from the cache");
    download(REPOSITORY, &settings).expect_err("a description is no model");
    settings.offline = false;
    download(REPOSITORY, &settings).expect("the rest");
    assert_eq!(gets(&hub, "resolve").iter().filter(|asked| asked.path.ends_with("/config.json")).count(), 1);
}

#[test]
fn a_repository_without_a_list_of_digests_is_verified_by_its_tags() {
    let (hub, mut files, _, _folder, settings) = start();
    files.retain(|(name, _)| name != "SHA256SUMS");
    hub.commit(REPOSITORY, &borrowed(&files));
    let path = download(REPOSITORY, &settings).expect("download");
    let checked = preco_zoo::verify(&path).expect("tags");
    assert_eq!(checked.len(), files.len());
    assert!(checked.iter().all(preco_zoo::Checked::is_right), "{checked:?}");
    for name in ["config.json", "model.safetensors"] {
        let blob = std::fs::canonicalize(path.join(name)).expect("blob");
        std::fs::write(&blob, b"{}").expect("write");
    }
    let wrong: Vec<String> = preco_zoo::verify(&path)
        .expect("tags")
        .into_iter()
        .filter(|file| !file.is_right())
        .map(|file| file.file)
        .collect();
    assert_eq!(wrong, ["config.json", "model.safetensors"]);
}

#[test]
fn revisions_are_branches_tags_and_whole_commits() {
    let (hub, old, first, _folder, settings) = start();
    hub.tag(REPOSITORY, "v1.0", &first);
    let at = |revision: &str| download(&format!("{REPOSITORY}@{revision}"), &settings);
    let main = download(REPOSITORY, &settings).expect("main");
    let new = published("preco-test", 4, None);
    let second = hub.commit(REPOSITORY, &borrowed(&new));
    let moved = download(REPOSITORY, &settings).expect("main moved");
    assert_ne!(main, moved);
    assert_eq!(at("v1.0").expect("tag"), main);
    assert_eq!(contents(&main), old.into_iter().collect());
    assert_eq!(contents(&moved), new.into_iter().collect());
    assert_eq!((at(&first).expect("commit"), at(&second).expect("commit")), (main, moved));
    let short = at(&first[..10]).expect_err("short");
    assert!(short.contains("is short for a commit") || short.contains("no such revision"), "{short}");
    let none = at("v9").expect_err("no such tag");
    assert!(none.contains("org/preco-test@v9") && none.contains("no such revision"), "{none}");
    let none = download("org/other", &settings).expect_err("no such repository");
    assert!(none.contains("has no org/other") && none.contains("check the name"), "{none}");
}

#[test]
fn shards_come_together() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let (whole, shards) = (published("preco-test", 3, None), published("preco-test", 3, Some(100_000)));
    assert!(shards.iter().filter(|(name, _)| name.starts_with("model-0000")).count() > 2);
    hub.commit("org/whole", &borrowed(&whole));
    hub.commit("org/shards", &borrowed(&shards));
    let settings = settings(&hub, folder.path());
    let image = preco_core::imagery::Image8::filled(40, 40, [90, 120, 30]);
    let [one, other] = ["org/whole", "org/shards"].map(|name| {
        let encoder = preco_zoo::from_pretrained(name).settings(settings.clone()).encoder().expect(name);
        encoder.embed_all(std::slice::from_ref(&image)).expect("embed")
    });
    assert_eq!(one, other);
    assert_eq!(contents(&download("org/shards", &settings).expect("shards")), shards.into_iter().collect());
}

#[test]
fn a_private_and_a_gated_repository_say_what_to_do() {
    let (hub, files, _, _folder, settings) = start();
    hub.protect(REPOSITORY, Access::Private { token: "hf_right".to_owned() });
    let told = download(REPOSITORY, &settings).expect_err("private");
    assert!(told.contains("or it is private") && told.contains("HF_TOKEN"), "{told}");
    let path = download(REPOSITORY, &as_user(&settings, "hf_right")).expect("with a token");
    assert_eq!(contents(&path), files.iter().cloned().collect());

    hub.protect("org/gated", Access::Gated { token: "hf_right".to_owned() });
    hub.commit("org/gated", &borrowed(&files));
    for user in [settings.clone(), as_user(&settings, "hf_wrong")] {
        let told = download("org/gated", &user).expect_err("gated");
        let page = format!("{}/org/gated", hub.endpoint());
        assert!(told.contains("is gated") && told.contains(&page) && !told.contains("hf_"), "{told}");
    }
    download("org/gated", &as_user(&settings, "hf_right")).expect("with a token");
    let to_cdn: Vec<Request> = hub.requests().into_iter().filter(|request| request.to_cdn).collect();
    assert!(!to_cdn.is_empty() && to_cdn.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn offline_the_cache_is_all_there_is() {
    let (hub, files, commit, _folder, mut settings) = start();
    settings.offline = true;
    let told = download(REPOSITORY, &settings).expect_err("nothing cached");
    assert!(
        told.contains("org/preco-test is not in the cache") && told.contains("models download org/preco-test"),
        "{told}"
    );
    settings.offline = false;
    download(REPOSITORY, &settings).expect("download");
    hub.forget_requests();
    settings.offline = true;
    let path = download(REPOSITORY, &settings).expect("cached");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    download(&format!("{REPOSITORY}@{commit}"), &settings).expect("cached");
    download(&format!("{REPOSITORY}@v1.0"), &settings).expect_err("never asked for");
    assert!(hub.requests().is_empty());
    // A hub that is gone is as good as offline for what is here.
    settings.offline = false;
    drop(hub);
    let heard = Heard::default();
    preco_zoo::download(REPOSITORY, &settings, &heard).expect("cached");
    assert!(heard.notes().iter().any(|note| note.contains("from the cache")), "{:?}", heard.notes());
    // What the cache lacks is named.
    std::fs::remove_file(path.join("config.json")).expect("remove");
    settings.offline = true;
    download(REPOSITORY, &settings).expect_err("config.json is gone");
}

#[test]
fn a_changed_blob_is_found_and_fetched_anew() {
    let (hub, files, commit, _folder, mut settings) = start();
    let path = download(REPOSITORY, &settings).expect("download");
    let blob = std::fs::canonicalize(path.join("model.safetensors")).expect("blob");
    let mut bytes = std::fs::read(&blob).expect("read");
    *bytes.last_mut().expect("a byte") ^= 1;
    let change = || {
        std::fs::write(&blob, &bytes).expect("write");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(7);
        std::fs::File::options().write(true).open(&blob).expect("open").set_modified(later).expect("time");
    };
    change();
    settings.offline = true;
    let told = download(REPOSITORY, &settings).expect_err("changed");
    assert!(told.contains("published is SHA-256"), "{told}");
    settings.offline = false;
    for name in [REPOSITORY.to_owned(), format!("{REPOSITORY}@{commit}")] {
        change();
        hub.forget_requests();
        download(&name, &settings).expect("anew");
        cache_is_right(&settings.cache, &files);
        assert_eq!(gets(&hub, "/lfs/").len(), 1, "one file was wrong");
    }
}

#[test]
fn a_published_name_is_its_pinned_commit_with_its_own_digests() {
    let (hub, files, commit, folder, mut settings) = start();
    let path = download(REPOSITORY, &settings).expect("download");
    let entry = preco_zoo::publish::entry(&path, Some((REPOSITORY, &commit))).expect("entry");
    let registry = |entry: preco_zoo::Entry| {
        let mut registry = Registry::default();
        registry.insert(entry);
        std::fs::write(folder.path().join("registry.json"), registry.to_text()).expect("write");
    };
    registry(entry.clone());
    settings.registry = Some(folder.path().join("registry.json"));
    let fresh = |settings: &Settings, name: &str| {
        let mut settings = settings.clone();
        settings.cache = folder.path().join(name);
        settings
    };
    hub.commit(REPOSITORY, &borrowed(&published("preco-test", 4, None)));
    let pinned = download("preco-test", &fresh(&settings, "one")).expect("pinned");
    assert_eq!(contents(&pinned), files.iter().cloned().collect(), "main has moved, the name has not");
    let moving = download("preco-test@main", &fresh(&settings, "one")).expect("main");
    assert_ne!(contents(&moving), files.into_iter().collect());

    // A hub that serves other bytes than the registry knows, consistently with itself.
    let mut other = entry.clone();
    for file in &mut other.files {
        file.sha256 = preco_zoo::sha256(file.name.as_bytes());
    }
    registry(other);
    let told = download("preco-test", &fresh(&settings, "two")).expect_err("other bytes");
    assert!(told.contains("cannot be trusted with") && told.contains("promised is SHA-256"), "{told}");
    assert!(!folder.path().join("two/models--org--preco-test/snapshots").exists());
    let mut more = entry;
    more.files.push(preco_zoo::File { name: "NOTICE".to_owned(), bytes: 1, sha256: preco_zoo::sha256(b"x") });
    registry(more);
    let told = download("preco-test", &fresh(&settings, "three")).expect_err("a file too few");
    assert!(told.contains("NOTICE"), "{told}");
}

#[test]
fn names_of_files_that_lead_elsewhere_are_refused() {
    let (hub, files, ..) = start();
    for bad in
        ["../evil.json", "a/../../evil", "..\\evil", "C:evil", "/evil", "a/./b", "nul", "con.json", "a\u{0}b", "x/"]
    {
        let folder = tempfile::tempdir().expect("temporary folder");
        let settings = settings(&hub, folder.path());
        let mut all = borrowed(&files);
        all.push((bad, b"evil".to_vec()));
        hub.commit("org/evil", &all);
        let told = download("org/evil", &settings).expect_err(bad);
        assert!(told.contains("cannot be trusted with") && told.contains("the name leads out"), "{told}");
        assert!(contents(folder.path()).values().all(|bytes| bytes != b"evil"), "{bad}");
    }
}

/// Tags that are no digests, as plain servers give, say nothing of content: two files may share one.
#[test]
fn files_that_share_a_tag_do_not_share_their_bytes() {
    let (hub, files, commit, folder, mut settings) = start();
    for pinned in [false, true] {
        settings.cache = folder.path().join(pinned.to_string());
        if pinned {
            hub.clear_faults();
            let path = download(REPOSITORY, &settings).expect("download");
            let mut registry = Registry::default();
            registry.insert(preco_zoo::publish::entry(&path, Some((REPOSITORY, &commit))).expect("entry"));
            std::fs::write(folder.path().join("registry.json"), registry.to_text()).expect("write");
            settings.registry = Some(folder.path().join("registry.json"));
            settings.cache = folder.path().join("fresh");
        }
        hub.fault(Fault::hub(Kind::WrongEtag("\"5f1e-5e2070\"".to_owned())).method("HEAD"));
        let name = if pinned { "preco-test" } else { REPOSITORY };
        let path = download(name, &settings).expect("the list's digests serve");
        assert_eq!(contents(&path), files.iter().cloned().collect());
        // The other host sends other bytes of the same length.
        hub.fault(Fault::cdn(Kind::Garble).method("GET"));
        settings.cache = folder.path().join(format!("garbled {pinned}"));
        let told = download(name, &settings).expect_err("garbled");
        assert!(told.contains("promised is SHA-256"), "{told}");
    }
}

#[test]
fn a_list_without_the_weights_is_no_model_and_is_not_remembered() {
    let (hub, files, commit, _folder, settings) = start();
    let list = r#"[{"type":"file","path":"config.json","oid":"OID","size":SIZE},{"type":"file","path":"preprocessor_config.json","oid":"OID2","size":SIZE2}]"#;
    let bytes = |name: &str| files.iter().find(|(file, _)| file == name).expect(name).1.len().to_string();
    let list = list.replace("SIZE2", &bytes("preprocessor_config.json")).replace("SIZE", &bytes("config.json"));
    hub.fault(Fault::hub(Kind::Json(list.replace("OID2", "").replace("OID", ""))).path("/tree/"));
    let told = download(REPOSITORY, &settings).expect_err("no weights");
    assert!(told.contains("has no model.safetensors in org/preco-test@"), "{told}");
    hub.clear_faults();
    let path = download(&format!("{REPOSITORY}@{commit}"), &settings).expect("the whole list");
    assert_eq!(contents(&path), files.into_iter().collect());
}

#[test]
fn a_file_that_took_the_place_of_a_link_is_compared_too() {
    let (_hub, files, _, _folder, mut settings) = start();
    let path = download(REPOSITORY, &settings).expect("download");
    let weights = path.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("read");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::remove_file(&weights).expect("remove");
    std::fs::write(&weights, bytes).expect("write");
    settings.offline = true;
    let told = download(REPOSITORY, &settings).expect_err("changed");
    assert!(told.contains("model.safetensors has SHA-256"), "{told}");
    settings.offline = false;
    assert_eq!(contents(&download(REPOSITORY, &settings).expect("anew")), files.into_iter().collect());
}

#[test]
fn a_snapshot_that_another_program_copied_is_compared_with_its_own_list() {
    let (hub, files, commit, _folder, mut settings) = start();
    let snapshot = settings.cache.join("models--org--preco-test/snapshots").join(&commit);
    std::fs::create_dir_all(&snapshot).expect("create");
    for (name, bytes) in &files {
        let mut bytes = bytes.clone();
        if name == "model.safetensors" {
            *bytes.last_mut().expect("a byte") ^= 1;
        }
        std::fs::write(snapshot.join(name), bytes).expect("write");
    }
    let name = format!("{REPOSITORY}@{commit}");
    settings.offline = true;
    let told = download(&name, &settings).expect_err("changed");
    assert!(told.contains("model.safetensors has SHA-256"), "{told}");
    std::fs::remove_file(snapshot.join("SHA256SUMS")).expect("remove");
    let told = download(&name, &settings).expect_err("nobody knows");
    assert!(told.contains("a digest of config.json"), "{told}");
    settings.offline = false;
    assert_eq!(contents(&download(&name, &settings).expect("anew")), files.into_iter().collect());
    drop(hub);
}

#[test]
fn a_renamed_repository_is_followed_and_an_endless_list_is_not() {
    let (hub, files, commit, _folder, settings) = start();
    let to = format!("/api/models/{REPOSITORY}/tree/{commit}?recursive=true");
    hub.fault(Fault::hub(Kind::Redirect(to)).path("/api/models/org/old/tree/"));
    let info = format!("/api/models/{REPOSITORY}/revision/main");
    hub.fault(Fault::hub(Kind::Redirect(info)).path("/api/models/org/old/revision/"));
    for (name, _) in &files {
        let to = format!("/{REPOSITORY}/resolve/{commit}/{name}");
        hub.fault(Fault::hub(Kind::Redirect(to)).path(&format!("/org/old/resolve/{commit}/{name}")));
    }
    let path = download("org/old", &settings).expect("renamed");
    assert_eq!(contents(&path), files.into_iter().collect());
    hub.clear_faults();
    hub.fault(Fault::hub(Kind::Json("[]".to_owned())).path("/tree/"));
    let told = download(&format!("{REPOSITORY}@{commit}"), &settings).expect_err("an empty list");
    assert!(told.contains("has no config.json"), "{told}");
    hub.clear_faults();
    let link = "<?recursive=true>; rel=\"next\"".to_owned();
    hub.fault(Fault::hub(Kind::Header("Link".to_owned(), Some(link))).path("/tree/"));
    let told = download(&format!("{REPOSITORY}@{commit}"), &settings).expect_err("an endless list");
    assert!(told.contains("does not end"), "{told}");
}

#[test]
fn shards_may_have_any_name_that_their_index_says() {
    let (hub, mut files, _, _folder, settings) = start();
    let (_, weights) = files.iter().find(|(name, _)| name == "model.safetensors").expect("weights").clone();
    let names: Vec<String> = safetensors::SafeTensors::deserialize(&weights)
        .expect("weights")
        .names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let map: serde_json::Map<String, serde_json::Value> =
        names.into_iter().map(|name| (name, "part_a.safetensors".into())).collect();
    let index = serde_json::json!({ "metadata": {}, "weight_map": map }).to_string();
    files.retain(|(name, _)| name != "model.safetensors" && name != "SHA256SUMS");
    files.push(("part_a.safetensors".to_owned(), weights));
    files.push(("model.safetensors.index.json".to_owned(), index.into_bytes()));
    hub.commit(REPOSITORY, &borrowed(&files));
    let path = download(REPOSITORY, &settings).expect("download");
    assert_eq!(contents(&path), files.into_iter().collect());
    preco_zoo::from_pretrained(REPOSITORY).settings(settings).offline(true).encoder().expect("encoder");
}

#[test]
fn the_programs_own_model_needs_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut settings = Settings::from_variables(|_| None);
    (settings.cache, settings.offline) = (folder.path().join("cache"), true);
    let encoder = preco_zoo::from_pretrained("preco-swin-pico").settings(settings.clone()).encoder().expect("encoder");
    let image = preco_core::imagery::Image8::filled(64, 64, [90, 120, 30]);
    let embedding = encoder.embed(&image).expect("embed");
    assert!(embedding.len() == 256 && embedding.iter().all(|value| value.is_finite()));
    assert!(!settings.cache.exists(), "nothing is written for what is in the program");
    let path = download("preco-swin-pico", &settings).expect("unpacked");
    assert!(preco_zoo::verify(&path).expect("sums").iter().all(preco_zoo::Checked::is_right));
    assert_eq!(download("preco-swin-pico", &settings).expect("again"), path);
}

/// The table and the folder of the crate `preco-weights` say the same, file by file.
#[test]
fn the_registry_says_what_the_folders_of_weights_say() {
    let models = preco_tests::folder::workspace().join("weights/models");
    let registry = Registry::own().expect("registry");
    for entry in registry.entries().iter().filter(|entry| entry.repository.is_none()) {
        let folder = models.join(&entry.name);
        assert_eq!(*entry, preco_zoo::publish::entry(&folder, None).expect("entry"), "{}", entry.name);
        let checked = preco_zoo::verify_carried(entry);
        assert!(!checked.is_empty() && checked.iter().all(preco_zoo::Checked::is_right), "{checked:?}");
        let written: Vec<String> = contents(&folder).into_keys().collect();
        assert_eq!(written.len(), entry.files.len(), "{written:?}");
    }
    let folders = std::fs::read_dir(&models).expect("models").count();
    assert_eq!(folders, registry.entries().iter().filter(|entry| entry.repository.is_none()).count());
    assert!(Path::new(&models).join("preco-swin-pico").exists());
}
