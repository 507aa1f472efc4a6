//! Cross entropy of pixels, from logits and labels by formula.

use crate::fixture::Fixture;
use crate::formula::plain;
use candle::{Device, Result, Tensor, Var};
use heads::segmentation::{Average, LabelMap, UNLABELLED, cross_entropy};

const CLASSES: usize = 40;

fn logits() -> Result<Var> {
    Var::from_tensor(&(plain("logits", (2, CLASSES, 7, 9))? * 4.0)?)
}

fn labels(labelled: bool) -> Result<Vec<LabelMap>> {
    let noise = plain("labels", (2, 26, 33))?.flatten_all()?.to_vec1::<f32>()?;
    let label = |u: &f32| match ((u + 1.0) * ((CLASSES + 1) as f32 / 2.0)).floor() as usize {
        label if labelled && label < CLASSES => label as u8,
        _ => UNLABELLED,
    };
    let labels: Vec<u8> = noise.iter().map(label).collect();
    labels.chunks_exact(26 * 33).map(|map| LabelMap::new((26, 33), map.to_vec())).collect()
}

#[test]
fn losses_and_gradients() -> Result<()> {
    let fixture = Fixture::open("segmentation/losses");
    let cases = [
        ("mixed/all", true, Average::All),
        ("mixed/labelled", true, Average::Labelled),
        ("none/all", false, Average::All),
    ];
    for (key, labelled, average) in cases {
        let logits = logits()?;
        let loss = cross_entropy(&logits, &labels(labelled)?, false, average)?;
        let expected = fixture.numbers(&format!("{key}/loss"))[0];
        let found = f64::from(loss.to_scalar::<f32>()?);
        assert!((found - expected).abs() <= 1e-4 * expected, "{key}: {found}, not {expected}");
        let gradients = loss.backward()?;
        let gradient = gradients.get(&logits).unwrap_or_else(|| panic!("{key}: no gradient"));
        let key = format!("{key}/gradient");
        fixture.check(&key, gradient, 1e-4, 1e-4 * fixture.magnitude(&key))?;
    }
    Ok(())
}

#[test]
fn nothing_labelled_teaches_nothing() -> Result<()> {
    let loss = cross_entropy(logits()?.as_tensor(), &labels(false)?, false, Average::Labelled)?;
    assert_eq!(loss.to_scalar::<f32>()?, 0.0);
    Ok(())
}

#[test]
fn labels_are_checked() -> Result<()> {
    let logits = Tensor::zeros((1, 3, 2, 2), candle::DType::F32, &Device::Cpu)?;
    let map = |labels: [u8; 4]| LabelMap::new((2, 2), labels.to_vec());
    let refusal = |labels: &[LabelMap]| {
        cross_entropy(&logits, labels, false, Average::All).unwrap_err().to_string()
    };
    assert!(refusal(&[map([0, 1, 2, 3])?]).contains("label 3: expected one below 3"));
    assert!(refusal(&[]).contains("0 label maps for a batch of 1"));
    let two = Tensor::cat(&[&logits, &logits], 0)?;
    let sizes = [map([0; 4])?, LabelMap::new((1, 4), vec![0; 4])?];
    let error = cross_entropy(&two, &sizes, false, Average::All).unwrap_err().to_string();
    assert!(error.contains("crop or pad"), "{error}");
    Ok(())
}
