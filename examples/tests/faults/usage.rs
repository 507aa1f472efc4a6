//! Arguments that make no sense, or that ask for what is not there.

use crate::program::{classify, run, sample};
use crate::shop::Shop;

#[test]
fn wrong_usage_is_2() {
    let coffee = sample("coffee.jpg").display().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["--no-such-flag"], "--help"),
        (&["--top-k", "0"], "--top-k"),
        (&["--threads", "0"], "--threads"),
        (&["--batch", "0"], "--batch"),
        (&["--size", "32"], "at least 33"),
        (&["--size", "a"], "HxW"),
        (&["--device", "tpu"], "cuda:N"),
        (&["--model", "resnet50"], "ghostnetv2_100"),
        (&["--which", "resnet50"], "ghostnetv2_100"),
        (&["--model", "x", "--weights", "y"], "cannot be used"),
        (&["--labels", "no-such-file"], "no-such-file"),
        (&["--dump", "no/such/folder/y.safetensors"], "no such folder"),
    ];
    for (arguments, expected) in cases {
        let arguments = arguments.iter().copied().chain([coffee.as_str()]);
        classify(arguments).says(2, &[expected]);
    }
}

#[test]
fn every_program_helps() {
    for name in ["classify", "detect", "segment", "evaluate", "train", "bench"] {
        let help = run(name, ["--help"]);
        assert_eq!(help.code, 0, "{}", help.stderr);
        assert!(help.stdout.contains("Examples:"), "{name}: {}", help.stdout);
        run(name, ["--no-such-flag"]).says(2, &["--help"]);
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_was_not_built_in() {
    classify(["--device", "cuda"]).says(2, &["--features cuda"]);
    classify(["--device", "metal"]).says(2, &["--features metal"]);
}

#[test]
fn labels_that_do_not_fit() {
    let shop = Shop::new();
    shop.write("labels.txt", "cat\ndog\n");
    shop.refuses("classify --labels labels.txt", 2, &["2 labels for 200 classes"]);
}
