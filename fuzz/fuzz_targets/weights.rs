//! A checkpoint with its `config.json`: a file of any bytes, read as every program reads it.
#![no_main]

use candle::Device;
use ghostnetv2::PlanOptions;
use ghostnetv2::weights::{Checkpoint, TimmConfig};
use heads::retinanet::{Preset, RetinaNet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Two bytes tell how much of the input is the configuration.
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (config, weights) = rest.split_at(length);
    let config = TimmConfig::parse("config.json", config).ok();
    if let Some(config) = &config {
        let _ = (config.config(), config.num_classes(), config.label_names());
        let _ = ghostnetv2::preprocess::Preprocess::from_timm(&config.pretrained_cfg());
    }
    let Ok(checkpoint) = Checkpoint::from_bytes("w", weights.to_vec(), config) else { return };
    let names: Vec<_> = checkpoint.names().map(str::to_owned).collect();
    for name in names {
        let _ = checkpoint.tensor(&name);
    }
    let _ = (checkpoint.config(), checkpoint.classes());
    let _ = checkpoint.ghostnet(None, &Device::Cpu);
    let _ = checkpoint.plan(None, &[1, 3, 33, 33], &PlanOptions::default().with_threads(1));
    for preset in Preset::ALL {
        if let Ok(head) = preset.config().with_classes_of(&checkpoint) {
            let backbone = ghostnetv2::Config::v2(0.05);
            let _ = RetinaNet::load(&head, &backbone, &checkpoint, &Device::Cpu);
        }
    }
});
