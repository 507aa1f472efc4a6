//! Training runs that lose their numbers, their disk or their lives, and what is there afterwards.

use crate::shop::Shop;
use crate::training::picture;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A small run of a classifier.
const LINE: &str = "train classify --data data --out run --epochs=2 --batch-size 2 --size 64 \
                    --workers 1 --save-steps 1 --print-freq 1";

/// Two classes of four pictures.
fn shop() -> Shop {
    let shop = Shop::new();
    for part in ["train", "val"] {
        for (class, first) in [("a", 0), ("b", 4)] {
            for i in first..first + 4 {
                picture(&shop.at(format!("data/{part}/{class}/{i}.png")), i);
            }
        }
    }
    shop
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_loss_that_is_no_number_is_6_and_the_last_checkpoint_stays() {
    let shop = shop();
    let run = shop.run(&format!("{LINE} --opt sgd --lr 1e30 --clip-grad-norm 0"));
    run.says(6, &["at step", "lower the learning rate", "last good checkpoint"]);
    let files = shop.files();
    let dumps = files.keys().filter(|path| {
        path.extension().is_some_and(|end| end == "safetensors")
            && !path.ends_with("last.safetensors")
            && !path.ends_with("previous.safetensors")
    });
    assert!(dumps.count() >= 1, "the state was dumped");
    assert!(files.keys().all(|path| !path.to_string_lossy().contains("partial")));
    let last = shop.at("run/last.safetensors");
    assert!(last.exists(), "one step went well");
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before_it() {
    let shop = shop();
    shop.run(LINE).says(0, &[]);
    let (last, best) = (shop.at("run/last.safetensors"), shop.at("run/best/model.safetensors"));
    let (whole, weights) = (read(&last), read(&best));
    let half = whole.len() / 2;
    let mut spoilt = whole.clone();
    spoilt[half] ^= 1;
    for spoilt in [whole[..half].to_vec(), vec![], spoilt] {
        fs::write(&last, &spoilt).unwrap();
        let run = shop.run(&format!("{LINE} --resume"));
        run.says(0, &["last.safetensors", "trying the one before"]);
        assert!(read(&last) == whole && read(&best) == weights);
    }
    fs::write(&last, "").unwrap();
    fs::write(shop.at("run/previous.safetensors"), "").unwrap();
    shop.run(&format!("{LINE} --resume")).says(3, &["previous.safetensors"]);
}

#[test]
fn another_run_is_not_resumed_and_an_old_one_not_overwritten() {
    let shop = shop();
    shop.run(LINE).says(0, &[]);
    shop.refuses(LINE, 2, &["run", "--resume"]);
    shop.refuses(&format!("{LINE} --resume --seed 7"), 2, &["seed: 0 in the checkpoint, now 7"]);
    picture(&shop.at("data/train/a/more.png"), 9);
    shop.refuses(&format!("{LINE} --resume"), 2, &["of another run", "in the checkpoint, now"]);
}

/// Where there is no room for a checkpoint, the run ends, and what was there is there.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_5_and_the_last_checkpoint_stays() {
    let shop = shop();
    shop.run(LINE).says(0, &[]);
    fs::rename(shop.at("run"), shop.at("whole")).unwrap();
    let size = fs::metadata(shop.at("whole/last.safetensors")).unwrap().len();
    shop.run_with_small_files(LINE, size / 2).says(5, &["last.safetensors"]);
    let left: Vec<_> = shop.files().into_keys().filter(|p| p.starts_with(shop.at("run"))).collect();
    for path in &left {
        let name = path.to_string_lossy();
        assert!(!name.ends_with(".partial") && !name.ends_with(".safetensors"), "{name}");
    }
}

/// Killed again and again, at any moment, and resumed each time: it ends in the same bytes.
#[test]
fn a_run_that_is_killed_ten_times_ends_in_the_same_bytes() {
    let shop = shop();
    shop.run(LINE).says(0, &[]);
    let names = ["last.safetensors", "best/model.safetensors"];
    let whole = names.map(|name| read(&shop.at("run").join(name)));
    fs::remove_dir_all(shop.at("run")).unwrap();
    let mut state = 7_u64;
    for kill in 0..10 {
        let mut command = shop.command(&format!("{LINE} --resume"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = Duration::from_millis(30 + (state >> 33) % (150 * (kill + 1)));
        let start = Instant::now();
        while start.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().unwrap();
        for name in ["last.safetensors", "previous.safetensors"] {
            let path = shop.at("run").join(name);
            if path.exists() {
                safetensors::SafeTensors::deserialize(&read(&path)).unwrap();
            }
        }
    }
    shop.run(&format!("{LINE} --resume")).says(0, &[]);
    for (name, expected) in names.iter().zip(whole) {
        assert!(read(&shop.at("run").join(name)) == expected, "{name}");
    }
}

/// The small run with this flag in the place of its own.
fn instead(flag: &str) -> String {
    let name = |part: &str| part.split([' ', '=']).next().map(str::to_owned);
    let own = LINE.split(" --").filter(|part| name(part) != name(flag.trim_start_matches('-')));
    format!("{} {flag}", own.collect::<Vec<_>>().join(" --"))
}

#[test]
fn data_that_can_not_be_trained_on_is_said_before_anything_starts() {
    let shop = Shop::new();
    shop.refuses(LINE, 3, &["data"]);
    fs::create_dir_all(shop.at("data/train/a")).unwrap();
    shop.refuses(LINE, 3, &["data"]);
    for class in ["a", "b"] {
        picture(&shop.at(format!("data/train/{class}/1.png")), 1);
        picture(&shop.at(format!("data/val/{class}/1.png")), 1);
    }
    shop.write("data/train/a/2.png", "no picture");
    shop.write("data/val/b/3.png", "none either");
    shop.refuses(LINE, 3, &["2 problems", "2.png", "3.png"]);
    shop.write("data/train/a/2.png", "");
    shop.write("data/val/b/3.png", "");
    shop.refuses(LINE, 3, &["2 problems", "2.png", "3.png"]);
    fs::remove_file(shop.at("data/train/a/2.png")).unwrap();
    fs::remove_file(shop.at("data/val/b/3.png")).unwrap();
    let wrong = [
        ("--lr=-1", "--lr"),
        ("--lr NaN", "--lr"),
        ("--batch-size 0", "--batch-size"),
        ("--epochs 0", "--epochs"),
        ("--init no-such-model", "no-such-model"),
        ("--size 20", "33"),
        ("--label-smoothing 2", "--label-smoothing"),
        ("--model-ema-decay 1.5", "--model-ema-decay"),
        ("--soft-targets none.safetensors", "none.safetensors"),
    ];
    for (flag, word) in wrong {
        let before = shop.files();
        let run = shop.run(&instead(flag));
        assert!(matches!(run.code, 2 | 3), "{flag}: {} {}", run.code, run.stderr);
        assert!(run.stderr.contains(word), "{flag}: {}", run.stderr);
        shop.assert_only(&before, flag);
    }
}
