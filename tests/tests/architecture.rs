//! The rules of ARCHITECTURE.md, asked of the workspace as it stands. That each can fail is shown beside its check.

use std::path::Path;
use std::process::Command;

use preco_tests::arrows::{self, Member};
use preco_tests::{folder, sources};

fn members() -> Vec<Member> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(folder::workspace())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let members = arrows::members(&serde_json::from_slice(&output.stdout).expect("JSON of cargo"));
    assert!(members.iter().any(|member| member.name == "preco-core"), "{members:?}");
    members
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn crates_depend_along_the_arrows_only() {
    assert_eq!(arrows::forbidden_arrows(&members()), [""; 0]);
}

#[test]
fn only_the_command_line_has_clap_anyhow_and_progress_bars() {
    assert_eq!(arrows::misplaced_dependencies(&members(), "preco-cli"), [""; 0]);
}

#[test]
fn only_the_zoo_has_network_crates() {
    assert_eq!(arrows::misplaced_dependencies(&members(), "preco-zoo"), [""; 0]);
}

#[test]
fn every_member_inherits_versions_and_lints() {
    for member in members() {
        assert_eq!(arrows::not_inherited(&read(&member.manifest)), [""; 0], "{}", member.name);
    }
}

#[test]
fn the_core_sees_no_environment_clock_network_or_terminal() {
    let files = sources::rust_files(&folder::workspace().join("preco-core/src"));
    assert!(!files.is_empty());
    let of_tests: Vec<_> = files.iter().flat_map(|file| sources::test_modules(file, &read(file))).collect();
    for file in files.iter().filter(|file| !of_tests.contains(file)) {
        assert_eq!(sources::system_uses(&read(file)), [""; 0], "{}", file.display());
    }
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    for member in members() {
        let folder = member.manifest.parent().expect("a manifest lies in a folder");
        for file in sources::rust_files(folder) {
            assert_eq!(sources::lines_over(&read(&file)), 0, "{} hides two rooms in one", file.display());
        }
    }
}

#[test]
fn every_invariant_of_the_page_names_a_test_that_exists() {
    let page = read(&folder::workspace().join("ARCHITECTURE.md"));
    let files = members()
        .into_iter()
        .flat_map(|member| sources::rust_files(member.manifest.parent().expect("a manifest lies in a folder")));
    let declared: String = files.map(|file| read(&file)).collect();
    assert!(page.contains("architecture::every_invariant"), "the page is not the one this test reads");
    assert_eq!(sources::unknown_tests(&page, &declared), [""; 0]);
}
