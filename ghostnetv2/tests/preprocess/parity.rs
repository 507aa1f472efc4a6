//! The same bytes as Pillow and timm.

use ghostnetv2::preprocess::{Filter, Preprocess, resize};
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::synthetic::picture;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Resize {
        resize: String,
        source: (u32, u32),
        target: (u32, u32),
        filter: String,
        #[serde(flatten)]
        expected: Expected,
    },
    Transform {
        transform: String,
        source: (u32, u32),
        config: serde_json::Value,
        pixels: Expected,
        tensor: Expected,
    },
}

/// Hash of some bytes, and 16 of them.
#[derive(Deserialize)]
struct Expected {
    sha256: String,
    samples: String,
}

impl Expected {
    fn difference(&self, what: &str, bytes: &[u8]) -> Option<String> {
        if hex(&Sha256::digest(bytes)) == self.sha256 {
            return None;
        }
        let step = (bytes.len() / 16).max(1);
        let found: Vec<_> = bytes.iter().step_by(step).take(16).copied().collect();
        Some(format!("{what}: some bytes: {}, expected {}", hex(&found), self.samples))
    }
}

impl Case {
    /// What is wrong with our result, if anything.
    fn difference(&self) -> Option<String> {
        match self {
            Self::Resize { resize: kind, source, target, filter, expected } => {
                let filter = Filter::from_name(filter).expect("a filter of that name");
                let source_picture = picture(kind, source.0, source.1);
                let resized = resize(&source_picture, target.0, target.1, filter)
                    .expect("the target has a size");
                let what = format!("{kind} {source:?} to {target:?}, {}", filter.name());
                expected.difference(&what, resized.pixels())
            }
            Self::Transform { transform: kind, source, config, pixels, tensor } => {
                let preprocess = Preprocess::from_timm(config).expect("the configuration is sound");
                let picture = picture(kind, source.0, source.1);
                let what = format!("{kind} {source:?} through {config}");
                let cropped = preprocess.apply_u8(&picture);
                pixels.difference(&what, cropped.pixels()).or_else(|| {
                    let values = preprocess.apply(&picture);
                    let bytes: Vec<_> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    tensor.difference(&what, &bytes)
                })
            }
        }
    }
}

#[test]
fn resizes_and_transforms_are_pillows_and_timms() {
    let text = include_str!("../fixtures/pictures/transforms.json");
    let cases = serde_json::from_str::<Fixture>(text).unwrap().cases;
    let resizes = cases.iter().filter(|case| matches!(case, Case::Resize { .. })).count();
    assert!(resizes > 150 && cases.len() - resizes > 130, "{resizes} of {}", cases.len());
    let wrong: Vec<_> = cases.par_iter().filter_map(Case::difference).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
