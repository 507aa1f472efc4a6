//! What scripts/train_curves.py and scripts/make_training_gradients.py stored, and how networks are
//! compared with it.

use crate::formula::plain;
use candle::{DType, Device, Result, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use train::optim::AdamW;
use train::{Groups, Network, Optimizer, Rule, Step};

/// Batches that are seen in turn.
const BATCHES: usize = 5;

/// How far a loss may be from PyTorch's, as a share of it.
const LOSS: f64 = 1e-3;

fn open(name: &str) -> HashMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    candle::safetensors::load(folder.join(format!("{name}.safetensors")), &Device::Cpu).unwrap()
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Trains a network as long as PyTorch did, and compares every loss. `step` runs a batch by its
/// number.
pub(crate) fn check_curve(
    task: &str,
    network: &mut dyn Network,
    mut step: impl FnMut(&mut dyn Network, usize) -> Result<Step>,
) -> Result<()> {
    let fixture = open(&format!("curve_{task}"));
    let (losses, rate) = (doubles(&fixture["loss"])?, doubles(&fixture["rate"])?[0]);
    assert_eq!(losses.len(), 50);
    let groups = Groups { weight_decay: 0.01, decay_vectors: true, factors: Vec::new() };
    let mut optimizer = Optimizer::new(Rule::AdamW(AdamW::default()), groups);
    let mut worst = 0f64;
    for (i, expected) in losses.into_iter().enumerate() {
        let Step { loss, gradients } = step(network, i % BATCHES)?;
        let off = (loss / expected - 1.0).abs();
        worst = worst.max(off);
        assert!(off < LOSS, "{task}, step {i}: a loss of {loss}, {expected} in PyTorch");
        optimizer.step(network.parameters(), &gradients, rate, 1.0)?;
    }
    println!("{task}: losses are at most {worst:.1e} off");
    Ok(())
}

/// Compares loss and gradients of one step, and the running statistics after it.
pub(crate) fn check_gradients(
    task: &str,
    network: &dyn Network,
    Step { loss, gradients }: Step,
) -> Result<()> {
    let fixture = open(&format!("gradients_{task}"));
    let expected = doubles(&fixture["loss"])?[0];
    assert!(
        (loss / expected - 1.0).abs() < 1e-5,
        "{task}: a loss of {loss}, {expected} in PyTorch"
    );
    compare(&fixture, "gradients", &gradients)?;
    let statistics = network.statistics().iter();
    let statistics = statistics.map(|(name, var)| (name.clone(), var.as_tensor().clone()));
    compare(&fixture, "statistics", &statistics.collect())
}

/// Every tensor by its sums of products with numbers by formula, which tell of all of its values,
/// and its norm. `KIND.names` are the bytes of the names, one a line.
fn compare(
    fixture: &HashMap<String, Tensor>,
    kind: &str,
    found: &BTreeMap<String, Tensor>,
) -> Result<()> {
    let names = fixture[&format!("{kind}.names")].to_vec1::<u8>()?;
    let names = String::from_utf8(names).unwrap();
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), names, "{kind}");
    let products = fixture[&format!("{kind}.products")].to_vec2::<f64>()?;
    let scales = doubles(&fixture[&format!("{kind}.scales")])?;
    let noise = doubles(&fixture[&format!("{kind}.noise")])?;
    let mut wrong = Vec::new();
    for (i, (name, tensor)) in found.iter().enumerate() {
        let values = doubles(tensor)?;
        for (k, expected) in products[i].iter().enumerate() {
            let factors = doubles(&plain(&format!("product/{k}/{name}"), values.len())?)?;
            let product: f64 = values.iter().zip(factors).map(|(a, b)| a * b).sum();
            // A ten-thousandth of the tensor's norm, or what single precision costs PyTorch itself.
            let allowed = scales[i] * f64::max(1e-4, 4.0 * noise[i]);
            if (product - expected).abs() > allowed {
                wrong.push(format!(
                    "{name}: product {k} is {product}, {expected} in PyTorch ± {allowed:e}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), names.len(), wrong.join("\n"));
    Ok(())
}
