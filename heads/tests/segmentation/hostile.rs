//! Inputs and outputs that no sound network gives.

use crate::weights::Weights;
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::Config;
use heads::placement::{Batch, Placement};
use heads::segmentation::{Preset, SemanticFpn, SemanticFpnConfig, Sliding};

fn network(preset: Preset) -> Result<SemanticFpn> {
    let preset = preset.config();
    let config = SemanticFpnConfig { classes: 3, pyramid_channels: 16, channels: 32, ..preset };
    SemanticFpn::ghostnet(&config, &Config::v2(0.25), Weights::new(&[]).var_builder())
}

#[test]
fn every_preset_takes_any_size_and_batches_of_two() -> Result<()> {
    for preset in Preset::ALL {
        let network = network(preset)?;
        for (h, w) in [(33, 47), (64, 64), (97, 70)] {
            let x = Tensor::rand(-1f32, 1.0, (2, 3, h, w), &Device::Cpu)?;
            let logits = network.forward_t(&x, false)?;
            assert_eq!(logits.dims(), [2, 3, h.div_ceil(4), w.div_ceil(4)]);
            let maps = network.label_maps(&logits, &Batch::of_inputs(x)?)?;
            assert!(maps.len() == 2 && maps[0].size() == (h, w));
            assert_eq!(maps[0].counts(3).iter().sum::<u64>(), (h * w) as u64);
        }
    }
    Ok(())
}

#[test]
fn training_drops_channels_and_has_gradients() -> Result<()> {
    let weights = Weights::new(&[]);
    let config = SemanticFpnConfig { classes: 3, channels: 32, ..SemanticFpnConfig::smp() };
    let network = SemanticFpn::ghostnet(&config, &Config::v2(0.25), weights.var_builder())?;
    let x = Tensor::rand(-1f32, 1.0, (2, 3, 65, 97), &Device::Cpu)?;
    let first = network.forward_t(&x, true)?;
    let gradients = first.sqr()?.mean_all()?.backward()?;
    let tensors = weights.tensors.lock().unwrap();
    for (name, tensor) in tensors.iter().filter(|(name, _)| !name.contains("running_")) {
        assert!(gradients.get(tensor).is_some(), "{name} has no gradient");
    }
    let again = network.forward_t(&x, true)?;
    assert!((first - again)?.abs()?.max_all()?.to_scalar::<f32>()? > 0.0);
    Ok(())
}

#[test]
fn outputs_and_placements_of_others_are_refused() -> Result<()> {
    let network = network(Preset::Mmseg)?;
    let x = Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?;
    let batch = Batch::of_inputs(x.clone())?;
    let odd = Tensor::full(f32::NAN, (1, 3, 16, 24), &Device::Cpu)?;
    let error = network.label_maps(&odd, &batch).unwrap_err().to_string();
    assert!(error.contains("not numbers"), "{error}");
    let two = Tensor::zeros((2, 3, 16, 24), DType::F32, &Device::Cpu)?;
    assert!(network.label_maps(&two, &batch).is_err());
    // A picture that would lie outside of its input.
    let outside = Placement { original: (9, 9), resized: (65, 96), padded: (65, 96) };
    let outside = Batch { pixels: x, placements: vec![outside] };
    assert!(network.segment_batch(&outside).is_err());
    let sliding = Sliding { window: (32, 32), step: (33, 32) };
    assert!(network.segment_sliding(&batch, sliding).is_err());
    Ok(())
}
