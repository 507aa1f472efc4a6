//! Strides that are left out for a finer last map.

use crate::formula::{Formula, plain};
use candle::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::{Backbone, Config, Level, Pyramid, Taps};

/// The weights of a GhostNet whose squeeze-and-excitation, which knows the mean of a whole map, is
/// the same for all maps.
fn weights() -> Result<VarBuilder<'static>> {
    let formula = Formula::default();
    Pyramid::new(&Config::v1(0.5), Taps::StageEnds, &Level::ALL, formula.var_builder())?;
    let mut tensors = formula.tensors.lock().unwrap().clone();
    for (name, tensor) in &mut tensors {
        if name.ends_with("se.conv_expand.weight") {
            *tensor = tensor.zeros_like()?;
        }
    }
    Ok(VarBuilder::from_tensors(tensors.into_iter().collect(), DType::F32, &Device::Cpu))
}

/// Every `step`-th cell.
fn thinned(map: &Tensor, step: usize) -> Result<Tensor> {
    let every = |dim: usize| -> Result<Tensor> {
        let cells: Vec<u32> = (0..map.dim(dim)? as u32).step_by(step).collect();
        Tensor::new(cells, map.device())
    };
    map.index_select(&every(2)?, 2)?.index_select(&every(3)?, 3)
}

/// The cells that both have see the same pixels: what a network has learned stays true.
#[test]
fn finer_maps_agree_with_coarse_ones_where_both_have_cells() -> Result<()> {
    let weights = weights()?;
    let maps = |output_stride: usize, x: &Tensor| {
        let config = Config { output_stride, ..Config::v1(0.5) };
        let levels = [Level::C3, Level::C4, Level::C5];
        let pyramid = Pyramid::new(&config, Taps::StageEnds, &levels, weights.clone())?;
        let strides: Vec<_> = pyramid.feature_info().iter().map(|info| info.stride).collect();
        assert_eq!(strides, [8, 16, 32].map(|stride| output_stride.min(stride)));
        pyramid.features(x)
    };
    for size in [(97, 161), (64, 128)] {
        let x = plain("input", (2, 3, size.0, size.1))?;
        let coarse = maps(32, &x)?;
        for (output_stride, steps) in [(16, [1, 1, 2]), (8, [1, 2, 4])] {
            for ((fine, coarse), step) in maps(output_stride, &x)?.iter().zip(&coarse).zip(steps) {
                let off = (thinned(fine, step)? - coarse)?.abs()?.max_all()?;
                let scale = coarse.abs()?.max_all()?.to_scalar::<f32>()?;
                let off = off.to_scalar::<f32>()?;
                assert!(off <= 1e-5 * scale, "{output_stride}: {off} of {scale}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_weights_are_the_same_for_every_version() -> Result<()> {
    for config in [Config::v1(0.25), Config::v2(0.25), Config::v3(0.25)] {
        let names = |output_stride: usize| -> Result<Vec<String>> {
            let (formula, config) =
                (Formula::default(), Config { output_stride, ..config.clone() });
            Pyramid::new(&config, Taps::StageEnds, &Level::ALL, formula.var_builder())?;
            let tensors = formula.tensors.lock().unwrap();
            Ok(tensors.iter().map(|(name, t)| format!("{name} {:?}", t.dims())).collect())
        };
        let (finest, published) = (names(8)?, names(32)?);
        assert_eq!(finest, published, "{}", config.name());
    }
    Ok(())
}
