//! Settings from files and flags, through the program.

use std::path::Path;

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

/// Checks that `config check` and `pretrain` refuse the settings `text` with the same words, `needle` among them.
fn refused_by_both(root: &Path, text: &str, needle: &str) {
    std::fs::write(root.join("bad.toml"), text).expect("write");
    let checked = preco(root, "config check bad.toml");
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""), "{text}{}", checked.stdout);
    assert!(checked.stdout.contains(needle), "no {needle:?} in {}", checked.stdout);
    let words = checked.stdout.trim_end();
    let words = words.strip_prefix("bad.toml: ").unwrap_or(words);
    preco(root, "pretrain --config bad.toml").refused(&format!("error: {words}\n"));
}

#[test]
fn settings_that_rule_each_other_out_are_refused_in_one_file_too() {
    let root = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(root.path().join("images")).expect("folder");
    std::fs::write(root.path().join("list.txt"), "a.png\n").expect("write");
    for (text, needle) in [
        ("epochs = 3\n\nsteps = 4\n", "bad.toml, line 3: steps and epochs (line 1) rule each other out; keep one"),
        ("model = \"pico\"\ninit-from = \"run\"\n", "line 1: model and init-from (line 2) rule each other out"),
        ("data = \"images\"\nlist = \"list.txt\"\nheld-out = 0.1\n", "line 2: list and held-out (line 3)"),
        ("data = \"images\"\nval-list = \"list.txt\"\nheld-out = 0.1\n", "line 2: val-list and held-out (line 3)"),
        ("patience = 3\n", "patience 3 counts evaluations, and there is one only, at the end; give evaluate-every too"),
        (
            "data = \"images\"\nheld-out = 0.0\npatience = 3\nevaluate-every = 10\n",
            "--patience 3 waits for better results on held-out images, and there are none; hold some out with --val-list",
        ),
        ("data = \"images\"\nlist = \"list.txt\"\npatience = 3\nevaluate-every = 10\n", "--patience 3 waits"),
    ] {
        refused_by_both(root.path(), text, needle);
    }
    // The flag decides what the file leaves to it.
    std::fs::write(root.path().join("long.toml"), "epochs = 3\n").expect("write");
    preco(root.path(), "config show --config long.toml --steps 4").succeeded();
}

#[test]
fn paths_and_shares_that_cannot_be_are_refused_before_images_are_read() {
    let root = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(root.path().join("images")).expect("folder");
    std::fs::write(root.path().join("list.txt"), "a.png\n").expect("write");
    for (text, needle) in [
        (
            "data = \"imges\"\n",
            "cannot read --data imges: No such file or directory (os error 2). Did you mean images?",
        ),
        ("data = \"list.txt\"\n", "--data list.txt is a file; a folder of images is needed"),
        ("data = \"\"\n", "--data is an empty path"),
        ("data = \"images\"\nlist = \"lost\"\n", "cannot read --list lost: No such file"),
        ("data = \"images\"\nlist = \"images\"\n", "--list images is a folder; a file with a path on each line"),
        ("data = \"images\"\nval-list = \"lits.txt\"\n", "Did you mean list.txt?"),
        ("held-out = 1.0\n", "--held-out 1 must be a share from 0 to below 1, such as 0.05"),
        ("held-out = 0.1\n", "--held-out is about files, and none are named: give their folder with --data"),
        ("list = \"list.txt\"\n", "--list is about files"),
        ("skip-unreadable = true\n", "--skip-unreadable is about files"),
    ] {
        refused_by_both(root.path(), text, needle);
    }
    // Ten passes may be more than a hundred updates: nobody has counted the images yet.
    let text = "data = \"images\"\nepochs = 10\nwarmup-steps = 100\nheld-out = 0.1\n";
    std::fs::write(root.path().join("good.toml"), text).expect("write");
    preco(root.path(), "config check good.toml").succeeded();
}

#[test]
fn patience_is_refused_where_too_few_images_hold_none_out() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "scenes --out data --count 8 --size 32").succeeded();
    let flags = "pretrain --data data --input-size 32 --batch-size 4 --steps 2 --patience 1 --evaluate-every 1";
    preco(root.path(), flags).refused("--patience 1 waits for better results on held-out images");
}

