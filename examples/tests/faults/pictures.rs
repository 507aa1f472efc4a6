//! Pictures that are none, or not as they should be: each is reported, and the others go on.

use crate::program::sample;
use crate::shop::Shop;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What labels, finds and segments pictures, as lines of JSON.
const PROGRAMS: [&str; 3] = [
    "classify --format jsonl",
    "detect --format jsonl --size 64 --conf 0.001 --max-det 2",
    "segment --format jsonl --size 64",
];

fn fixture(name: &str) -> Vec<u8> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../ghostnetv2/tests/fixtures/pictures");
    fs::read(folder.join(name)).unwrap()
}

/// A PNG's header that announces a size, and nothing behind it.
fn announces(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = fixture("png-rgb.png");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

/// Pixels of one colour, as a PNG.
fn plain(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = vec![90; (width * height * 3) as usize];
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// Each record by its picture, and its error where it has one.
fn records(stdout: &str) -> BTreeMap<String, (Value, Option<String>)> {
    let mut records = BTreeMap::new();
    for line in stdout.lines() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        // Its place among all pictures is no property of a picture.
        let object = record.as_object_mut().unwrap();
        object.remove("image_id");
        let path = object["path"].as_str().unwrap().to_owned();
        let error = object.get("error").and_then(Value::as_str).map(str::to_owned);
        records.insert(path, (record, error));
    }
    records
}

/// Runs every program on bad pictures among good ones: the bad are reported with these words, and
/// what is said of the good is what is said of them alone.
fn among_good_ones(shop: &Shop, bad: &[(&str, &str)]) {
    for (name, sample_name) in [("good-1.jpg", "coffee.jpg"), ("good-2.png", "camera.png")] {
        fs::copy(sample(sample_name), shop.at(name)).unwrap();
    }
    let names = bad.iter().map(|(name, _)| *name);
    let all: Vec<_> = ["good-1.jpg"].into_iter().chain(names).chain(["good-2.png"]).collect();
    for program in PROGRAMS {
        let alone = shop.run_with(program, ["good-1.jpg", "good-2.png"]);
        alone.says(0, &[]);
        let alone = records(&alone.stdout);
        for batch in ["--batch=1", "--batch=4"] {
            let before = shop.files();
            let run = shop.run_with(program, [batch].iter().chain(&all));
            run.says(3, &[&format!("{} of {} pictures", bad.len(), all.len())]);
            shop.assert_only(&before, program);
            let found = records(&run.stdout);
            assert_eq!(found.len(), all.len(), "{program}");
            for (name, words) in bad {
                let error = found[*name].1.as_deref().unwrap_or_default();
                assert!(error.contains(words), "{program} {name}: {words:?} is not in {error:?}");
                assert!(run.stderr.contains(name), "{program}: {}", run.stderr);
            }
            for (name, record) in &alone {
                assert_eq!(found[name], *record, "{program} {batch} {name}");
            }
        }
    }
}

#[test]
fn files_that_hold_no_picture() {
    let shop = Shop::new();
    let whole = fs::read(sample("coffee.jpg")).unwrap();
    let header = [b"P6 65535 65535 255\n".as_slice(), &[0; 64]].concat();
    for (name, bytes) in [
        ("empty.jpg", &b""[..]),
        ("cut.jpg", &whole[..whole.len() / 2]),
        ("start.jpg", &whole[..2]),
        ("text.png", b"no picture"),
        ("page.jpg", b"<html></html>"),
        ("header.ppm", &header),
    ] {
        shop.write(name, bytes);
    }
    among_good_ones(
        &shop,
        &[
            ("empty.jpg", "found bytes []"),
            ("cut.jpg", "--allow-truncated"),
            ("start.jpg", ""),
            ("text.png", "not a picture"),
            ("page.jpg", "found bytes [3c"),
            ("header.ppm", ""),
            ("missing.jpg", "No such file"),
        ],
    );
}

#[test]
fn pictures_that_would_not_fit_into_memory() {
    let shop = Shop::new();
    shop.write("bomb.png", announces(30_000, 30_000));
    shop.write("line.png", announces(1, u32::MAX >> 1));
    shop.write("nothing.png", announces(0, 5));
    among_good_ones(
        &shop,
        &[("bomb.png", "30000x30000 pixels"), ("line.png", "--max-pixels"), ("nothing.png", "")],
    );
    shop.refuses("classify --max-pixels 1000 good-1.jpg", 3, &["good-1.jpg", "1000"]);
}

#[cfg(unix)]
#[test]
fn devices_pipes_folders_and_links_in_circles() {
    let shop = Shop::new();
    std::os::unix::fs::symlink("circle.jpg", shop.at("circle.jpg")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", shop.at("endless.jpg")).unwrap();
    let mut bad = vec![("circle.jpg", "circle.jpg"), ("endless.jpg", "a device")];
    let pipe = std::process::Command::new("mkfifo").arg(shop.at("pipe.jpg")).status();
    if pipe.is_ok_and(|status| status.success()) {
        bad.push(("pipe.jpg", "a pipe"));
    } else {
        eprintln!("left out the pipe: no mkfifo here");
    }
    among_good_ones(&shop, &bad);
}

#[cfg(unix)]
#[test]
fn files_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::new();
    shop.write("secret.jpg", fs::read(sample("coffee.jpg")).unwrap());
    fs::set_permissions(shop.at("secret.jpg"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(shop.at("secret.jpg")).is_ok() {
        return eprintln!("left out: root may read everything");
    }
    shop.run("classify secret.jpg").says(3, &["secret.jpg", "ermission"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_come_back_as_they_are() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let shop = Shop::new();
    let name = OsStr::from_bytes(b"caf\xe9 \n\"1\".jpg");
    shop.write(PathBuf::from(name), fs::read(sample("coffee.jpg")).unwrap());
    for program in PROGRAMS {
        let run = shop.run_with(program, [name]);
        run.says(0, &[]);
        assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
        assert!(run.stdout.contains("caf"), "{}", run.stdout);
    }
}

/// What a picture is called, how large it is and how it is coded does not matter.
#[test]
fn odd_pictures_that_are_pictures() {
    let shop = Shop::new();
    shop.write("a-png.jpg", fixture("png-rgb.png"));
    for name in ["jpeg-cmyk.jpg", "gif-animated.gif", "jpeg-one-pixel.jpg", "bmp-1-bit.bmp"] {
        shop.write(name, fixture(name));
    }
    for (name, width, height) in
        [("dot.png", 1, 1), ("row.png", 700, 1), ("column.png", 1, 3000), ("odd.png", 33, 67)]
    {
        shop.write(name, plain(width, height));
    }
    for program in PROGRAMS {
        for batch in ["--batch=1", "--batch=3"] {
            let run = shop.run_with(program, [batch, "."]);
            run.says(0, &[]);
            assert_eq!(records(&run.stdout).len(), 9, "{program}");
        }
    }
}

#[test]
fn a_cut_picture_may_be_used_if_one_says_so_and_stays_as_it_is() {
    let shop = Shop::new();
    let whole = fs::read(sample("coffee.jpg")).unwrap();
    shop.write("cut.jpg", &whole[..whole.len() * 2 / 3]);
    let before = shop.files();
    for program in PROGRAMS {
        shop.run_with(program, ["cut.jpg"]).says(3, &["cut.jpg", "--allow-truncated"]);
        shop.run_with(program, ["--allow-truncated", "cut.jpg"]).says(0, &[]);
        shop.assert_only(&before, program);
    }
}

#[test]
fn nothing_to_do_is_said() {
    let shop = Shop::new();
    fs::create_dir(shop.at("empty")).unwrap();
    for program in PROGRAMS {
        for what in ["empty", "*.jpg"] {
            let run = shop.run_with(program, [what]);
            run.says(2, &[what]);
        }
    }
}
