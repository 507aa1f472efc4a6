//! A network of any configuration, laid out for any input: a plan that runs, or an error.
#![no_main]

use arbitrary::Arbitrary;
use candle::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::{Config, GhostNet, Level, Pyramid, PlanOptions, Taps};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Asked {
    version: u8,
    width: u8,
    in_channels: u8,
    output_stride: u8,
    classes: u8,
    reparameterized: bool,
    shape: [u8; 4],
    threads: u8,
    taps: bool,
    levels: u8,
    wild: Option<(f64, usize, [usize; 4])>,
}

fuzz_target!(|asked: Asked| {
    let mut config = match asked.version % 4 {
        0 => Config::v1(1.0),
        1 => Config::v2(1.0),
        2 => Config::v3(1.0),
        _ => Config::mindspore(1.0),
    };
    config.width = f64::from(asked.width % 60) / 100.0;
    config.in_channels = usize::from(asked.in_channels % 6);
    config.output_stride = usize::from(asked.output_stride % 40);
    config.reparameterized = asked.reparameterized;
    let [b, c, h, w] = asked.shape;
    let mut shape = [usize::from(b % 4), usize::from(c % 6), usize::from(h % 100), usize::from(w % 100)];
    if let Some((width, stride, wild)) = asked.wild {
        // Beyond what there is memory for: these must be refused before anything is made.
        if !config.check().is_ok() || !(0.0..1.0).contains(&width) {
            config.width = width;
        }
        config.output_stride = stride;
        shape = wild;
        let likely = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        if likely.is_some_and(|product| product > 1 << 16 && product < 1 << 40) {
            return;
        }
    }
    if config.check().is_ok() && config.width > 1.0 {
        return;
    }
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let options = PlanOptions::default().with_threads(usize::from(asked.threads % 4));
    let levels: Vec<_> = Level::ALL
        .into_iter()
        .enumerate()
        .filter(|(i, _)| asked.levels >> i & 1 == 1)
        .map(|(_, level)| level)
        .collect();
    let taps = if asked.taps { Taps::Timm } else { Taps::StageEnds };
    let inputs = |shape: [usize; 4]| Tensor::ones(&shape, DType::F32, &Device::Cpu);
    if let Ok(net) = GhostNet::new(&config, usize::from(asked.classes), vb.clone())
        && let Ok(plan) = net.plan(&shape, &options)
    {
        let output = inputs(shape).and_then(|x| plan.forward(&x)).expect("a plan that runs");
        assert_eq!(output.dims(), [shape[0], usize::from(asked.classes)]);
    }
    if let Ok(pyramid) = Pyramid::new(&config, taps, &levels, vb)
        && let Ok(plan) = pyramid.plan(&shape, &options)
    {
        let maps = inputs(shape).and_then(|x| plan.forward_all(&x)).expect("a plan that runs");
        assert_eq!(maps.len(), levels.len());
    }
});
