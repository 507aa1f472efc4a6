//! `evaluate imagenet`, in both layouts.

use crate::program::{run, sample};
use serde_json::Value;
use std::fs;

#[test]
fn lists_and_folders_give_the_same_score() {
    let root = tempfile::tempdir().unwrap();
    let pictures =
        [("coffee.jpg", "n07920052"), ("rocket.jpg", "n02123045"), ("camera.png", "n01440764")];
    let mut list = String::new();
    for (name, wnid) in pictures {
        let folder = root.path().join("val").join(wnid);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(sample(name), folder.join(name)).unwrap();
        list += &format!("val/{wnid}/{name}, {wnid}\n");
    }
    let file = root.path().join("list.txt");
    fs::write(&file, list).unwrap();
    let score = |arguments: [&str; 2]| -> Value {
        let ended = run("evaluate", ["imagenet", "--format", "json"].into_iter().chain(arguments));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let mut score: Value = serde_json::from_str(&ended.stdout).unwrap();
        score.as_object_mut().unwrap().remove("images_per_s").unwrap();
        score
    };
    let by_list = score(["--list", &file.display().to_string()]);
    assert_eq!(by_list, score(["--folder", &root.path().join("val").display().to_string()]));
    // The espresso is right; tench is none of the 200 classes.
    assert_eq!((&by_list["pictures"], &by_list["left_out"]), (&2.into(), &1.into()));
    assert_eq!((&by_list["right1"], &by_list["top1"]), (&1.into(), &50.0.into()));
}

#[test]
fn problems_of_a_list_come_together() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("list.txt");
    fs::write(&file, "a.jpg, 1000\nb.jpg, 3\nc.jpg\n").unwrap();
    let ended = run("evaluate", ["imagenet", "--list", &file.display().to_string()]);
    assert_eq!(ended.code, 3);
    for part in ["3 problems", "line 1", "b.jpg", "line 3"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    assert_eq!(run("evaluate", ["imagenet"]).code, 2);
}
