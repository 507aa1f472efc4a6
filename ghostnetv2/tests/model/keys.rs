//! Names and shapes of every tensor, against timm's `state_dict`.

use crate::formula::Formula;
use candle::Result;
use ghostnetv2::{Config, GhostNet};
use sha2::{Digest, Sha256};

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
        let formula = Formula::default();
        GhostNet::new(&config, classes, formula.var_builder())?;
        let tensors = formula.tensors.lock().unwrap();
        assert_eq!(tensors.len().to_string(), count, "{line}");
        let mut hash = Sha256::new();
        for (name, tensor) in tensors.iter() {
            hash.update(format!("{name} {:?}\n", tensor.dims()));
        }
        assert_eq!(format!("{:x}", hash.finalize()), digest, "{line}");
        checked += 1;
    }
    assert_eq!(checked, 15);
    Ok(())
}
