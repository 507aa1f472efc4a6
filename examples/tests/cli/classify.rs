//! `classify` on good input.

use crate::program::{classify, command, ended, sample};
use serde_json::Value;
use std::fs;
use std::process::Stdio;

fn coffee() -> String {
    sample("coffee.jpg").display().to_string()
}

#[test]
fn without_arguments_it_labels_the_samples() {
    let run = classify::<&str>([]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for name in ["astronaut.jpg", "camera.png", "chelsea.png", "coffee.jpg", "rocket.jpg"] {
        assert!(run.stdout.contains(name), "{}", run.stdout);
    }
    assert_eq!(run.stdout.lines().filter(|line| line.ends_with('%')).count(), 25);
    assert!(run.stderr.contains("model built: ghostnetv2_100, 200 classes"), "{}", run.stderr);
}

#[test]
fn one_picture_gives_the_zoos_five_lines() {
    for arguments in [vec![coffee()], vec!["--image".into(), coffee(), "--quiet".into()]] {
        let run = classify(&arguments);
        let lines: Vec<_> = run.stdout.lines().collect();
        assert_eq!(lines.len(), 5, "{}", run.stdout);
        assert!(lines[0].starts_with("espresso                : "), "{}", lines[0]);
        assert!(lines.iter().all(|line| line.ends_with('%') && line.contains(": ")));
        assert_eq!(run.stderr.is_empty(), arguments.len() > 1, "{}", run.stderr);
    }
}

#[test]
fn every_format_says_the_same() {
    let run = |format: &str| {
        let run = classify(["--format", format, "--top-k", "2", &coffee(), &coffee()]);
        assert_eq!(run.code, 0);
        run.stdout
    };
    let list: Vec<Value> = serde_json::from_str(&run("json")).unwrap();
    let lines: Vec<Value> =
        run("jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(list, lines);
    assert_eq!(list.len(), 2);
    let best = &list[0]["predictions"][0];
    assert_eq!((&best["label"], &best["index"]), (&"espresso".into(), &193.into()));
    assert_eq!(list[0]["predictions"].as_array().unwrap().len(), 2);
    let csv = run("csv");
    let rows: Vec<_> = csv.lines().collect();
    assert_eq!(rows[0], "path,rank,index,label,probability,error");
    assert_eq!(rows.len(), 5);
    assert!(rows[1].contains(",1,193,espresso,0."), "{}", rows[1]);
}

#[test]
fn batches_and_threads_do_not_change_a_result() {
    let folder = sample("").display().to_string();
    let run = |batch: &str, threads: &str| {
        let arguments = ["--format", "jsonl", "--batch", batch, "--threads", threads, &folder];
        let lines = classify(arguments).stdout;
        lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).collect::<Vec<_>>()
    };
    let one = run("1", "1");
    for other in [run("2", "2"), run("5", "1")] {
        for (a, b) in one.iter().zip(&other) {
            assert_eq!(a["path"], b["path"]);
            let best = |v: &Value| {
                let best = &v["predictions"][0];
                (best["index"].clone(), best["probability"].as_f64().unwrap())
            };
            assert_eq!(best(a).0, best(b).0);
            assert!((best(a).1 - best(b).1).abs() < 1e-5);
        }
    }
}

#[test]
fn folders_patterns_and_odd_names() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a b")).unwrap();
    fs::copy(sample("coffee.jpg"), folder.path().join("a b/ö.jpg")).unwrap();
    fs::copy(sample("rocket.jpg"), folder.path().join("wrong ending.png")).unwrap();
    let run = classify(["--format", "jsonl", &folder.path().display().to_string()]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{}", run.stderr);
    let pattern = folder.path().join("*/*.jpg").display().to_string();
    assert_eq!(classify(["--format", "jsonl", &pattern]).stdout.lines().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9.jpg"));
    fs::copy(sample("coffee.jpg"), &path).unwrap();
    let run = classify([OsStr::new("--format=jsonl"), path.as_os_str()]);
    let record: Value = serde_json::from_str(&run.stdout).unwrap();
    let bytes: Vec<u8> = serde_json::from_value(record["path_bytes"].clone()).unwrap();
    assert_eq!(bytes, path.as_os_str().as_bytes());
}

#[test]
fn own_labels() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.txt");
    let labels: Vec<String> = (0..200).map(|i| format!("label {i}")).collect();
    fs::write(&file, labels.join("\n") + "\n").unwrap();
    let run = classify(["--labels", &file.display().to_string(), &coffee()]);
    assert!(run.stdout.starts_with("label 193"), "{}", run.stdout);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let cache = tempfile::tempdir().unwrap();
    let mut command = command("classify", cache.path());
    let pictures = vec![coffee(); 30];
    let mut child =
        command.args(pictures).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let run = ended(child.wait_with_output().unwrap());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stderr.contains("error"), "{}", run.stderr);
}

#[test]
fn timing_and_help() {
    let run = classify(["--timing", &coffee()]);
    for part in ["loading", "reading", "computing"] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    let help = classify(["--help"]);
    for part in ["Examples:", "Exit codes:", "--model", "--dump", "--offline"] {
        assert!(help.stdout.contains(part), "{part}");
    }
    assert_eq!(help.code, 0);
}
