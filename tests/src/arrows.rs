//! Who may depend on whom: the checks behind the rules of ARCHITECTURE.md, as functions of what cargo reports.

use std::path::PathBuf;

use serde_json::Value;

/// The workspace's crates and those of the workspace they may use; `preco-tests` may use all.
const ARROWS: [(&str, &[&str]); 5] = [
    ("preco-core", &[]),
    ("preco-weights", &[]),
    ("preco-train", &["preco-core"]),
    ("preco-zoo", &["preco-core", "preco-weights"]),
    ("preco-cli", &["preco-core", "preco-train", "preco-zoo"]),
];

/// Crates that only one member may use.
const RESERVED: [(&str, &[&str]); 2] = [
    ("preco-cli", &["anyhow", "clap", "indicatif"]),
    ("preco-zoo", &["axum", "hf-hub", "hyper", "object_store", "reqwest", "tokio", "ureq"]),
];

/// A member of the workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest: PathBuf,
    /// Everything it depends on, development and build included.
    pub dependencies: Vec<String>,
}

/// The members in the output of `cargo metadata --no-deps`.
///
/// # Panics
/// Where the output is not cargo's.
pub fn members(metadata: &Value) -> Vec<Member> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let list = |value: &Value| value.as_array().expect("list").clone();
    let member = |package: &Value| Member {
        name: text(&package["name"]),
        manifest: text(&package["manifest_path"]).into(),
        dependencies: list(&package["dependencies"]).iter().map(|dependency| text(&dependency["name"])).collect(),
    };
    list(&metadata["packages"]).iter().map(member).collect()
}

/// Dependencies between members that no arrow allows.
pub fn forbidden_arrows(members: &[Member]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members.iter().filter(|member| member.name != "preco-tests") {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
            found.push(format!("{} is in the workspace and not in the picture: add it there", member.name));
            continue;
        };
        for dependency in &member.dependencies {
            if members.iter().any(|other| other.name == *dependency) && !allowed.contains(&dependency.as_str()) {
                found.push(format!("{} -> {dependency}", member.name));
            }
        }
    }
    found
}

/// Dependencies outside the workspace that belong to another member, such as a network crate in `preco-train`.
pub fn misplaced_dependencies(members: &[Member], owner: &str) -> Vec<String> {
    let reserved = RESERVED.iter().filter(|(name, _)| *name == owner).flat_map(|(_, crates)| crates.iter());
    let reserved: Vec<&str> = reserved.copied().collect();
    let others = members.iter().filter(|member| member.name != owner);
    let uses = |member: &Member| {
        let foreign = member.dependencies.iter().filter(|name| reserved.contains(&name.as_str()));
        foreign.map(|name| format!("{} -> {name}", member.name)).collect::<Vec<_>>()
    };
    others.flat_map(uses).collect()
}

/// What a member's `Cargo.toml` says itself though the workspace's table should say it.
pub fn not_inherited(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    let mut inherited = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        let inherits = line.replace(' ', "").contains("workspace=true");
        if inherits {
            inherited.push(format!("{section}.{}", line.split(['.', '=', ' ']).next().unwrap_or(line)));
        }
        let is_dependency = section.split('.').any(|part| part.ends_with("dependencies"));
        if is_dependency && !inherits {
            found.push(format!("[{section}] {line}"));
        }
    }
    for wanted in ["package.version", "package.edition", "package.license", "package.rust-version", "lints.workspace"] {
        if !inherited.iter().any(|key| key == wanted) {
            found.push(format!("{wanted} is not taken from the workspace"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dependencies: &[&str]) -> Member {
        let dependencies = dependencies.iter().map(|&name| name.to_owned()).collect();
        Member { name: name.to_owned(), manifest: PathBuf::new(), dependencies }
    }

    fn workspace() -> Vec<Member> {
        vec![
            member("preco-core", &["candle-core"]),
            member("preco-weights", &[]),
            member("preco-train", &["preco-core"]),
            member("preco-zoo", &["preco-core", "preco-weights", "ureq"]),
            member("preco-cli", &["preco-core", "preco-train", "preco-zoo", "clap"]),
            member("preco-tests", &["preco-train", "preco-zoo"]),
        ]
    }

    #[test]
    fn the_picture_itself_is_allowed() {
        assert_eq!(forbidden_arrows(&workspace()), [""; 0]);
        assert_eq!(misplaced_dependencies(&workspace(), "preco-cli"), [""; 0]);
        assert_eq!(misplaced_dependencies(&workspace(), "preco-zoo"), [""; 0]);
    }

    #[test]
    fn each_forbidden_arrow_is_found() {
        for (from, to) in [(0, "preco-weights"), (1, "preco-core"), (2, "preco-zoo"), (3, "preco-train")] {
            let mut members = workspace();
            members[from].dependencies.push(to.to_owned());
            assert_eq!(forbidden_arrows(&members), [format!("{} -> {to}", members[from].name)]);
        }
        let mut members = workspace();
        members.push(member("preco-extra", &[]));
        assert_eq!(forbidden_arrows(&members).len(), 1);
    }

    #[test]
    fn each_reserved_crate_is_found_elsewhere() {
        for (owner, crates) in RESERVED {
            for name in crates {
                let mut members = workspace();
                members[2].dependencies.push((*name).to_owned());
                assert_eq!(misplaced_dependencies(&members, owner), [format!("preco-train -> {name}")]);
            }
        }
    }

    #[test]
    fn a_manifest_with_its_own_version_is_found() {
        let good = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
            rust-version.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n\
            [dependencies]\nserde.workspace = true\nclap = { workspace = true, optional = true }\n";
        assert_eq!(not_inherited(good), [""; 0]);
        for (part, bad) in [
            ("version.workspace = true\nedition", "version = \"1.0.0\"\nedition"),
            ("[lints]\nworkspace = true", "[lints]"),
            ("serde.workspace = true", "serde = \"1\""),
            ("license.workspace = true\n", ""),
        ] {
            assert_eq!(not_inherited(&good.replacen(part, bad, 1)).len(), 1, "{bad}");
        }
    }
}
