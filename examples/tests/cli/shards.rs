//! `--shard` of `classify`, `detect` and `segment`: merged, shards are the whole run to the byte.

use crate::program::{Ended, run, sample};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const SAMPLES: [&str; 5] =
    ["astronaut.jpg", "camera.png", "chelsea.png", "coffee.jpg", "rocket.jpg"];

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

fn says(run: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
    }
}

fn merge(files: &[String]) -> Ended {
    run("evaluate", ["merge".to_owned()].iter().chain(files))
}

/// Two folders of pictures with equal names, one of which is cut off.
fn pictures(root: &Path) -> [String; 2] {
    ["a", "b"].map(|folder| {
        let folder = root.join(folder);
        fs::create_dir(&folder).unwrap();
        for name in SAMPLES {
            fs::copy(sample(name), folder.join(name)).unwrap();
        }
        let whole = fs::read(sample("coffee.jpg")).unwrap();
        fs::write(folder.join("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
        text(folder)
    })
}

/// What a program prints, whole and of each shard into a file; extra arguments name files of a
/// shard.
fn runs(
    program: &str,
    arguments: &[&str],
    of: usize,
    more: impl Fn(usize) -> Vec<String>,
    root: &Path,
) -> (Ended, Vec<String>) {
    let given = |more: Vec<String>| {
        let arguments = arguments.iter().map(ToString::to_string);
        run(program, arguments.chain(more))
    };
    let files = (1..=of).map(|number| {
        let shard = ["--shard".to_owned(), format!("{number}/{of}")];
        let part = given(shard.into_iter().chain(more(number)).collect());
        assert!(matches!(part.code, 0 | 3), "{}", part.stderr);
        let file = root.join(format!("{number}.{of}.{program}"));
        fs::write(&file, part.stdout).unwrap();
        text(file)
    });
    // In no order.
    let files: Vec<_> = files.collect::<Vec<_>>().into_iter().rev().collect();
    (given(more(0)), files)
}

/// All files of a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().into(), fs::read(path).unwrap())).collect()
}

#[test]
fn classified_pictures_bad_ones_included() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = pictures(root.path());
    for (format, of) in [("jsonl", 3), ("json", 2), ("jsonl", 1), ("jsonl", 20), ("json", 13)] {
        let arguments = ["--quiet", "--format", format, &a, &b];
        let (whole, files) = runs("classify", &arguments, of, |_| Vec::new(), root.path());
        says(&whole, 3, &["2 of 12 pictures"]);
        let merged = merge(&files);
        says(&merged, 3, &["2 of 12 pictures"]);
        assert_eq!(merged.stdout, whole.stdout, "{format} of {of}");
    }
}

#[test]
fn found_objects_their_pictures_and_cocos_results() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = pictures(root.path());
    let at = |name: String| root.path().join(name);
    let arguments =
        ["--conf", "0.01", "--max-det", "3", "--size", "64", "--format", "jsonl", &a, &b];
    let more = |number: usize| {
        let out = if number == 0 { "whole" } else { "parts" };
        let (out, results) = (text(at(out.into())), text(at(format!("{number}.json"))));
        vec!["--out".to_owned(), out, "--save-coco".into(), results]
    };
    let (whole, parts) = runs("detect", &arguments, 3, more, root.path());
    let merged = merge(&parts);
    says(&merged, 3, &["2 of 12 pictures"]);
    assert_eq!(merged.stdout, whole.stdout);
    assert!(whole.stdout.contains("category_id"), "{}", whole.stdout);

    let results = merge(&[2, 1, 3].map(|number| text(at(format!("{number}.json")))));
    assert_eq!(results.code, 3, "as the whole run: {}", results.stderr);
    assert_eq!(results.stdout.as_bytes(), fs::read(at("0.json".into())).unwrap());
    assert!(results.stdout.contains("\"image_id\":12"), "{}", results.stdout);

    // Pictures of equal names are drawn by several shards, but never to the same file.
    let [whole, parts] = ["whole", "parts"].map(|out| files(&at(out.into())));
    assert_eq!(whole.len(), 10);
    assert!(whole == parts && parts.contains_key(Path::new("coffee-2.png")));
}

#[test]
fn areas() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = pictures(root.path());
    let arguments = ["--size", "64", "--format", "json", &a, &b];
    let (whole, files) = runs("segment", &arguments, 5, |_| Vec::new(), root.path());
    let merged = merge(&files);
    says(&merged, 3, &["2 of 12 pictures"]);
    assert_eq!(merged.stdout, whole.stdout);
}

#[test]
fn what_is_not_all_of_one_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = text(sample(""));
    let shards = |arguments: &[&str], name: &str| {
        let arguments: Vec<_> = ["--format", "jsonl", folder.as_str()]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let root = root.path().join(name);
        fs::create_dir(&root).unwrap();
        runs("classify", &arguments, 2, |_| Vec::new(), &root).1
    };
    let (five, two) = (shards(&[], "five"), shards(&["--top-k", "2"], "two"));
    let [second, first] = [five[0].clone(), five[1].clone()];
    let refused = |files: &[&String], code: i32, parts: &[&str]| {
        let merged = merge(&files.iter().map(|file| (*file).clone()).collect::<Vec<_>>());
        says(&merged, code, parts);
        assert!(merged.stdout.is_empty(), "{}", merged.stdout);
    };
    refused(&[&first], 2, &["shard 2/2 is missing"]);
    let twice = format!("{first} and {first} are both shard 1/2");
    refused(&[&first, &second, &first], 2, &[&twice]);
    refused(&[&first, &two[0]], 2, &["2.2.classify", "as in", "weights"]);
    let lines = fs::read_to_string(&first).unwrap();
    fs::write(&first, &lines[..lines.len() - 30]).unwrap();
    refused(&[&first, &second], 3, &["1.2.classify", "line 3: a record that ends early"]);
    fs::write(&first, &lines[..lines.find('\n').unwrap() + 1]).unwrap();
    refused(&[&first, &second], 3, &["has 1 records: expected 3", "did not end"]);
    fs::write(&first, "no records").unwrap();
    refused(&[&first, &second], 3, &["1.2.classify", "line 1: expected a record of a shard"]);
    refused(&[&"no-such-file".to_owned()], 2, &["no-such-file"]);
    assert_eq!(merge(&[]).code, 2);
}

#[test]
fn wrong_usage_is_2() {
    let coffee = text(sample("coffee.jpg"));
    for program in ["classify", "detect", "segment"] {
        let cases: &[(&[&str], &str)] = &[
            (&["--shard", "0/3"], "no shard 0 of 3: expected one from 1 to 3"),
            (&["--shard", "4/3"], "no shard 4 of 3"),
            (&["--shard", "x"], "expected I/N, such as 2/4"),
            (&["--shard", "1/2"], "add --format jsonl"),
            (&["--shard", "1/2", "--format", "csv"], "add --format jsonl"),
        ];
        for (arguments, expected) in cases {
            let run = run(program, arguments.iter().copied().chain([coffee.as_str()]));
            says(&run, 2, &[expected]);
        }
        let tensor = ["--shard", "1/2", "--format", "jsonl", "--tensor", "x"];
        says(&run(program, tensor), 2, &["cannot be used"]);
    }
}
