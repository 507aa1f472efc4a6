//! The table of faults names tests that there are.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// What stands between backticks, and is no path, no flag and no word of a program.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| {
            name.matches('_').count() > 1 || ["suppression", "matching", "coding"].contains(name)
        })
        .filter(|name| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
}

#[test]
fn every_test_of_the_table_exists_and_every_test_of_faults_is_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let mut files = vec![];
    for folder in ["examples/tests", "ghostnetv2/tests", "heads/tests", "train/tests", "engine"] {
        sources(&root.join(folder), &mut files);
    }
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let named: Vec<_> = functions(&table).collect();
    assert!(named.len() > 50, "{} tests in the table", named.len());
    for name in &named {
        assert!(code.contains(&format!("fn {name}(")), "{name} is in the table only");
    }
    let mut own = vec![];
    sources(&root.join("examples/tests/faults"), &mut own);
    for path in own.iter().filter(|path| !path.ends_with("table.rs")) {
        let code = fs::read_to_string(path).unwrap();
        for (_, rest) in
            code.match_indices("#[test]\nfn ").map(|(at, found)| (at, &code[at + found.len()..]))
        {
            let name = rest.split('(').next().unwrap();
            assert!(named.contains(&name), "{name} is not in the table");
        }
    }
}
