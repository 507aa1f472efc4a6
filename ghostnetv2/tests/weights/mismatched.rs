//! Tensors that are not those of the network.

use crate::files::{Tensors, serialized, tensors};
use crate::formula::plain;
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Level, Mismatch, PlanOptions, Pyramid, Taps};

fn checkpoint(config: &Config) -> Checkpoint {
    Checkpoint::from_bytes("w", serialized(&tensors(config, 5), DType::F32), None).unwrap()
}

fn mismatch(checkpoint: &Checkpoint, config: &Config) -> Mismatch {
    let plan = checkpoint.plan(Some(config), &[1, 3, 64, 64], &PlanOptions::default());
    match (checkpoint.ghostnet(Some(config), &Device::Cpu), plan) {
        (Err(Error::Mismatch(mismatch)), Err(Error::Mismatch(of_plan))) => {
            assert_eq!(mismatch, of_plan);
            *mismatch
        }
        other => panic!("expected mismatches, found {other:?}"),
    }
}

/// Class scores of the network and of its plan.
fn scores(checkpoint: &Checkpoint, x: &Tensor) -> [Tensor; 2] {
    let (b, c, h, w) = x.dims4().unwrap();
    let plan = checkpoint.plan(None, &[b, c, h, w], &PlanOptions::default()).unwrap();
    let net = checkpoint.ghostnet(None, &Device::Cpu).unwrap();
    [net.forward(x).unwrap(), plan.forward(x).unwrap()]
}

#[test]
fn everything_that_differs_is_listed_at_once() {
    let mut tensors = tensors(&Config::v2(0.25), 5);
    tensors.remove("bn1.weight");
    tensors.remove("blocks.8.3.se.conv_expand.bias");
    let moved = tensors.remove("conv_head.bias").unwrap();
    tensors.insert("conv_haed.bias".into(), moved);
    let wrong = Tensor::zeros((4, 3, 5, 5), DType::F32, &Device::Cpu).unwrap();
    tensors.insert("conv_stem.weight".into(), wrong);
    let checkpoint = Checkpoint::from_bytes("w", serialized(&tensors, DType::F32), None).unwrap();
    let found = mismatch(&checkpoint, &Config::v2(0.25));
    assert_eq!(found.missing, ["blocks.8.3.se.conv_expand.bias", "bn1.weight", "conv_head.bias"]);
    assert_eq!(found.unexpected, ["conv_haed.bias"]);
    assert_eq!(found.shapes, [("conv_stem.weight".into(), vec![4, 3, 3, 3], vec![4, 3, 5, 5])]);
    let text = Error::Mismatch(Box::new(found)).to_string();
    for expected in ["3 missing", "1 unexpected", "1 of another shape", "conv_haed.bias"] {
        assert!(text.contains(expected), "{text}");
    }
}

/// Found by fuzzing: two gigabytes of zeros were packed before it was refused.
#[test]
fn a_small_file_that_names_a_vast_network_is_refused_for_what_it_lacks() {
    let bias = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let tensors = [("classifier.bias".to_string(), bias)].into_iter().collect();
    let small = Checkpoint::from_bytes("w", serialized(&tensors, DType::F32), None).unwrap();
    let found = mismatch(&small, &Config::v1(9.64));
    assert!(found.missing.len() > 400 && found.shapes.len() == 1, "{found:?}");
}

#[test]
fn versions_refuse_each_other() {
    let [v1, v2, v3] = [Config::v1(0.5), Config::v2(0.5), Config::v3(0.5)];
    let v2_file = checkpoint(&v2);
    let found = mismatch(&v2_file, &v1);
    assert!(found.missing.is_empty() && found.unexpected.iter().all(|n| n.contains("short_conv")));
    assert_eq!(found.looks_like.as_deref(), Some("ghostnetv2_050"));
    assert!(mismatch(&checkpoint(&v1), &v2).missing.iter().all(|n| n.contains("short_conv")));
    assert!(!mismatch(&v2_file, &v3).missing.is_empty());
    assert_eq!(mismatch(&checkpoint(&v3), &v2).looks_like.as_deref(), Some("ghostnetv3_050"));
    let wider = mismatch(&v2_file, &Config::v2(1.0));
    assert!(wider.missing.is_empty() && wider.unexpected.is_empty() && wider.shapes.len() > 500);
}

