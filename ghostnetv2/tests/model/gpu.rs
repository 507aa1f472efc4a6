//! Whole networks on a GPU, for when there is one: `cargo test --features cuda -- --ignored gpu`.

use crate::fixture::Fixture;
use crate::formula::{Formula, plain};
use candle::{DType, Device, Result, Tensor, Var};
use candle_nn::{ModuleT, VarBuilder, VarMap};
use ghostnetv2::{Config, GhostNet, Version};

const VARIANTS: [&str; 10] = [
    "ghostnet_050",
    "ghostnet_100",
    "ghostnet_130",
    "ghostnetv2_100",
    "ghostnetv2_130",
    "ghostnetv2_160",
    "ghostnetv3_050",
    "ghostnetv3_100",
    "ghostnetv3_130",
    "ghostnetv3_160",
];
const SIZES: [(usize, usize); 2] = [(224, 224), (97, 161)];

/// The network of a fixture, on a device.
fn network(name: &str, device: &Device) -> Result<GhostNet> {
    let config = Config::from_name(name).unwrap();
    let formula = Formula::default();
    GhostNet::new(&config, 1000, formula.var_builder())?;
    let tensors = formula.tensors.lock().unwrap();
    let moved = tensors.iter().map(|(name, t)| Ok((name.clone(), t.to_device(device)?)));
    let vb = VarBuilder::from_tensors(moved.collect::<Result<_>>()?, DType::F32, device);
    GhostNet::new(&config, 1000, vb)
}

fn difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    let most = |t: Tensor| t.abs()?.max_all()?.to_dtype(DType::F64)?.to_scalar::<f64>();
    let (a, b) = (a.to_device(&Device::Cpu)?, b.to_device(&Device::Cpu)?);
    Ok(most((a - &b)?)? / most(b)?)
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_networks_are_timms() -> Result<()> {
    let device = Device::new_cuda(0)?;
    for name in VARIANTS {
        let mut net = network(name, &device)?;
        let fixture = Fixture::open(name);
        for (h, w) in SIZES {
            let (x, key) = (plain("input", (1, 3, h, w))?, format!("logits/{h}x{w}"));
            let y = net.forward(&x.to_device(&device)?)?.to_device(&Device::Cpu)?;
            fixture.check(&key, &y, 1e-3, 1e-4)?;
        }
        if Config::from_name(name).unwrap().version == Version::V3 {
            net.fuse()?;
        }
        for (h, w) in SIZES {
            let (x, key) = (plain("input", (1, 3, h, w))?, format!("logits/{h}x{w}"));
            let plan = net.cuda_plan([1, 3, h, w], DType::F32, &device)?;
            let y = plan.forward(&x)?.to_device(&Device::Cpu)?;
            fixture.check(&key, &y, 1e-3, 1e-4)?;
            plan.capture()?;
            let again = plan.forward(&x)?.to_device(&Device::Cpu)?;
            assert_eq!(difference(&again, &y)?, 0.0, "{name} as a graph");
            for (dtype, allowed) in [(DType::F16, 0.02), (DType::BF16, 0.1)] {
                let found = net.cuda_plan([1, 3, h, w], dtype, &device)?.forward(&x)?;
                let off = difference(&found, &y)?;
                assert!(off < allowed, "{name} in {dtype:?}: {off} off");
            }
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_gradients_are_the_cpus() -> Result<()> {
    let gpu = Device::new_cuda(0)?;
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let net = GhostNet::new(&Config { dropout: 0.0, ..Config::v2(0.5) }, 10, vb)?;
    let x = plain("input", (4, 3, 97, 65))?;
    let of_cpu = net.forward_t(&x, true)?.sqr()?.sum_all()?.backward()?;

    let copies = VarMap::new();
    for (name, var) in variables.data().lock().unwrap().iter() {
        let start = match name.rsplit('.').next() {
            // As before the CPU's step moved them.
            Some("running_mean") => var.zeros_like()?,
            Some("running_var") => var.ones_like()?,
            _ => var.as_tensor().clone(),
        };
        let copy = Var::from_tensor(&start.to_device(&gpu)?)?;
        copies.data().lock().unwrap().insert(name.clone(), copy);
    }
    let vb = VarBuilder::from_varmap(&copies, DType::F32, &gpu);
    let net = GhostNet::new(&Config { dropout: 0.0, ..Config::v2(0.5) }, 10, vb)?;
    let y = net.forward_t(&x.to_device(&gpu)?, true)?;
    let of_gpu = y.sqr()?.sum_all()?.backward()?;
    let copies = copies.data().lock().unwrap();
    for (name, var) in variables.data().lock().unwrap().iter() {
        let Some(expected) = of_cpu.get(var) else { continue };
        let off = difference(of_gpu.get(&copies[name]).unwrap(), expected)?;
        assert!(off < 1e-2, "{name}: {off} off");
    }
    Ok(())
}
