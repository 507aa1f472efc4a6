//! The plan equals the candle path: every version, odd sizes, any batch and number of threads.

use crate::formula::{Formula, plain};
use candle::{Device, Result, Tensor};
use engine::isa::AnyIsa;
use ghostnetv2::{
    Backbone, Config, GhostNet, Level, Output, PlanOptions, Pyramid, Selection, Taps,
};
use proptest::prelude::*;

/// The largest difference, and what the values are measured by: the largest of them, at least 1.
fn difference(expected: &Tensor, found: &Tensor) -> Result<(f32, f32)> {
    assert_eq!(expected.dims(), found.dims());
    if expected.elem_count() == 0 {
        return Ok((0.0, 1.0));
    }
    let largest = |t: Tensor| t.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
    Ok((largest((expected - found)?)?, largest(expected.clone())?.max(1.0)))
}

fn equal(expected: &Tensor, found: &Tensor, what: &str) -> Result<()> {
    let (difference, scale) = difference(expected, found)?;
    assert!(difference <= 1e-4 * scale, "{what}: differs by {difference} of {scale}");
    Ok(())
}

fn check(config: &Config, (b, h, w): (usize, usize, usize), options: &PlanOptions) -> Result<()> {
    let vb = Formula::default().var_builder();
    let x = plain("input", (b, config.in_channels, h, w))?;
    let net = GhostNet::new(config, 37, vb.clone())?;
    let plan = net.plan(&[b, config.in_channels, h, w], options)?;
    let what = format!("{} {b}x{h}x{w} {options:?}", config.name());
    equal(&net.forward(&x)?, &plan.forward(&x)?, &what)?;
    for taps in [Taps::Timm, Taps::StageEnds] {
        let pyramid = Pyramid::new(config, taps, &Level::ALL, vb.clone())?;
        let plan = pyramid.plan(&[b, config.in_channels, h, w], options)?;
        let maps = plan.forward_all(&x)?;
        assert_eq!(maps.len(), Level::ALL.len());
        for (map, expected) in maps.iter().zip(pyramid.features(&x)?) {
            equal(&expected, map, &what)?;
        }
    }
    Ok(())
}

