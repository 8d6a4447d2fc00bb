//! Models as they are published, through the program.

use preco_tests::binary::preco;

const CARD: &str = r#"
summary = "A test."
licence = "MIT"
training-data = "64 generated scenes"
data-licence = "none"
command = "preco-cli pretrain --steps 2"
commit = "unknown"
limits = "It has learnt nothing."
is-toy = true

[[figures]]
what = "nearest neighbours, accuracy"
value = "12.5 %"
split = "generated scenes, seed 0"
"#;

#[test]
fn a_run_is_published_once_and_what_was_changed_since_is_found() {
    let root = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| root.path().join(name);
    preco(root.path(), "pretrain --steps 2 --batch-size 4 --out run").succeeded();
    std::fs::write(path("card.toml"), CARD).expect("write");
    let command = "models publish run --name preco-test --card card.toml --to out";

    let dry = preco(root.path(), command).succeeded().stdout;
    assert!(dry.contains("model.safetensors") && dry.contains("nothing was written: add --yes"), "{dry}");
    assert!(!path("out").exists());
    let done = preco(root.path(), &format!("{command} --yes")).succeeded().stdout;
    assert!(done.contains("next: preco-cli models verify out"), "{done}");
    // What the dry run showed is what was written, and half of it with --bf16.
    let digests =
        |text: &str| text.lines().filter(|line| line.contains(" bytes ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(digests(&dry), digests(&done));
    let bytes = |name: &str| std::fs::metadata(path(name)).expect("file").len();
    preco(root.path(), &format!("{} --bf16 --yes", command.replace("--to out", "--to half"))).succeeded();
    assert!(2 * bytes("half/model.safetensors") < bytes("out/model.safetensors") + 100_000);
    preco(root.path(), &format!("{command} --yes")).refused("out holds files already");

    let card = std::fs::read_to_string(path("out/README.md")).expect("card");
    for part in ["license: mit", "# preco-test", "12.5 %", "timm.create_model", "A toy", "It has learnt nothing."] {
        assert!(card.contains(part), "no {part:?} in\n{card}");
    }
    let info = preco(root.path(), "models info out").succeeded().stdout;
    assert!(info.starts_with("preco-test: Swin encoder, 3"), "{info}");
    preco(root.path(), "pretrain --init-from out --steps 1 --batch-size 4 --out again").succeeded();

    preco(root.path(), "models verify out").succeeded();
    let mut weights = std::fs::read(path("out/model.safetensors")).expect("read");
    *weights.last_mut().expect("a byte") ^= 1;
    std::fs::write(path("out/model.safetensors"), weights).expect("write");
    std::fs::remove_file(path("out/README.md")).expect("remove");
    let told = preco(root.path(), "models verify out");
    assert_eq!(told.code, Some(1));
    assert!(
        told.stdout.contains("README.md: missing") && told.stdout.contains("model.safetensors: WRONG"),
        "{}",
        told.stdout
    );
}

#[test]
fn what_cannot_be_published_says_what_is_missing() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "pretrain --steps 1 --batch-size 4 --out run").succeeded();
    for (card, name, needle) in [
        (CARD.replace("licence = \"MIT\"\n", ""), "fine", "the card has no licence"),
        (CARD.replace("is-toy = true\n", ""), "fine", "the card has no is-toy"),
        (CARD.replace("limits", "limit"), "fine", "unknown field `limit`"),
        (CARD.to_owned(), "../fine", "cannot be used"),
    ] {
        std::fs::write(root.path().join("card.toml"), card).expect("write");
        preco(root.path(), &format!("models publish run --name {name} --card card.toml --to out --yes"))
            .refused(needle);
        assert!(!root.path().join("out").exists());
    }
    preco(root.path(), "models info no-such-model").refused("no-such-model");
    preco(root.path(), "models verify run").refused("has no SHA256SUMS to compare with");
}
