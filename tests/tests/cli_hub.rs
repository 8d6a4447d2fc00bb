//! The hub through the program: what is printed where, processes at once, publishing.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use preco_tests::binary::{Done, command, done};
use preco_tests::hub::{Access, Fault, Hub, Kind};
use preco_tests::models::{borrowed, facts, published, run};
use preco_tests::zoo::{Heard, as_user, cache_is_right, contents, settings};

const TOKEN: &str = "hf_secretSecretSecret";

/// The program with the cache in `folder` and `hub` as its hub.
fn with_hub(folder: &Path, hub: &Hub, arguments: &str) -> Command {
    let mut command = command(folder, arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HF_") || name.starts_with("PRECO_M")) {
        command.env_remove(name);
    }
    command.env("HF_HOME", folder.join("home")).env("HF_ENDPOINT", hub.endpoint());
    command
}

fn preco(folder: &Path, hub: &Hub, arguments: &str) -> Done {
    done(with_hub(folder, hub, arguments).output().expect("start preco-cli"))
}

#[test]
fn the_path_alone_is_printed_and_shells_can_use_it() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    let commit = hub.commit("org/preco-test", &borrowed(&files));
    let told = preco(folder.path(), &hub, "models download org/preco-test").succeeded();
    let path = folder.path().join("home/hub/models--org--preco-test/snapshots").join(&commit);
    assert_eq!(told.stdout, format!("{}\n", path.display()));
    assert_eq!(contents(&path), files.iter().cloned().collect());
    let json = preco(folder.path(), &hub, "models download org/preco-test --json").succeeded().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (json["revision"].as_str(), json["files"].as_array().map(Vec::len)),
        (Some(commit.as_str()), Some(files.len()))
    );
    let copied = preco(folder.path(), &hub, "models download org/preco-test --offline --local-dir here").succeeded();
    assert_eq!(copied.stdout, "here\n");
    assert_eq!(contents(&folder.path().join("here")), files.into_iter().collect());
    let info = preco(folder.path(), &hub, "models info org/preco-test --offline").succeeded().stdout;
    assert!(info.contains(&format!("revision   {commit}")) && info.contains("licence    MIT"), "{info}");
    preco(folder.path(), &hub, "models verify org/preco-test").succeeded();
    let cache = preco(folder.path(), &hub, "models cache").succeeded().stdout;
    assert!(cache.contains("org/preco-test") && cache.contains(&commit) && cache.contains("main"), "{cache}");
    for command in ["list", "info preco-swin-pico", "info org/preco-test", "verify preco-swin-pico", "cache"] {
        let printed = preco(folder.path(), &hub, &format!("models {command} --json")).succeeded().stdout;
        let value: serde_json::Value = serde_json::from_str(&printed).expect(command);
        assert!(value.is_object(), "{command}");
    }
    preco(folder.path(), &hub, "models cache --delete org/preco-test@main").succeeded();
    assert!(!path.exists());
    preco(folder.path(), &hub, "models cache --delete org/preco-test@main").refused("has no org/preco-test@main");
    preco(folder.path(), &hub, "models download org/preco-test --offline").refused("this is offline");
    preco(folder.path(), &hub, "models info preco-swin-pica").refused("did you mean preco-swin-pico?");
}

#[test]
fn eight_processes_at_once_fetch_a_file_once() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    hub.commit("org/preco-test", &borrowed(&files));
    hub.fault(Fault::cdn(Kind::Slow(30_000, Duration::from_millis(50))).method("GET"));
    let start = || {
        let mut command = with_hub(folder.path(), &hub, "models download org/preco-test");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start preco-cli")
    };
    let processes: Vec<_> = (0..8).map(|_| start()).collect();
    let mut waited = 0;
    for process in processes {
        let told = done(process.wait_with_output().expect("its output")).succeeded();
        assert_eq!(contents(Path::new(told.stdout.trim_end())), files.iter().cloned().collect());
        waited += usize::from(told.stderr.contains("another process fetches it, waiting"));
    }
    assert!(waited > 0, "none had to wait, so nothing was shown");
    for (name, _) in &files {
        let end = format!("/{name}");
        let requests = hub.requests();
        // What is large lies on the other host, what is small on the hub.
        let is_large = requests.iter().any(|request| request.to_cdn && request.path.ends_with(&end));
        let gets = requests
            .iter()
            .filter(|request| request.method == "GET" && request.path.ends_with(&end) && request.to_cdn == is_large);
        assert_eq!(gets.count(), 1, "{name}");
    }
    cache_is_right(&folder.path().join("home/hub"), &files);
}

