//! Settings from files and flags, through the program.

use preco_tests::binary::preco;

#[test]
fn what_is_shown_is_a_file_that_shows_the_same() {
    let root = tempfile::tempdir().expect("temporary folder");
    let first = preco(root.path(), "config show --steps 7 --lr 2e-3 --method simmim --ema 0.99").succeeded().stdout;
    for line in ["steps = 7", "lr = 0.002", "method = \"simmim\"", "ema = 0.99", "batch-size = 16"] {
        assert!(first.lines().any(|shown| shown == line), "no {line} in\n{first}");
    }
    std::fs::write(root.path().join("run.toml"), &first).expect("write");
    assert_eq!(preco(root.path(), "config show --config run.toml").succeeded().stdout, first);
    let flags_win = preco(root.path(), "config show --config run.toml --epochs 3 --seed 4").succeeded().stdout;
    assert!(flags_win.contains("epochs = 3\n") && !flags_win.contains("steps"), "{flags_win}");
    assert!(flags_win.contains("seed = 4\n") && flags_win.contains("lr = 0.002\n"), "{flags_win}");
}

#[test]
fn a_check_says_what_is_wrong_and_what_is_near() {
    let root = tempfile::tempdir().expect("temporary folder");
    for (text, needle) in [
        ("steps = 3\nbatchsize = 4\n", "bad.toml, line 2: unknown key batchsize. Did you mean batch-size?"),
        ("method = \"precco\"\n", "Did you mean preco?"),
        ("model = \"pica\"\n", "pico"),
        (
            "mask-patch = 24\ninput-size = 64\n",
            "mask patch 24 must be a multiple of the patch 4 and divide the input 64x64. Use 16",
        ),
        ("mask-ratio = 1.5\n", "1.5"),
        ("ema = 1.0\n", "ema 1"),
        ("preset = \"papr\"\n", "there is no recipe papr; there are paper, simmim. Did you mean paper?"),
        ("steps = \"many\"\n", "line 1"),
        ("steps =\n", "line 1"),
    ] {
        std::fs::write(root.path().join("bad.toml"), text).expect("write");
        let checked = preco(root.path(), "config check bad.toml");
        assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""), "{text}{}", checked.stdout);
        assert!(checked.stdout.contains(needle), "no {needle:?} in {}", checked.stdout);
        preco(root.path(), "pretrain --config bad.toml").refused(needle);
    }
    std::fs::write(root.path().join("good.toml"), "steps = 3\n").expect("write");
    let good = preco(root.path(), "config check good.toml").succeeded();
    assert!(good.stdout.starts_with("good.toml is valid"), "{}", good.stdout);
    preco(root.path(), "config show --config none.toml").refused("cannot read none.toml");
}

#[test]
fn a_run_can_be_started_again_from_its_settings() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "pretrain --steps 2 --batch-size 4 --seed 9 --stop-gradient --out one").succeeded();
    preco(root.path(), "pretrain --config one/run.toml --out two").succeeded();
    let weights = |run: &str| std::fs::read(root.path().join(run).join("model.safetensors")).expect("weights");
    assert!(weights("one") == weights("two"));
}
