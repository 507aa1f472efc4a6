//! Gradients of every operation against finite differences, at odd sizes and with values that are
//! used twice, on every instruction set.

use engine::PlanError;
use engine::isa::AnyIsa;
use engine::plan::{Activation, Interpolation, Window};
use engine::training::{BatchNorm, Graph, GraphBuilder, Memory, Parameter, Value};

/// Numbers from -1 to 1 that look random.
pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A batch-norm on `x` whose parameters learn.
pub(crate) fn norm(net: &mut GraphBuilder, x: Value, frozen: bool) -> BatchNorm {
    let channels = net.channels(x);
    let [scale, shift] = [0; 2].map(|_| net.parameter(channels, true));
    let [mean, variance] = [0; 2].map(|_| net.parameter(channels, false));
    BatchNorm { scale, shift, mean, variance, epsilon: 1e-5, frozen }
}

/// The loss of a pass: outputs times fixed numbers.
fn loss(graph: &Graph, images: &[f32], shape: [usize; 4], parameters: &[Vec<f32>]) -> f64 {
    let slices: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
    let memory = Memory::default();
    let pass = graph.forward(&memory, shape, images, &slices, 7).unwrap();
    let mut sum = 0.0;
    for output in 0..graph.output_count() {
        let y = pass.output(output);
        let by = numbers(y.len(), 100 + output as u64);
        sum += y.iter().zip(by).map(|(y, by)| f64::from(*y) * f64::from(by)).sum::<f64>();
    }
    sum
}

/// Compares the derivative along a direction in each parameter with a difference.
fn check(name: &str, graph: Graph, shape: [usize; 4], step: f32) {
    for isa in AnyIsa::available() {
        let graph = graph.clone().on(isa);
        let images = numbers(shape.iter().product(), 1);
        let lens: Vec<usize> = graph.parameter_lens().collect();
        let mut parameters: Vec<Vec<f32>> =
            lens.iter().enumerate().map(|(i, len)| numbers(*len, 10 + i as u64)).collect();
        // What may be a variance has to be positive.
        for parameter in &mut parameters {
            for value in parameter.iter_mut() {
                *value = *value * 0.5 + if graph.parameter_lens().len() > 2 { 0.6 } else { 0.0 };
            }
        }
        let slices: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
        let memory = Memory::default();
        let pass = graph.forward(&memory, shape, &images, &slices, 7).unwrap();
        let outer: Vec<Vec<f32>> = (0..graph.output_count())
            .map(|i| numbers(pass.output(i).len(), 100 + i as u64))
            .collect();
        let outer: Vec<&[f32]> = outer.iter().map(Vec::as_slice).collect();
        let gradients = pass.backward(&outer).unwrap();
        let mut learning = 0;
        for (i, gradient) in gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            learning += 1;
            let direction = numbers(gradient.len(), 50 + i as u64);
            let product = |(a, b): (&f32, &f32)| f64::from(*a) * f64::from(*b);
            let found: f64 = gradient.iter().zip(&direction).map(product).sum();
            let moved = |by: f32| {
                let mut parameters = parameters.clone();
                for (value, direction) in parameters[i].iter_mut().zip(&direction) {
                    *value += by * direction;
                }
                loss(&graph, &images, shape, &parameters)
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let size = gradient.iter().map(|g| f64::from(*g).abs()).sum::<f64>();
            let off = (found - expected).abs();
            assert!(
                off <= 4e-3 * size.max(1.0),
                "{name} on {}: parameter {i}: {found}, not {expected} ({size})",
                isa.name()
            );
        }
        assert!(learning > 0, "{name}");
    }
}

/// A convolution that learns, so that gradients have to come through what follows.
fn stem(net: &mut GraphBuilder, x: Value, channels: usize) -> Result<Value, PlanError> {
    let weight = net.parameter(channels * net.channels(x), true);
    net.linear(x, channels, weight, None)
}

fn convolution(net: &mut GraphBuilder, len: usize) -> (Parameter, Option<Parameter>) {
    (net.parameter(len, true), None)
}

#[test]
fn dense_convolutions() -> Result<(), PlanError> {
    let dilated = Window::dilated((3, 3), 2);
    let wide = Window { kernel: (1, 5), stride: 1, padding: (0, 2), dilation: 1 };
    let windows = [Window::same((1, 1), 1), Window::same((3, 3), 1), Window::same((3, 3), 2)];
    for window in windows.into_iter().chain([dilated, wide, Window::same((1, 1), 2)]) {
        let (mut net, x) = GraphBuilder::new(3);
        let x = stem(&mut net, x, 5)?;
        let (weight, _) = convolution(&mut net, 7 * 5 * window.kernel.0 * window.kernel.1);
        let bias = net.parameter(7, true);
        let y = net.conv(x, window, 7, weight, Some(bias))?;
        check(&format!("{window:?}"), net.build(&[y]), [3, 3, 7, 9], 0.05);
    }
    Ok(())
}

