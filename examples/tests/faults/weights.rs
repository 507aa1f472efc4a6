//! Weights that are cut, spoilt, of another network, or none at all, given to every program.

use crate::program::sample;
use crate::shop::Shop;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::fs;

/// The built-in model's file.
fn shipped() -> Vec<u8> {
    fs::read(sample("../ghostnetv2_100-tiny-imagenet/model.safetensors")).unwrap()
}

/// Tensors by name: type, shape, bytes.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The built-in model's tensors after a change.
fn changed(change: impl FnOnce(&mut Tensors)) -> Vec<u8> {
    let bytes = shipped();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let owned = |view: &TensorView| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors = file.iter().map(|(name, view)| (name.to_owned(), owned(&view))).collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A folder with a picture, a list of it, and what training needs.
fn shop() -> Shop {
    let shop = Shop::new();
    let picture = fs::read(sample("coffee.jpg")).unwrap();
    for name in ["coffee.jpg", "data/train/a/1.jpg", "data/train/b/1.jpg", "data/val/a/1.jpg"] {
        shop.write(name, &picture);
    }
    shop.write("list.txt", "coffee.jpg, 3\n");
    shop
}

/// Every program that takes weights.
const PROGRAMS: [&str; 7] = [
    "classify --weights w.safetensors coffee.jpg",
    "detect --weights w.safetensors --preset lite coffee.jpg",
    "segment --weights w.safetensors --preset lite coffee.jpg",
    "evaluate imagenet --weights w.safetensors --list list.txt",
    "bench --weights w.safetensors --seconds 0.01",
    "train classify --init w.safetensors --data data --out run",
    "classify --backend candle --weights w.safetensors coffee.jpg",
];

#[test]
fn files_that_were_cut_or_made_longer() {
    let (shop, whole) = (shop(), shipped());
    for program in PROGRAMS {
        shop.write("w.safetensors", &whole[..whole.len() / 2]);
        shop.refuses(program, 3, &["w.safetensors", "not a whole safetensors file"]);
    }
    for length in [0, 7, 8, 9, 1000, whole.len() - 1] {
        shop.write("w.safetensors", &whole[..length]);
        shop.refuses(PROGRAMS[0], 3, &["w.safetensors"]);
    }
    let mut longer = whole;
    longer.push(0);
    shop.write("w.safetensors", longer);
    shop.refuses(PROGRAMS[0], 3, &["w.safetensors", "not a whole safetensors file"]);
}

#[test]
fn headers_that_lie() {
    let shop = shop();
    let header = |length: u64, text: &[u8]| [&length.to_le_bytes(), text].concat();
    let of = |text: &str| header(text.len() as u64, &[text.as_bytes(), &[0; 4]].concat());
    for (name, bytes) in [
        ("longer than the file", header(1 << 20, b"{}")),
        ("longer than 100 MB", header(100_000_001, b"{}")),
        ("as long as can be", header(u64::MAX, b"{}")),
        ("no text", header(2, &[0xff, 0xfe])),
        ("no JSON", of("{\"a\":")),
        ("no object", of("[1, 2]")),
        (
            "spans that overlap",
            of(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                   "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#),
        ),
        ("a span of another size", of(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#)),
        ("a span that ends before it begins", {
            of(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#)
        }),
        ("a shape that overflows", {
            let half = usize::MAX / 2;
            of(&format!(r#"{{"a":{{"dtype":"F32","shape":[{half},8],"data_offsets":[0,4]}}}}"#))
        }),
    ] {
        shop.write("w.safetensors", bytes);
        let run = shop.refuses(PROGRAMS[0], 3, &["w.safetensors"]);
        assert_eq!(run.stderr.lines().count(), 1, "{name}: {}", run.stderr);
    }
}

#[test]
fn everything_that_is_missing_unexpected_or_of_another_shape_at_once() {
    let shop = shop();
    shop.write(
        "w.safetensors",
        changed(|tensors| {
            let stem = tensors.remove("conv_stem.weight").unwrap();
            tensors.insert("conv_stm.weight".into(), stem);
            tensors.remove("bn1.bias");
            let norm = tensors.get_mut("bn1.weight").unwrap();
            *norm = (norm.0, vec![4, 4], norm.2.clone());
        }),
    );
    for program in PROGRAMS {
        let program = format!("{program} --which ghostnetv2_100");
        let run = shop.refuses(&program, 3, &["w.safetensors", "missing"]);
        if !program.contains("--preset") {
            let shape = "bn1.weight: expected [16], found [4, 4]";
            run.says(
                3,
                &["2 missing", "bn1.bias", "conv_stem.weight", "1 of another shape", shape],
            );
        }
        // Training may start from more than it needs.
        if program.contains("--weights") && !program.contains("--preset") {
            run.says(3, &["1 unexpected", "conv_stm.weight"]);
        }
    }
    shop.refuses(PROGRAMS[0], 3, &["w.safetensors", "not the tensors of a GhostNet"]);
}

#[test]
fn the_right_weights_for_another_network() {
    let shop = shop();
    shop.write("w.safetensors", shipped());
    let other = |name: &str| format!("{} --which {name}", PROGRAMS[0]);
    let words = ["unexpected", "short_conv", "those of ghostnetv2_100"];
    shop.refuses(&other("ghostnet_100"), 3, &words);
    let words = ["of another shape", "conv_stem.weight"];
    shop.refuses(&other("ghostnetv2_130"), 3, &words);
}

#[test]
fn values_that_are_no_numbers_and_variances_below_zero() {
    let half = |value: f32| half_bits(value).to_le_bytes();
    let shop = shop();
    shop.write(
        "w.safetensors",
        changed(|tensors| {
            tensors.get_mut("bn1.bias").unwrap().2[..2].copy_from_slice(&half(f32::NAN));
            tensors.get_mut("classifier.bias").unwrap().2[2..4]
                .copy_from_slice(&half(f32::INFINITY));
            tensors.get_mut("bn1.running_var").unwrap().2[..2].copy_from_slice(&half(-1.0));
        }),
    );
    for program in [PROGRAMS[0], PROGRAMS[3], PROGRAMS[5], PROGRAMS[6]] {
        let words = ["bn1.bias: 1 of 16", "classifier.bias: 1 of 200", "bn1.running_var: negative"];
        shop.refuses(program, 3, &[&["w.safetensors"], &words[..]].concat());
    }
}

/// As f16, of the few values that are needed here.
fn half_bits(value: f32) -> u16 {
    match value {
        nan if nan.is_nan() => 0x7e00,
        f32::INFINITY => 0x7c00,
        one => u16::from(one.is_sign_negative()) << 15 | 0x3c00,
    }
}

#[test]
fn other_types_of_numbers() {
    let shop = shop();
    let as_type = |name: &str, dtype: Dtype, width: usize| {
        let name = name.to_owned();
        changed(move |tensors| {
            let tensor = tensors.get_mut(&name).unwrap();
            let elements = tensor.2.len() / 2;
            *tensor = (dtype, tensor.1.clone(), vec![0; elements * width]);
        })
    };
    for (dtype, width) in [(Dtype::I64, 8), (Dtype::U8, 1), (Dtype::F8_E4M3, 1), (Dtype::BOOL, 1)] {
        shop.write("w.safetensors", as_type("bn1.weight", dtype, width));
        shop.refuses(PROGRAMS[0], 3, &["w.safetensors", "bn1.weight", &format!("{dtype:?}")]);
    }
    // f64 and f32 hold what f16 does, and give the same label.
    let expected = shop.run("classify coffee.jpg --top-k 1").stdout;
    for (dtype, width) in [(Dtype::F32, 4), (Dtype::F64, 8)] {
        shop.write("w.safetensors", changed(|tensors| widen(tensors, dtype, width)));
        let folder = sample("../ghostnetv2_100-tiny-imagenet/config.json");
        fs::copy(folder, shop.at("config.json")).unwrap();
        let run = shop.run("classify --weights w.safetensors coffee.jpg --top-k 1");
        assert_eq!((run.code, &run.stdout), (0, &expected), "{dtype:?}: {}", run.stderr);
    }
}

/// Writes every tensor of f16 in a wider type.
fn widen(tensors: &mut Tensors, dtype: Dtype, width: usize) {
    for (kind, _, data) in tensors.values_mut() {
        let values = data.chunks_exact(2).map(|pair| f64_of_half([pair[0], pair[1]]));
        *data = values
            .flat_map(|value| {
                let (single, double) = ((value as f32).to_le_bytes(), value.to_le_bytes());
                if width == 4 { single.to_vec() } else { double.to_vec() }
            })
            .collect();
        *kind = dtype;
    }
}

fn f64_of_half(bytes: [u8; 2]) -> f64 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[test]
fn pickles_and_archives_are_refused_unread_with_the_way_out() {
    let shop = shop();
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for bytes in [b"\x80\x02}q\x00.".to_vec(), b"PK\x03\x04rest".to_vec(), tar] {
        shop.write("w.safetensors", bytes);
        for program in PROGRAMS {
            let way_out = "scripts/convert.py w.safetensors --out FOLDER";
            shop.refuses(program, 3, &["w.safetensors", way_out]);
        }
    }
}

#[test]
fn what_is_no_file_and_what_is_not_there() {
    let shop = shop();
    for program in PROGRAMS {
        // What training starts from may be a name, too.
        let code = if program.contains("--init") { 2 } else { 3 };
        shop.refuses(program, code, &["w.safetensors"]);
    }
    fs::create_dir(shop.at("w.safetensors")).unwrap();
    shop.refuses(PROGRAMS[0], 3, &["w.safetensors"]);
    shop.refuses("classify --weights /dev/zero coffee.jpg", 3, &["/dev/zero"]);
    shop.refuses("classify --model no-such/folder/ coffee.jpg", 2, &["no-such/folder"]);
    shop.write("model/config.json", "{");
    shop.write("model/model.safetensors", shipped());
    shop.refuses("classify --model model coffee.jpg", 3, &["config.json"]);
    shop.write("model/config.json", r#"{"architecture": "resnet50"}"#);
    shop.refuses("classify --model model coffee.jpg", 3, &["config.json", "resnet50"]);
    shop.write("model/config.json", r#"{"architecture": "ghostnetv2_100", "num_classes": 7}"#);
    shop.refuses("classify --model model coffee.jpg", 3, &["7", "200"]);
}
