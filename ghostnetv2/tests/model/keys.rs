//! Names and shapes of every tensor, against timm's `state_dict` and the authors' own networks.

use crate::formula::Formula;
use candle::Result;
use ghostnetv2::{Config, GhostNet};
use sha2::{Digest, Sha256};

/// How many tensors a network asks for, and the digest of their names and shapes.
fn asked(config: &Config, classes: usize) -> Result<(String, String)> {
    let formula = Formula::default();
    GhostNet::new(config, classes, formula.var_builder())?;
    let tensors = formula.tensors.lock().unwrap();
    let mut hash = Sha256::new();
    for (name, tensor) in tensors.iter() {
        hash.update(format!("{name} {:?}\n", tensor.dims()));
    }
    Ok((tensors.len().to_string(), format!("{:x}", hash.finalize())))
}

#[test]
fn every_variant_has_timms_tensors_and_no_others() -> Result<()> {
    let lines = include_str!("../fixtures/models/keys.txt").lines();
    let mut checked = 0;
    for line in lines {
        let [name, form, count, digest] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let mut config = Config::from_name(name).unwrap();
        config.reparameterized = form == "fused";
        let classes = if name == "ghostnetv2_075" { 10 } else { 1000 };
        assert_eq!(asked(&config, classes)?, (count.into(), digest.into()), "{line}");
        checked += 1;
    }
    assert_eq!(checked, 15);
    Ok(())
}

#[test]
fn every_release_of_the_authors_has_these_tensors_and_no_others() -> Result<()> {
    // What scripts/prove_sources.py --keys wrote of them, after their conversion.
    let lines = include_str!("../../../scripts/tests/fixtures/keys.txt").lines();
    let mut checked = 0;
    for line in lines {
        let [name, count, digest] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let config = match name {
            "official-v1" => Config::v1(1.0),
            "official-v2" => Config::v2(1.0),
            "official-v3" => Config::v3(1.0),
            "mindspore" => Config::mindspore(1.0),
            _ => continue, // with a head, which heads' tests look at
        };
        assert_eq!(asked(&config, 1000)?, (count.into(), digest.into()), "{line}");
        checked += 1;
    }
    assert_eq!(checked, 4);
    Ok(())
}
