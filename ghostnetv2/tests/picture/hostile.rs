//! Hundreds of awkward and broken files against Pillow's verdict and pixels.
//!
//! They are not part of this repository. `GHOSTNET_DATA` names a folder that has them in its
//! subfolder `hostile`; without it, the test says so and passes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ghostnetv2::picture::{DecodeOptions, open};
use rayon::prelude::*;
use serde::Deserialize;

use crate::fixtures;

/// Files on which the verdicts differ; `docs/pictures.md` says why.
const OTHER_VERDICT: [&str; 12] = [
    "pillow/compression.tif",
    "pillow/crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif",
    "pillow/crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif",
    "pillow/lab-green.tif",
    "pillow/multipage_single_frame_loop.tiff",
    "pillow/png_decompression_dos.png",
    "pillow/tiff_wrong_bits_per_sample_2.tiff",
    "pillow/unknown_compression_method.png",
    "pngsuite/cicp_pq.png",
    "pngsuite/issue#430.png",
    "pngsuite/x_interlaced_chck.png",
    "pngsuite/xcsn0g01.png",
];

/// Files that both take, with other pixels.
const OTHER_PIXELS: [&str; 4] = [
    "jpeg-crash/8e5e74dbf9b68a322fbb9512db837329.jpg",
    "jpeg-crash/b55977028a3a574336966b6536640fc9.jpg",
    "jpeg-crash/f6b4389c3cf0f5997b2e5a4b905aea8d.jpg",
    "jpeg-crash/subtract-with-overflow.jpg",
];

/// What Pillow made of a file: a picture, or an error.
#[derive(Deserialize)]
struct Verdict {
    file: String,
    width: Option<u32>,
    height: Option<u32>,
    sha256: Option<String>,
}

/// How we differ.
#[derive(PartialEq)]
enum Difference {
    Verdict,
    Pixels,
}

impl Verdict {
    fn difference(&self, folder: &Path) -> Option<Difference> {
        let picture = open(&folder.join(&self.file), &DecodeOptions::default());
        match (picture, &self.sha256) {
            (Err(_), None) => None,
            (Ok(picture), Some(sha256)) => {
                let same = (Some(picture.width()), Some(picture.height()))
                    == (self.width, self.height)
                    && fixtures::digest(&picture).starts_with(sha256);
                (!same).then_some(Difference::Pixels)
            }
            _ => Some(Difference::Verdict),
        }
    }
}

#[test]
fn verdicts_and_pixels_are_pillows_but_for_a_known_list() {
    let Some(folder) = folder() else {
        eprintln!("skipped: set GHOSTNET_DATA to a folder that has the files in `hostile`");
        return;
    };
    let verdicts: Vec<Verdict> = fixtures::load("hostile.json");
    assert_eq!(verdicts.len(), 757);
    let differences: Vec<_> = verdicts
        .par_iter()
        .filter_map(|verdict| Some((verdict.file.as_str(), verdict.difference(&folder)?)))
        .collect();
    let of = |kind: Difference| -> BTreeSet<_> {
        differences.iter().filter(|(_, found)| *found == kind).map(|(file, _)| *file).collect()
    };
    assert_eq!(of(Difference::Verdict), BTreeSet::from(OTHER_VERDICT));
    assert_eq!(of(Difference::Pixels), BTreeSet::from(OTHER_PIXELS));
}

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("GHOSTNET_DATA")?).join("hostile");
    folder.is_dir().then_some(folder)
}
