//! Logits and every level of both pyramids, for all published variants and more.

use crate::fixture::Fixture;
use crate::formula::{Formula, plain, weight};
use candle::{Result, Shape, Tensor};
use ghostnetv2::ops::ConvAlgorithm;
use ghostnetv2::{Backbone, Config, GhostNet, Level, Pyramid, Taps, Version};

const RTOL: f64 = 1e-3;
const ATOL: f64 = 1e-4;
const SIZES: [(usize, usize); 3] = [(224, 224), (256, 320), (97, 161)];
const TAPS: [(Taps, &str); 2] = [(Taps::Timm, "timm"), (Taps::StageEnds, "stage-ends")];

#[test]
fn the_formula_is_the_scripts_to_the_bit() -> Result<()> {
    let fixture = Fixture::open("formula");
    for name in fixture.keys() {
        let expected = fixture.tensor(name);
        let found = match name {
            "input" => plain(name, expected.shape())?,
            _ => weight(name, expected.shape())?,
        };
        let bits = |t: &Tensor| -> Result<Vec<u32>> {
            Ok(t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
        };
        assert_eq!(bits(&found)?, bits(expected)?, "{name}");
    }
    Ok(())
}

fn check(name: &str, model: &GhostNet, x: &Tensor) -> Result<()> {
    let fixture = Fixture::open(name);
    let (_, _, h, w) = x.dims4()?;
    for (taps, taps_name) in TAPS {
        let (maps, logits) = model.forward_with_features(x, taps)?;
        fixture.check(&format!("logits/{h}x{w}"), &logits, RTOL, ATOL)?;
        for (map, level) in maps.iter().zip(Level::ALL) {
            let key = format!("{taps_name}/{h}x{w}/{}", level.name());
            fixture.check(&key, map, RTOL, ATOL)?;
        }
    }
    Ok(())
}

fn check_variant(name: &str) -> Result<()> {
    let config = Config::from_name(name).unwrap();
    let mut model = GhostNet::new(&config, 1000, Formula::default().var_builder())?;
    for (h, w) in SIZES {
        check(name, &model, &plain("input", (1, 3, h, w))?)?;
    }
    if config.version == Version::V3 {
        model.fuse()?;
        for (h, w) in SIZES {
            check(name, &model, &plain("input", (1, 3, h, w))?)?;
        }
    }
    Ok(())
}

macro_rules! variants {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            check_variant(stringify!($name))
        }
    )*};
}

variants! {
    ghostnet_050 ghostnet_100 ghostnet_130
    ghostnetv2_100 ghostnetv2_130 ghostnetv2_160
    ghostnetv3_050 ghostnetv3_100 ghostnetv3_130 ghostnetv3_160
}

#[test]
fn another_width_few_classes_small_batch() -> Result<()> {
    let model = GhostNet::new(&Config::v2(0.75), 10, Formula::default().var_builder())?;
    check("ghostnetv2_075", &model, &plain("input", (2, 3, 33, 47))?)
}

#[test]
fn mindspores_release_rounds_up_and_mixes_neighbours() -> Result<()> {
    let name = "mindspore_ghostnetv2_090";
    let mindspores = Config::from_name(name).unwrap();
    for convolution in [ConvAlgorithm::default(), ConvAlgorithm::Stock] {
        let config = Config { convolution, ..mindspores.clone() };
        let model = GhostNet::new(&config, 10, Formula::default().var_builder())?;
        for (h, w) in [(64, 64), (33, 47)] {
            check(name, &model, &plain("input", (2, 3, h, w))?)?;
        }
    }
    Ok(())
}

#[test]
fn every_algorithm_gives_the_same_network() -> Result<()> {
    for convolution in [ConvAlgorithm::CandleOps, ConvAlgorithm::Stock] {
        let config = Config { convolution, ..Config::v2(0.75) };
        let model = GhostNet::new(&config, 10, Formula::default().var_builder())?;
        check("ghostnetv2_075", &model, &plain("input", (2, 3, 33, 47))?)?;
    }
    Ok(())
}

#[test]
fn a_pyramid_reads_and_computes_only_what_its_levels_need() -> Result<()> {
    let formula = Formula::default();
    let levels = [Level::C4, Level::C2];
    let pyramid = Pyramid::new(&Config::v2(0.75), Taps::Timm, &levels, formula.var_builder())?;
    let read = formula.tensors.lock().unwrap();
    assert!(read.keys().any(|name| name.starts_with("blocks.5.")));
    assert!(!read.keys().any(|name| name.starts_with("blocks.6.") || name.contains("head")));

    let names: Vec<_> = pyramid.feature_info().iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["blocks.5", "blocks.1"], "in the order asked for");
    let fixture = Fixture::open("ghostnetv2_075");
    let maps = pyramid.features(&plain("input", (2, 3, 33, 47))?)?;
    fixture.check("timm/33x47/c4", &maps[0], RTOL, ATOL)?;
    fixture.check("timm/33x47/c2", &maps[1], RTOL, ATOL)
}

#[test]
fn a_fused_v3_saves_and_loads_under_timms_names() -> Result<()> {
    // timm's own names for it, with values that only have to survive the round trip.
    let config = Config { reparameterized: true, ..Config::v3(0.5) };
    let formula = Formula::default();
    GhostNet::new(&config, 10, formula.var_builder())?;
    let tensors = formula.tensors.lock().unwrap();
    assert!(tensors.contains_key("blocks.1.0.conv_dw.bias"));
    assert!(!tensors.keys().any(|name| name.contains("rpr") || name.contains("bn_dw")));
    assert_eq!(tensors["blocks.1.0.conv_dw.weight"].shape(), &Shape::from((24, 1, 3, 3)));
    Ok(())
}