#[test]
fn junk_is_refused_in_one_line_without_a_guess() {
    let root = tempfile::tempdir().expect("temporary folder");
    let junk: [&[u8]; 5] = [b"\xff\xfe\x00", b"\x00\x01\x1b[2J`\n", b"steps = \"abc\n", b"model\n", b"\n\nlr\n=\n"];
    for bytes in junk {
        std::fs::write(root.path().join("bad.toml"), bytes).expect("write");
        let checked = preco(root.path(), "config check bad.toml");
        let told = checked.stdout.trim_end();
        assert_eq!((checked.code, told.lines().count()), (Some(1), 1), "{told}");
        assert!(told.starts_with("bad.toml") && !told.contains("Did you mean") && !told.contains('\u{1b}'), "{told}");
    }
}

#[test]
fn threads_may_stand_in_a_file_and_come_back_only_where_they_were_given() {
    let root = tempfile::tempdir().expect("temporary folder");
    std::fs::write(root.path().join("two.toml"), "threads = 2\nsteps = 1\nbatch-size = 2\n").expect("write");
    let run = preco(root.path(), "pretrain --config two.toml --input-size 32 --out run").succeeded();
    assert!(run.stderr.contains(" on 2 threads,"), "{}", run.stderr);
    let saved = std::fs::read_to_string(root.path().join("run/run.toml")).expect("settings");
    assert!(saved.contains("\nthreads = 2\n"), "{saved}");
    let shown = |flags: &str| preco(root.path(), &format!("config show {flags}")).succeeded().stdout;
    assert!(shown("--config two.toml --threads 1").contains("\nthreads = 1\n"));
    assert!(!shown("--steps 1").contains("\nthreads"));
}

#[test]
fn flags_are_refused_as_files_are() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "pretrain --model pic").refused("large. Did you mean pico?");
    // A run of it could not be continued: its run.toml could not be read.
    preco(root.path(), "pretrain --seed 18446744073709551615").refused("at most 9223372036854775807 is wanted");
    preco(root.path(), "pretrain --method simim").refused("expected `preco` or `simmim`. Did you mean simmim?");
    preco(root.path(), "bench products --model bas").refused("Did you mean base?");
}

#[test]
fn a_check_says_what_is_wrong_and_what_is_near() {
    let root = tempfile::tempdir().expect("temporary folder");
    for (text, needle) in [
        ("steps = 3\nbatchsize = 4\n", "bad.toml, line 2: unknown key batchsize. Did you mean batch-size?"),
        ("method = \"precco\"\n", "Did you mean preco?"),
        (
            "model = \"pic\"\n",
            "there is no model pic; there are pico, nano, tiny, small, base, large. Did you mean pico?",
        ),
        (
            "mask-patch = 24\ninput-size = 64\n",
            "mask patch 24 must be a multiple of the patch 4 and divide the input 64x64. Use 16",
        ),
        ("mask-ratio = 1.5\n", "mask ratio 1.5 must lie within 0 and 1"),
        ("mask-ratio = 0.0\n", "mask ratio 0 masks none of 4x4 cells"),
        ("ema = 1.0\n", "ema 1"),
        ("preset = \"papr\"\n", "there is no recipe papr; there are paper, simmim. Did you mean paper?"),
        ("seed = 1\nsteps = -3\n", "bad.toml, line 2: steps is -3, a whole number from 0 is wanted"),
        ("lr = \"fast\"\n", "bad.toml, line 1: lr is \"fast\", a number is wanted"),
        ("steps = = 3\n", "bad.toml, line 1: cannot read \"steps = = 3\": extra =; write KEY = VALUE"),
        ("steps =\n", "bad.toml, line 1: cannot read"),
        ("force = true\n", "bad.toml, line 1: force is a flag only: --force"),
        ("simd = \"sse\"\n", "SIMD level \"sse\" is not available here"),
        ("device = \"gpu\"\n", "there is no device gpu; there are auto, cpu, cuda and cuda:N"),
        ("precision = \"f16\"\n", "there is no precision f16; there are f32 and bf16"),
        ("preset = \"paper\"\nbatch-size = 8\nsteps = 5\n", "--warmup-steps 4 at most"),
        (
            "accumulate = 1000000000\n",
            "512 images do not fill one batch of 16 x 1000000000; use accumulate of at most 32",
        ),
        ("keep = 0\n", "keep 0 leaves no checkpoint to continue from; keep at least 1"),
        ("loader-threads = 100000000\n", "loader-threads 100000000 must be 0 to 4096"),
        ("min-lr = 0.1\n", "min_lr 0.1 is above lr 0.001: the schedule would rise; lower min-lr or raise lr"),
        ("seed = 18446744073709551615\n", "seed is 18446744073709551615, at most 9223372036854775807 is wanted"),
        ("threads = 0\n", "--threads 0 must be 1 to 4096"),
        ("out = \"\"\n", "--out is an empty path"),
    ] {
        refused_by_both(root.path(), text, needle);
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