#[test]
fn a_killed_fetch_is_gone_on_with_by_the_next() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    hub.commit("org/preco-test", &borrowed(&files));
    hub.fault(Fault::cdn(Kind::Slow(20_000, Duration::from_millis(100))).method("GET").times(1));
    let mut process = with_hub(folder.path(), &hub, "models download org/preco-test").spawn().expect("start preco-cli");
    let blobs = folder.path().join("home/hub/models--org--preco-test/blobs");
    let part = || {
        let entries = std::fs::read_dir(&blobs).into_iter().flatten().flatten();
        let parts = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "incomplete"));
        parts.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
    };
    while part() < 60_000 {
        assert!(process.try_wait().expect("its state").is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    process.kill().expect("kill");
    process.wait().expect("its end");
    cache_is_right(&folder.path().join("home/hub"), &files);
    let told = preco(folder.path(), &hub, "models download org/preco-test").succeeded();
    assert!(told.stderr.contains("model.safetensors: going on behind the first 0."), "{}", told.stderr);
    cache_is_right(&folder.path().join("home/hub"), &files);
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    hub.commit("org/preco-test", &borrowed(&files));
    hub.protect("org/preco-test", Access::Private { token: TOKEN.to_owned() });
    let mut all = String::new();
    let mut told = |arguments: &str| {
        let mut command = with_hub(folder.path(), &hub, arguments);
        let done = done(command.env("HF_TOKEN", TOKEN).env("PRECO_LOG", "trace").output().expect("start preco-cli"));
        all += &format!("{}{}", done.stdout, done.stderr);
        done
    };
    told("models download org/preco-test").succeeded();
    told("models cache").succeeded();
    for kind in
        [Kind::Redirect(format!("{}/elsewhere", hub.cdn())), Kind::Status(403, vec![]), Kind::Json("{".to_owned())]
    {
        hub.fault(Fault::hub(kind));
        assert_eq!(told("models download org/preco-test@v2 --json").code, Some(2));
        hub.clear_faults();
    }
    assert!(all.contains("hyper") && all.len() > 10_000, "nothing was logged, so nothing was shown");
    assert!(!all.contains(&TOKEN[3..]), "the token is in the log");
    let requests = hub.requests();
    assert!(requests.iter().any(|request| request.to_cdn && request.path.contains("elsewhere")), "{requests:?}");
    for request in requests {
        assert_eq!(request.token(), (!request.to_cdn).then_some(TOKEN), "{} {}", request.method, request.path);
    }
    // Nor where the hub's list of files goes on at another host.
    hub.forget_requests();
    let link = format!("<{}/steal>; rel=\"next\"", hub.cdn());
    hub.fault(Fault::hub(Kind::Header("Link".to_owned(), Some(link))).path("/tree/"));
    let mut command = with_hub(folder.path(), &hub, "models download org/preco-test");
    done(command.env("HF_TOKEN", TOKEN).output().expect("start preco-cli")).refused("goes on at another host");
    assert!(hub.requests().iter().all(|request| !request.to_cdn));
    hub.clear_faults();
    // Secrets in addresses are not shown.
    for arguments in ["models download org/preco-test@v9", "models cache", "models cache --json"] {
        let mut command = with_hub(folder.path(), &hub, arguments);
        command.env("HF_ENDPOINT", hub.endpoint().replace("://", "://user:PASSWORD@"));
        let told = done(command.output().expect("start preco-cli"));
        assert!(!format!("{}{}", told.stdout, told.stderr).contains("PASSWORD"), "{told:?}");
    }
    // No token, no header: not even one that is found elsewhere.
    hub.forget_requests();
    let mut command = with_hub(folder.path(), &hub, "models download org/preco-test@v3");
    command.env("HF_TOKEN", TOKEN).env("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1").output().expect("start preco-cli");
    assert!(
        !hub.requests().is_empty() && hub.requests().iter().all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn a_run_is_published_in_one_commit_with_a_tag_and_read_back() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let root = folder.path();
    std::fs::create_dir(root.join("run")).expect("create");
    run(&root.join("run"), 3);
    std::fs::write(root.join("run/card.toml"), facts().to_text().expect("card")).expect("write");
    hub.writable_by(TOKEN);
    let publish = |arguments: &str, token: &str| {
        let line = format!("models publish run --name preco-test --to hub:org/preco-test {arguments}");
        done(with_hub(root, &hub, &line).env("HF_TOKEN", token).output().expect("start preco-cli"))
    };
    let dry = publish("", TOKEN).succeeded().stdout;
    assert!(dry.contains("nothing was sent: add --yes to publish to org/preco-test in one commit, tag v1.0"), "{dry}");
    assert!(hub.requests().is_empty());
    for (arguments, words) in [
        ("--tag main", "a tag is a word"),
        ("--tag ../x", "a tag is a word"),
        ("--tag cccccccccccccccccccccccccccccccccccccccc", "a tag is a word"),
        ("--registry run/card.toml", "run/card.toml: "),
        ("--yes --offline", "unset HF_HUB_OFFLINE to publish"),
    ] {
        publish(arguments, TOKEN).refused(words);
        assert!(hub.requests().is_empty(), "{arguments}");
    }
    publish("--yes", "").refused("set HF_TOKEN to a token that may write");
    publish("--yes", "hf_other").refused("the token has no right to it");
    assert!(hub.resolve("org/preco-test", "v1.0").is_none());

    let told = publish("--yes", TOKEN).succeeded().stdout;
    let commit = hub.resolve("org/preco-test", "v1.0").expect("the tag");
    assert!(told.contains(&commit) && told.contains("read back and compared"), "{told}");
    let there = hub.files("org/preco-test", "main").expect("main");
    preco(root, &hub, "models publish run --name preco-test --to here --yes").succeeded();
    for (file, bytes) in contents(&root.join("here")).into_iter().filter(|(file, _)| !file.ends_with("md")) {
        assert!(file == "SHA256SUMS" || there[&file] == bytes, "{file}");
    }
    let card = String::from_utf8_lossy(&there["README.md"]).into_owned();
    for part in ["hf-hub:org/preco-test", "from_pretrained(\"org/preco-test\")", "models download org/preco-test"] {
        assert!(card.contains(part), "no {part:?} in\n{card}");
    }
    let posts = |hub: &Hub| {
        hub.requests().iter().filter(|asked| asked.method == "POST" && asked.path.contains("/commit/")).count()
    };
    // The requests of the refused attempts carried nothing.
    let before = posts(&hub);
    let again = publish("--yes", TOKEN).succeeded().stdout;
    assert!(again.contains("there already, unchanged") && again.contains(&commit), "{again}");
    assert_eq!(posts(&hub), before, "the same files are no new commit");
    preco(root, &hub, "models download org/preco-test@v1.0").succeeded();

    run(&root.join("run"), 4);
    publish("--yes", TOKEN).refused("has a tag v1.0 already");
    assert_eq!(hub.resolve("org/preco-test", "main"), Some(commit.clone()));
    publish("--yes --tag v2.0 --bf16 --registry mine.json", TOKEN).succeeded();
    let second = hub.files("org/preco-test", "v2.0").expect("the tag");
    assert!(second.contains_key(".gitattributes") && second["model.safetensors"] != there["model.safetensors"]);
    assert_eq!(hub.files("org/preco-test", &commit), Some(there));
    let by_name = |arguments: &str| {
        let mut command = with_hub(root, &hub, arguments);
        done(command.env("PRECO_REGISTRY", root.join("mine.json")).output().expect("start preco-cli"))
    };
    let listed = by_name("models list").succeeded().stdout;
    assert!(listed.contains("org/preco-test") && listed.contains("preco-swin-pico"), "{listed}");
    let path = by_name("models download preco-test").succeeded().stdout;
    assert_eq!(contents(Path::new(path.trim_end()))["model.safetensors"], second["model.safetensors"]);
}

#[test]
fn shards_take_the_place_of_one_file_and_what_is_not_ours_stays() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let settings = as_user(&settings(&hub, folder.path()), TOKEN);
    // Another library's shards have the same names.
    let theirs = [("model-00001-of-00002.safetensors", vec![2; 9]), ("decoder.safetensors", vec![3; 9])];
    hub.commit("org/theirs", &theirs);
    let pushed =
        preco_zoo::push(&settings, "org/theirs", &published("preco-test", 3, None), "v1", false, &Heard::default());
    assert!(pushed.expect("pushed").removed.is_empty());
    assert!(theirs.iter().all(|(name, _)| hub.files("org/theirs", "v1").expect("files").contains_key(*name)));
    hub.commit("org/preco-test", &[("lora/adapter.safetensors", vec![1; 9]), ("notes.txt", b"mine".to_vec())]);
    let (whole, shards) = (published("preco-test", 3, None), published("preco-test", 3, Some(100_000)));
    for (tag, files) in [("v1", &whole), ("v2", &shards), ("v3", &whole)] {
        let pushed = preco_zoo::push(&settings, "org/preco-test", files, tag, false, &Heard::default()).expect(tag);
        assert!(pushed.is_new);
        let mut want: std::collections::BTreeMap<_, _> = files.iter().cloned().collect();
        want.extend([("lora/adapter.safetensors".to_owned(), vec![1; 9]), ("notes.txt".to_owned(), b"mine".to_vec())]);
        assert_eq!(hub.files("org/preco-test", tag).expect("the tag"), want, "{tag}");
    }
    // Weights that cannot go as one text say so before anything is sent.
    hub.forget_requests();
    let large = vec![("model.safetensors".to_owned(), vec![0; 70_000_000])];
    let told = preco_zoo::push(&settings, "org/preco-test", &large, "v4", false, &Heard::default())
        .expect_err("large")
        .to_string();
    assert!(told.contains("--shard-mb") && hub.requests().is_empty(), "{told}");
}

#[test]
fn a_hub_that_gives_back_something_else_is_found_out() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let root = folder.path();
    std::fs::create_dir(root.join("run")).expect("create");
    run(&root.join("run"), 3);
    let mut card = std::fs::File::create(root.join("run/card.toml")).expect("create");
    card.write_all(facts().to_text().expect("card").as_bytes()).expect("write");
    let publish = |tag: &str| {
        let line = format!("models publish run --name preco-test --to hub:org/preco-test --yes --tag {tag}");
        done(with_hub(root, &hub, &line).env("HF_TOKEN", TOKEN).output().expect("start preco-cli"))
    };
    hub.fault(Fault::cdn(Kind::Garble).method("GET"));
    publish("v1.0").refused("cannot be read back");
    hub.clear_faults();
    // What failed half-way is found and finished.
    let told = publish("v1.0").succeeded().stdout;
    assert!(told.contains("read back and compared"), "{told}");
    for kind in [Kind::Status(500, vec![]), Kind::Hangup, Kind::Status(409, vec![])] {
        run(&root.join("run"), 5);
        let head = hub.resolve("org/preco-test", "main");
        hub.fault(Fault::hub(kind).method("POST").path("/commit/").times(1));
        assert_eq!(publish("v2.0").code, Some(2));
        assert_eq!(hub.resolve("org/preco-test", "main"), head);
        assert_eq!(hub.resolve("org/preco-test", "v2.0"), None);
        hub.clear_faults();
    }
}