#[test]
fn depthwise_convolutions() -> Result<(), PlanError> {
    let windows = [((3, 3), 1), ((3, 3), 2), ((5, 5), 1), ((5, 5), 2), ((1, 5), 1), ((5, 1), 1)];
    for (kernel, stride) in windows {
        for (channels, size) in [(3, [2, 2]), (20, [7, 5]), (37, [4, 9])] {
            let (mut net, x) = GraphBuilder::new(3);
            let x = stem(&mut net, x, channels)?;
            let (weight, _) = convolution(&mut net, channels * kernel.0 * kernel.1);
            let bias = net.parameter(channels, true);
            let y = net.depthwise(x, Window::same(kernel, stride), weight, Some(bias))?;
            let shape = [3, 3, size[0], size[1]];
            check(&format!("{kernel:?}/{stride} {channels}"), net.build(&[y]), shape, 0.05);
        }
    }
    Ok(())
}

#[test]
fn normalisations() -> Result<(), PlanError> {
    for frozen in [false, true] {
        for relu in [false, true] {
            let (mut net, x) = GraphBuilder::new(3);
            let x = stem(&mut net, x, 13)?;
            let norm = norm(&mut net, x, frozen);
            let y = net.batch_norm(x, norm, relu)?;
            check(&format!("frozen {frozen}, relu {relu}"), net.build(&[y]), [3, 3, 5, 3], 1e-3);
        }
    }
    let (mut net, x) = GraphBuilder::new(3);
    let x = stem(&mut net, x, 12)?;
    let (scale, shift) = (net.parameter(12, true), net.parameter(12, true));
    let y = net.group_norm(x, 3, (scale, shift), 1e-5)?;
    check("group-norm", net.build(&[y]), [3, 3, 5, 3], 2e-3);
    Ok(())
}

#[test]
fn everything_without_weights() -> Result<(), PlanError> {
    type Make = fn(&mut GraphBuilder, Value) -> Result<Value, PlanError>;
    let makes: [(&str, Make); 12] = [
        ("sigmoid", |net, x| net.activation(x, Activation::Sigmoid)),
        ("hard-sigmoid", |net, x| net.activation(x, Activation::HardSigmoid)),
        ("global-pool", |net, x| net.global_pool(x)),
        ("avg-pool 2x2", |net, x| {
            net.avg_pool(x, Window { padding: (0, 0), ..Window::same((2, 2), 2) }, false)
        }),
        ("avg-pool 3x3", |net, x| net.avg_pool(x, Window::same((3, 3), 2), true)),
        ("gate", |net, x| {
            let small = net.avg_pool(x, Window::same((3, 3), 2), false)?;
            let gate = net.activation(small, Activation::Sigmoid)?;
            net.gate(x, gate)
        }),
        ("scale", |net, x| {
            let means = net.global_pool(x)?;
            net.gate(x, means)
        }),
        ("add", |net, x| net.add(x, x)),
        ("concat", |net, x| {
            let y = net.activation(x, Activation::Sigmoid)?;
            net.concat(&[x, y], 7)
        }),
        ("nearest", |net, x| {
            let small = net.avg_pool(x, Window::same((3, 3), 2), false)?;
            let large = net.resize(small, Some(x), 1, Interpolation::Nearest)?;
            net.add(large, x)
        }),
        ("bilinear", |net, x| net.resize(x, None, 2, Interpolation::Bilinear)),
        ("corners", |net, x| net.resize(x, None, 3, Interpolation::BilinearCorners)),
    ];
    for (name, make) in makes {
        let (mut net, x) = GraphBuilder::new(3);
        let x = stem(&mut net, x, 5)?;
        let y = make(&mut net, x)?;
        check(name, net.build(&[y, x]), [2, 3, 5, 7], 1e-2);
    }
    Ok(())
}

#[test]
fn dropouts() -> Result<(), PlanError> {
    for whole_channels in [false, true] {
        let (mut net, x) = GraphBuilder::new(3);
        let x = stem(&mut net, x, 5)?;
        let y = net.dropout(x, 0.3, whole_channels)?;
        check(&format!("dropout {whole_channels}"), net.build(&[y]), [4, 3, 5, 7], 1e-2);
    }
    Ok(())
}