#[test]
fn every_published_variant_at_odd_sizes_on_every_instruction_set() -> Result<()> {
    let names = [
        "ghostnet_100",
        "ghostnetv2_100",
        "ghostnetv2_130",
        "ghostnetv2_160",
        "ghostnetv3_100",
        "mindspore_ghostnetv2_100",
    ];
    let sets: Vec<_> = AnyIsa::available().collect();
    for name in AnyIsa::missing() {
        println!("left out: this CPU has no {name}");
    }
    for (i, name) in names.into_iter().enumerate() {
        let config = Config::from_name(name).unwrap();
        for (j, (h, w)) in [(97, 161), (33, 47)].into_iter().enumerate() {
            let isa = sets[(i + j) % sets.len()];
            check(&config, (1 + j, h, w), &PlanOptions::default().with_isa(isa).with_threads(2))?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_size_width_batch_and_threads(
        h in 33usize..130, w in 33usize..130, b in 0usize..4, width in 10u32..200,
        version in 0usize..4, threads in 1usize..5, log_stride in 3u32..6,
    ) {
        let width = f64::from(width) / 100.0;
        let config = [Config::v1, Config::v2, Config::v3, Config::mindspore][version](width);
        let config = Config { output_stride: 1 << log_stride, ..config };
        check(&config, (b, h, w), &PlanOptions::default().with_threads(threads)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// As users have them: larger pictures, wider networks. Maps have the shapes that are promised,
    /// and what is said of a picture does not depend on the others of its batch, to the bit.
    #[test]
    fn maps_have_their_shapes_and_pictures_are_alone(
        h in 33usize..=400, w in 33usize..=400, b in 0usize..=5, width in 25u32..=200,
        version in 0usize..3,
    ) {
        let config = [Config::v1, Config::v2, Config::v3][version](f64::from(width) / 100.0);
        let vb = Formula::default().var_builder();
        let x = plain("input", (b, 3, h, w)).unwrap();
        let pyramid = Pyramid::new(&config, Taps::StageEnds, &Level::ALL, vb).unwrap();
        let options = PlanOptions::default().with_threads(2);
        let maps = pyramid.plan(&[b, 3, h, w], &options).unwrap().forward_all(&x).unwrap();
        for (map, info) in maps.iter().zip(pyramid.feature_info()) {
            let side = |pixels: usize| pixels.div_ceil(info.stride);
            prop_assert_eq!(map.dims(), [b, info.channels, side(h), side(w)]);
        }
        let bits = |map: &Tensor| map.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for picture in 0..b {
            let one = x.narrow(0, picture, 1).unwrap();
            let alone = pyramid.plan(&[1, 3, h, w], &options).unwrap().forward_all(&one).unwrap();
            for (map, alone) in maps.iter().zip(alone) {
                prop_assert!(bits(&map.narrow(0, picture, 1).unwrap()) == bits(&alone));
            }
        }
        if b == 1 {
            for (map, expected) in maps.iter().zip(pyramid.features(&x).unwrap()) {
                equal(&expected, map, &config.name()).unwrap();
            }
        }
    }
}

#[test]
fn outputs_that_are_looked_at_in_place_are_those_of_each_call() -> Result<()> {
    let vb = Formula::default().var_builder();
    let pyramid = Pyramid::new(&Config::v2(0.5), Taps::StageEnds, &Level::ALL, vb)?;
    let plan = pyramid.plan(&[1, 3, 64, 64], &PlanOptions::default().with_threads(2))?;
    let seen = |x: &Tensor| {
        plan.forward_with(x, &[], |outputs| {
            // Another call meanwhile, which must not write to the same memory.
            plan.forward_with(&x.neg()?, &[], |others| {
                let apart = |a: &Output, b: &Output| {
                    let (a, b) = (a.values().unwrap(), b.values().unwrap());
                    a.is_empty() || a.as_ptr() != b.as_ptr()
                };
                assert!(others.iter().zip(outputs).all(|(a, b)| apart(a.1, b.1)));
                Ok(())
            })?;
            let copy = |(shape, output): &(Vec<usize>, &Output)| {
                Tensor::from_slice(output.values().unwrap(), shape.as_slice(), &Device::Cpu)
            };
            outputs.iter().map(copy).collect::<Result<Vec<_>>>()
        })
    };
    for name in ["a", "b", "c"] {
        // Sizes in turn, and no pictures at all.
        for shape in [(1, 3, 64, 64), (2, 3, 33, 70), (0, 3, 64, 64)] {
            let x = plain(name, shape)?;
            for (map, expected) in seen(&x)?.iter().zip(plan.forward_all(&x)?) {
                assert_eq!(difference(&expected, map)?.0, 0.0);
            }
        }
    }
    let x = plain("d", (1, 3, 64, 64))?;
    let refused = plan.forward_with(&x, &[], |_| -> Result<()> { candle::bail!("no") });
    assert!(refused.unwrap_err().to_string().starts_with("no"));
    assert!(plan.forward_with(&plain("e", (1, 4, 64, 64))?, &[], |_| Ok(())).is_err());
    assert_eq!(seen(&x)?.len(), Level::ALL.len());
    Ok(())
}

#[test]
fn values_above_a_floor_are_those_of_each_call() -> Result<()> {
    let net = GhostNet::new(&Config::v2(0.5), 10, Formula::default().var_builder())?;
    let plan = net.plan(&[2, 3, 64, 64], &PlanOptions::default().with_threads(2))?;
    for (name, above) in [("a", 0.0), ("b", 0.0), ("c", 0.01), ("d", f32::NEG_INFINITY)] {
        let x = plain(name, (2, 3, 64, 64))?;
        let logits = plan.forward(&x)?.to_vec2::<f32>()?;
        let all = Selection { above, most: usize::MAX };
        plan.forward_with(&x, &[Some(all)], |outputs| {
            let (shape, Output::Above(found)) = &outputs[0] else { panic!("{name}: all values") };
            assert_eq!(shape, &[2, 10]);
            for (picture, logits) in logits.iter().enumerate() {
                let kept = found.picture(picture).iter().flatten();
                let kept: Vec<_> = kept.map(|kept| (kept.channel, kept.value)).collect();
                let expected =
                    (0..).zip(logits.iter().copied()).filter(|(_, value)| *value > above);
                assert_eq!(kept, expected.collect::<Vec<_>>(), "{name}");
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn the_same_bits_for_any_number_of_threads_and_any_batch_mates() -> Result<()> {
    let net = GhostNet::new(&Config::v2(1.0), 100, Formula::default().var_builder())?;
    let x = plain("input", (5, 3, 101, 75))?;
    let bits = |t: Tensor| t.flatten_all()?.to_vec1::<f32>();
    let one = PlanOptions::default().with_threads(1);
    let expected = bits(net.plan(&[5, 3, 101, 75], &one)?.forward(&x)?)?;
    for threads in [2, 3, 4] {
        let options = PlanOptions::default().with_threads(threads);
        let plan = net.plan(&[5, 3, 101, 75], &options)?;
        for _ in 0..3 {
            assert_eq!(bits(plan.forward(&x)?)?, expected, "{threads} threads");
        }
        for picture in 0..5 {
            let alone = bits(plan.forward(&x.narrow(0, picture, 1)?)?)?;
            assert_eq!(alone, expected[picture * 100..][..100], "picture {picture}");
        }
    }
    Ok(())
}

#[test]
fn many_threads_share_one_plan_and_its_shapes() -> Result<()> {
    let net = GhostNet::new(&Config::v2(0.5), 10, Formula::default().var_builder())?;
    let plan = net.plan(&[1, 3, 64, 64], &PlanOptions::default().with_threads(2))?;
    let sides = [64, 33, 70, 50, 81, 47];
    let run = |side: usize| -> Result<Vec<f32>> {
        plan.forward(&plain("input", (1, 3, side, side))?)?.flatten_all()?.to_vec1()
    };
    let expected = sides.map(|side| run(side).unwrap());
    std::thread::scope(|scope| {
        for first in 0..16 {
            let (run, expected) = (&run, &expected);
            scope.spawn(move || {
                for i in 0..12 {
                    let i = (first + i) % sides.len();
                    assert_eq!(run(sides[i]).unwrap(), expected[i]);
                }
            });
        }
    });
    Ok(())
}

#[test]
fn the_ambient_pool_tells_how_many_threads() -> Result<()> {
    let net = GhostNet::new(&Config::v1(0.5), 10, Formula::default().var_builder())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let plan = pool.install(|| net.plan(&[1, 3, 64, 64], &PlanOptions::default()))?;
    assert_eq!(plan.engine().threads(), 3);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let net = GhostNet::new(&Config::v2(0.5), 10, Formula::default().var_builder())?;
    let options = PlanOptions::default();
    let plan = net.plan(&[1, 3, 64, 64], &options)?;
    let x = |shape: (usize, usize, usize, usize)| {
        Tensor::zeros(shape, candle::DType::F32, &Device::Cpu)
    };
    for (error, expected) in [
        (net.plan(&[1, 3, 32, 64], &options).map(|_| ()), "at least 33"),
        (net.plan(&[1, 4, 64, 64], &options).map(|_| ()), "expected 3 channels"),
        (plan.forward(&x((1, 3, 64, 20))?).map(|_| ()), "at least 33"),
        (plan.forward(&x((1, 1, 64, 64))?).map(|_| ()), "expected 3 channels"),
        (plan.run([1, 3, 64, 64], &[0.0; 7]).map(|_| ()), "found 7 elements, expected 12288"),
    ] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    Ok(())
}

#[test]
fn memory_of_an_earlier_run_does_not_leak_into_the_next() -> Result<()> {
    let net = GhostNet::new(&Config::v2(1.0), 10, Formula::default().var_builder())?;
    let plan = net.plan(&[1, 3, 70, 52], &PlanOptions::default().with_threads(1))?;
    let x = plain("input", (1, 3, 70, 52))?;
    let first = plan.forward(&x)?.flatten_all()?.to_vec1::<f32>()?;
    // Everything in the arena becomes NaN, and must be written before it is read.
    plan.forward(&(&x * f64::NAN)?)?;
    assert_eq!(plan.forward(&x)?.flatten_all()?.to_vec1::<f32>()?, first);
    Ok(())
}
