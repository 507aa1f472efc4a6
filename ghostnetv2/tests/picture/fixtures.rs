//! The fixture files and what Pillow makes of them.

use std::path::PathBuf;

use ghostnetv2::picture::Rgb8;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Cases<T> {
    cases: Vec<T>,
}

/// One file.
#[derive(Deserialize)]
pub struct Case {
    pub file: String,
    #[serde(flatten)]
    pub expected: Expected,
    /// The same with the orientation applied, where that makes a difference.
    pub upright: Option<Expected>,
    /// The same with the end of the file cut off.
    pub cut: Option<Cut>,
}

/// Size, hash and some bytes of a picture.
#[derive(Deserialize)]
pub struct Expected {
    width: u32,
    height: u32,
    sha256: String,
    samples: String,
}

#[derive(Deserialize)]
pub struct Cut {
    pub at: usize,
    #[serde(flatten)]
    pub expected: Expected,
}

impl Case {
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(path(&self.file)).expect("the fixture is there")
    }
}

impl Expected {
    /// What is wrong with `picture`, if anything.
    pub fn difference(&self, picture: &Rgb8) -> Option<String> {
        let size = (picture.width(), picture.height());
        if size != (self.width, self.height) {
            return Some(format!("size {size:?}, expected {}x{}", self.width, self.height));
        }
        if digest(picture) == self.sha256 {
            return None;
        }
        let step = (picture.pixels().len() / 16).max(1);
        let found = picture.pixels().iter().step_by(step).take(16);
        let found: String = found.map(|byte| format!("{byte:02x}")).collect();
        Some(format!("some pixels: {found}, expected {}", self.samples))
    }
}

/// The hash of a picture's bytes, as the fixtures have it.
pub fn digest(picture: &Rgb8) -> String {
    Sha256::digest(picture.pixels()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file of that name.
pub fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.file == name).expect("the fixture is there")
}

/// All files.
pub fn cases() -> Vec<Case> {
    load("files.json")
}

/// The cases of a fixture.
pub fn load<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(path(name)).expect("the fixture is there");
    serde_json::from_str::<Cases<T>>(&text).expect("the fixture is JSON").cases
}

/// Where a fixture lies.
pub fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "pictures", name].iter().collect()
}
