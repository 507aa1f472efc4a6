//! Gradients through a whole network at odd sizes, against PyTorch's autograd.

use crate::fixture::Fixture;
use crate::formula::{Formula, plain};
use candle::{Result, Var};
use ghostnetv2::ops::ConvAlgorithm;
use ghostnetv2::{Config, GhostNet};

fn check(convolution: ConvAlgorithm) -> Result<()> {
    let formula = Formula { trainable: true, ..Default::default() };
    let config = Config { convolution, ..Config::v2(0.25) };
    let model = GhostNet::new(&config, 10, formula.var_builder())?;
    let x = Var::from_tensor(&plain("input", (2, 3, 65, 97))?)?;
    let logits = model.forward(&x)?;
    let loss = logits.mul(&plain("grad_logits", (2, 10))?)?.sum_all()?;
    let grads = loss.backward()?;

    let fixture = Fixture::open("gradients_ghostnetv2_025");
    fixture.check("logits", &logits, 1e-3, 1e-4)?;
    let tensors = formula.tensors.lock().unwrap();
    let mut checked = 0;
    for (key, name) in fixture.keys().filter_map(|key| Some((key, key.strip_prefix("grad/")?))) {
        let variable = if name == "input" { x.as_tensor() } else { &tensors[name] };
        let grad = grads.get(variable).unwrap_or_else(|| panic!("{name} has no gradient"));
        fixture.check(key, grad, 2e-3, 2e-4)?;
        checked += 1;
    }
    let trainable = tensors.keys().filter(|name| !name.contains("running_")).count();
    assert_eq!(checked, trainable + usize::from(fixture.keys().any(|key| key == "grad/input")));
    Ok(())
}

#[test]
fn on_the_kernels() -> Result<()> {
    check(ConvAlgorithm::Kernels)
}

#[test]
fn on_ordinary_candle_operations() -> Result<()> {
    check(ConvAlgorithm::CandleOps)
}
