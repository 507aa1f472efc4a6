//! Detectors and Semantic FPNs on a GPU, for when there is one: `cargo test --features cuda -- --ignored gpu`.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use candle::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use ghostnetv2::Config;
use heads::{retinanet, segmentation};

/// The same network on the CPU and on a GPU, with weights as before training.
fn on_both<N>(build: impl Fn(VarBuilder) -> Result<N>) -> Result<[(N, Device); 2]> {
    let gpu = Device::new_cuda(0)?;
    let variables = VarMap::new();
    let of_cpu = build(VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let variables = variables.data().lock().unwrap();
    let moved = variables.iter().map(|(name, var)| Ok((name.clone(), var.to_device(&gpu)?)));
    let vb = VarBuilder::from_tensors(moved.collect::<Result<_>>()?, DType::F32, &gpu);
    Ok([(of_cpu, Device::Cpu), (build(vb)?, gpu)])
}

fn input() -> Result<Tensor> {
    let numbers = (0..3 * 128 * 160).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0);
    Tensor::from_iter(numbers, &Device::Cpu)?.reshape((1, 3, 128, 160))
}

fn same(name: &str, found: &Tensor, expected: &Tensor) -> Result<()> {
    let most = |t: Tensor| t.abs()?.max_all()?.to_scalar::<f32>();
    let off = most((found.to_device(&Device::Cpu)? - expected)?)?;
    assert!(off <= 1e-3 * most(expected.clone())?, "{name}: {off} off");
    Ok(())
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_detectors_are_the_cpus() -> Result<()> {
    for preset in [retinanet::Preset::Torchvision, retinanet::Preset::Lite] {
        let build =
            |vb: VarBuilder| retinanet::RetinaNet::ghostnet(&preset.config(), &Config::v2(1.0), vb);
        let [of_cpu, of_gpu] = on_both(build)?;
        let run = |(net, device): &(retinanet::RetinaNet, Device)| {
            net.forward_t(&input()?.to_device(device)?, false)
        };
        let (expected, found) = (run(&of_cpu)?, run(&of_gpu)?);
        for (found, expected) in found.logits.iter().zip(&expected.logits) {
            same("logits", found, expected)?;
        }
        for (found, expected) in found.deltas.iter().zip(&expected.deltas) {
            same("deltas", found, expected)?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_semantic_fpns_are_the_cpus() -> Result<()> {
    for preset in [segmentation::Preset::Smp, segmentation::Preset::Lite] {
        let build = |vb: VarBuilder| {
            segmentation::SemanticFpn::ghostnet(&preset.config(), &Config::v2(1.0), vb)
        };
        let [(of_cpu, _), (of_gpu, gpu)] = on_both(build)?;
        let expected = of_cpu.forward_t(&input()?, false)?;
        same("logits", &of_gpu.forward_t(&input()?.to_device(&gpu)?, false)?, &expected)?;
    }
    Ok(())
}
