//! What source files may not contain: the checks behind the rules of ARCHITECTURE.md, as functions of text.

use std::path::{Path, PathBuf};

/// The system that `preco-core` must not see: environment, clock, network, terminal.
const SYSTEM: [&str; 8] =
    ["std::env", "std::time", "std::net", "env::var", "Instant::now", "SystemTime", "println!", "print!"];

/// The longest a source file may be.
pub const MOST_LINES: usize = 500;

/// The Rust files below `folder`, by path.
///
/// # Panics
/// Where the folder cannot be read.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.expect("entry of a source folder").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    files
}

/// Lines of `text` outside comments and tests that touch the system, with their numbers.
pub fn system_uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // Tests close a file by the house's order, and tests may read the environment.
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let code = line.split("//").next().unwrap_or(line);
        let in_braces = code.trim_start().starts_with("use std::{")
            && code.split(['{', '}', ',', ' ', ':', ';']).any(|word| ["env", "time", "net"].contains(&word));
        if in_braces || SYSTEM.iter().any(|word| code.contains(word)) {
            found.push(format!("{}: {}", index + 1, line.trim()));
        }
    }
    found
}

/// How many lines over the limit `text` is.
pub fn lines_over(text: &str) -> usize {
    text.lines().count().saturating_sub(MOST_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_the_system_is_found() {
        for line in [
            "let level = std::env::var(\"LEVEL\");",
            "use std::time::Instant;",
            "    let now = std::time::SystemTime::now();",
            "use std::net::TcpStream;",
            "use std::{env, fs};",
            "use std::{fs, time::Instant};",
            "println!(\"{step}\");",
            "    eprintln!(\"{step}\");",
        ] {
            assert_eq!(system_uses(&format!("fn a() {{}}\n{line}\n")), [format!("2: {}", line.trim())]);
        }
    }

    #[test]
    fn comments_and_tests_may_name_the_system() {
        let text = "// std::env is for the CLI\nfn a() {} // println!\n#[cfg(test)]\nmod tests {\n use std::env;\n}\n";
        assert_eq!(system_uses(text), [""; 0]);
        assert_eq!(system_uses("use std::{fs, io};\nlet environment = 1;\n"), [""; 0]);
    }

    #[test]
    fn a_file_one_line_too_long_is_found() {
        assert_eq!(lines_over(&"\n".repeat(MOST_LINES)), 0);
        assert_eq!(lines_over(&"\n".repeat(MOST_LINES + 1)), 1);
    }
}
