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
    let [b, c, h, w] = asked.shape.map(usize::from);
    let mut shape = [b % 4, c % 6, h % 100, w % 100];
    if let Some((width, stride, wild)) = asked.wild {
        // What there is no memory for may be laid out, but is not run.
        (config.width, config.output_stride, shape) = (width, stride, wild);
        if config.check().is_ok() && width > 1.0 {
            return;
        }
    }
    let runs = asked.wild.is_none();
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let options = PlanOptions::default().with_threads(usize::from(asked.threads % 4));
    let is_asked = |(i, _): &(usize, Level)| asked.levels >> i & 1 == 1;
    let levels = Level::ALL.into_iter().enumerate().filter(is_asked).map(|(_, level)| level);
    let levels: Vec<_> = levels.collect();
    let taps = if asked.taps { Taps::Timm } else { Taps::StageEnds };
    let input = || Tensor::ones(&shape, DType::F32, &Device::Cpu);
    let classes = usize::from(asked.classes);
    if let Ok(net) = GhostNet::new(&config, classes, vb.clone())
        && let Ok(plan) = net.plan(&shape, &options)
        && runs
    {
        let output = input().and_then(|x| plan.forward(&x)).expect("a plan that runs");
        assert_eq!(output.dims(), [shape[0], classes]);
    }
    if let Ok(pyramid) = Pyramid::new(&config, taps, &levels, vb)
        && let Ok(plan) = pyramid.plan(&shape, &options)
        && runs
    {
        let maps = input().and_then(|x| plan.forward_all(&x)).expect("a plan that runs");
        assert_eq!(maps.len(), levels.len());
    }
});
