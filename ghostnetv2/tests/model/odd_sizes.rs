//! Any input of at least 33 pixels a side, any batch; the rest is refused in words.

use crate::formula::Formula;
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::{Backbone, Config, GhostNet, Level, Pyramid, Taps};
use proptest::prelude::*;

fn zeros(shape: (usize, usize, usize, usize)) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn maps_have_the_promised_shapes(h in 33usize..150, w in 33usize..150, b in 0usize..3, width in 5u32..150, log_stride in 3u32..6) {
        let output_stride = 1 << log_stride;
        let config = Config { output_stride, ..Config::v2(f64::from(width) / 100.0) };
        let vb = Formula::default().var_builder();
        for taps in [Taps::Timm, Taps::StageEnds] {
            let pyramid = Pyramid::new(&config, taps, &Level::ALL, vb.clone()).unwrap();
            let maps = pyramid.features(&zeros((b, 3, h, w))).unwrap();
            for (map, info) in maps.iter().zip(pyramid.feature_info()) {
                let side = |n: usize| n.div_ceil(info.stride);
                prop_assert_eq!(map.dims(), [b, info.channels, side(h), side(w)]);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let vb = Formula::default().var_builder();
    let model = GhostNet::new(&Config::v2(0.5), 7, vb.clone())?;
    assert_eq!(model.forward(&zeros((0, 3, 40, 40)))?.dims(), [0, 7]);
    for (shape, expected) in [
        ((1, 3, 32, 64), "at least 33"),
        ((1, 3, 64, 32), "at least 33"),
        ((1, 3, 0, 64), "at least 33"),
        ((1, 4, 64, 64), "expected [B, 3, H, W]"),
    ] {
        let error = model.forward(&zeros(shape)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(GhostNet::new(&Config::v2(0.5), 0, vb.clone()).is_err());
    assert!(GhostNet::new(&Config::v2(f64::NAN), 7, vb.clone()).is_err());
    assert!(ghostnetv2::ghostnet(&Config::v2(1.0), 7, vb).is_err());
    Ok(())
}

#[test]
fn a_view_gives_what_its_copy_gives() -> Result<()> {
    let model = GhostNet::new(&Config::v2(0.5), 7, Formula::default().var_builder())?;
    let x = crate::formula::plain("input", (1, 3, 50, 40))?;
    let view = x.transpose(2, 3)?;
    let difference = (model.forward(&view)? - model.forward(&view.contiguous()?)?)?.abs()?;
    assert!(difference.max_all()?.to_scalar::<f32>()? < 1e-6);
    Ok(())
}

#[test]
fn a_picture_does_not_depend_on_its_batch_mates() -> Result<()> {
    let model = GhostNet::new(&Config::v2(0.5), 7, Formula::default().var_builder())?;
    let x = crate::formula::plain("input", (3, 3, 45, 71))?;
    let together = model.forward(&x)?;
    for i in 0..3 {
        let alone = model.forward(&x.narrow(0, i, 1)?)?;
        let difference = (together.narrow(0, i, 1)? - alone)?.abs()?.max_all()?;
        assert!(difference.to_scalar::<f32>()? <= 1e-5);
    }
    Ok(())
}