#[test]
fn the_network_is_told_from_the_tensors() {
    let fused = Config { reparameterized: true, ..Config::v3(0.5) };
    let gray = Config { in_channels: 1, ..Config::v2(0.75) };
    for config in [Config::v1(0.5), Config::v2(1.3), Config::v3(0.5), fused, gray, Config::v2(0.31)]
    {
        let checkpoint = checkpoint(&config);
        assert_eq!(checkpoint.classes(), Some(5));
        let found = checkpoint.config().unwrap();
        let x = plain("input", (1, config.in_channels, 40, 50)).unwrap();
        let [net, plan] = scores(&checkpoint, &x);
        let difference = (&net - plan).unwrap().abs().unwrap().max_all().unwrap();
        let largest = net.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        let bound = 1e-4 * largest.max(1.0);
        assert!(difference.to_scalar::<f32>().unwrap() <= bound, "{found:?} for {config:?}");
        assert_eq!(found.version, config.version);
        assert_eq!(found.reparameterized, config.reparameterized);
    }
}

#[test]
fn the_authors_spelling_loads_as_timms() -> Result<()> {
    let timms = tensors(&Config::v3(0.25), 5);
    let authors = timms.iter().map(|(name, tensor)| {
        let branch = name.contains("_rpr_");
        let name = if branch { name.replace(".bn1.", ".bn.") } else { name.clone() };
        (format!("module.{name}"), tensor.clone())
    });
    let mut authors: Tensors = authors.collect();
    assert!(authors.keys().any(|name| name.ends_with("primary_rpr_conv.0.bn.weight")));
    let counter = Tensor::zeros(1, DType::F64, &Device::Cpu)?;
    authors.insert("module.blocks.0.total_ops".into(), counter);
    let x = plain("input", (1, 3, 40, 40))?;
    let read = |tensors: &Tensors| {
        let file = serialized(tensors, DType::F32);
        Checkpoint::from_bytes("w", file, None).unwrap().ghostnet(None, &Device::Cpu)
    };
    let (expected, found) = (read(&timms).unwrap().forward(&x)?, read(&authors).unwrap());
    let bits = |logits: Tensor| logits.flatten_all()?.to_vec1::<f32>();
    assert_eq!(bits(found.forward(&x)?)?, bits(expected)?);

    // Both spellings of a tensor at once: nobody knows which is meant.
    authors.insert("bn1.weight".into(), timms["bn1.weight"].clone());
    let Err(Error::Mismatch(found)) = read(&authors) else { panic!("expected a mismatch") };
    assert_eq!(found.unexpected, ["module.bn1.weight"]);
    Ok(())
}

#[test]
fn half_precision_is_cast() -> Result<()> {
    let tensors = tensors(&Config::v2(0.25), 5);
    let x = plain("input", (1, 3, 40, 40))?;
    let logits = |dtype| -> Result<Tensor> {
        let file = serialized(&tensors, dtype);
        let net = Checkpoint::from_bytes("w", file, None).unwrap().ghostnet(None, &Device::Cpu);
        net.unwrap().forward(&x)
    };
    let exact = logits(DType::F32)?;
    for (dtype, bound) in [(DType::F64, 1e-6), (DType::F16, 2e-2), (DType::BF16, 2e-1)] {
        let difference = (logits(dtype)? - &exact)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(difference < bound, "{dtype:?}: {difference}");
    }
    Ok(())
}

#[test]
fn other_builders_load_with_the_same_checks() {
    // A head's checkpoint has the backbone under a prefix, and only what its levels need.
    let all = tensors(&Config::v2(0.25), 5);
    let needed = all.iter().filter(|(name, _)| {
        !["blocks.8", "blocks.9", "conv_head", "classifier"].iter().any(|p| name.starts_with(p))
    });
    let body =
        needed.map(|(name, tensor)| (format!("backbone.body.{name}"), tensor.clone())).collect();
    let checkpoint = Checkpoint::from_bytes("w", serialized(&body, DType::F32), None).unwrap();
    let load = |taps| {
        checkpoint.load(DType::F32, &Device::Cpu, |vb| {
            Pyramid::new(&Config::v2(0.25), taps, &[Level::C3, Level::C5], vb.pp("backbone.body"))
        })
    };
    assert!(load(Taps::Timm).is_ok());
    assert!(matches!(load(Taps::StageEnds), Err(Error::Mismatch(_))));
}
