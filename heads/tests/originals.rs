//! Names and shapes of every tensor of each preset, against those that the original libraries have.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code)] // other tests use the rest
mod formula;

use candle::Result;
use formula::Formula;
use ghostnetv2::Config;
use heads::deeplabv3::{self, DeepLabV3};
use heads::retinanet::{self, RetinaNet};
use heads::segmentation::{self, SemanticFpn};
use heads::yolov3::{self, YoloV3};
use sha2::{Digest, Sha256};

/// What `scripts/prove_sources.py --keys` wrote of the originals.
const ORIGINALS: &str = include_str!("../../scripts/tests/fixtures/keys.txt");

/// How many tensors a network asks for, and the digest of their names and shapes; timm's
/// `features_only`, which the originals stand on, joins a stage's name and number by an underscore.
fn asked(build: impl FnOnce(candle_nn::VarBuilder) -> Result<()>) -> Result<(String, String)> {
    let formula = Formula::default();
    build(formula.var_builder())?;
    let tensors = formula.tensors.lock().unwrap();
    let line = |(name, tensor): (&String, &candle::Tensor)| {
        format!("{} {:?}\n", name.replace(".blocks.", ".blocks_"), tensor.dims())
    };
    let mut lines: Vec<_> = tensors.iter().map(line).collect();
    lines.sort_unstable();
    Ok((lines.len().to_string(), format!("{:x}", Sha256::digest(lines.concat()))))
}

#[test]
fn every_preset_asks_for_the_originals_tensors_and_no_others() -> Result<()> {
    let backbone = Config::v2(1.0);
    let mut checked = 0;
    for line in ORIGINALS.lines() {
        let [name, count, digest] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let found = if let Ok(preset) = name.parse::<retinanet::Preset>() {
            asked(|vb| RetinaNet::ghostnet(&preset.config(), &backbone, vb).map(drop))?
        } else if let Ok(preset) = name.parse::<yolov3::Preset>() {
            asked(|vb| YoloV3::ghostnet(&preset.config(), &backbone, vb).map(drop))?
        } else if let Ok(preset) = name.parse::<segmentation::Preset>() {
            asked(|vb| SemanticFpn::ghostnet(&preset.config(), &backbone, vb).map(drop))?
        } else if let Ok(preset) = name.parse::<deeplabv3::Preset>() {
            asked(|vb| DeepLabV3::ghostnet(&preset.config(), &backbone, vb).map(drop))?
        } else {
            continue; // a classifier, which ghostnetv2's tests look at
        };
        assert_eq!(found, (count.into(), digest.into()), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 7);
    Ok(())
}
