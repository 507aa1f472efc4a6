//! Times the depthwise convolutions of GhostNetV2 1.0x at 224x224, batch 1, one after the other:
//! `cargo bench -p engine --bench depthwise [-- ISA]`, with `avx512`, `avx2`, `neon` or `scalar`
//! instead of the best instruction set.
//!
//! Prints the median over repetitions for each kernel and stride and for all layers together:
//! forward, input gradient and weight gradient, with one thread and with two, and a naive loop.

use std::{hint::black_box, process::ExitCode, time::Instant};

use engine::{
    ShapeError,
    isa::AnyIsa,
    kernels::depthwise::{DepthwiseShape, forward_on, grad_input_on, grad_weight_on},
};

/// The architecture table: kernel, expansion, output channels, stride, attention.
const BOTTLENECKS: &[(usize, usize, usize, usize, bool)] = &[
    (3, 16, 16, 1, false),
    (3, 48, 24, 2, false),
    (3, 72, 24, 1, true),
    (5, 72, 40, 2, true),
    (5, 120, 40, 1, true),
    (3, 240, 80, 2, true),
    (3, 200, 80, 1, true),
    (3, 184, 80, 1, true),
    (3, 184, 80, 1, true),
    (3, 480, 112, 1, true),
    (3, 672, 112, 1, true),
    (5, 672, 160, 2, true),
    (5, 960, 160, 1, true),
    (5, 960, 160, 1, true),
    (5, 960, 160, 1, true),
    (5, 960, 160, 1, true),
];
const STEM_CHANNELS: usize = 16;
const STEM_SIZE: usize = 112;

const WARM_UP: usize = 5;
const REPETITIONS: usize = 51;

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let isa = match &wanted {
        None => Some(AnyIsa::best()),
        Some(name) => AnyIsa::available().find(|isa| isa.name() == name),
    };
    let Some(isa) = isa else {
        eprintln!("this CPU has no instruction set {}", wanted.unwrap_or_default());
        return ExitCode::from(2);
    };
    match layers().map_err(|error| error.to_string()).and_then(|layers| report(isa, &layers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Every depthwise convolution of the network, in order.
fn layers() -> Result<Vec<DepthwiseShape>, ShapeError> {
    let mut layers = Vec::new();
    let mut add = |channels, size, kernel: (usize, usize), stride| {
        let padding = (kernel.0 / 2, kernel.1 / 2);
        let stride = (stride, stride);
        layers.push(DepthwiseShape::new(1, channels, (size, size), kernel, stride, padding)?);
        Ok(())
    };
    let (mut channels, mut size) = (STEM_CHANNELS, STEM_SIZE);
    for &(kernel, expansion, output, stride, attention) in BOTTLENECKS {
        add(expansion / 2, size, (3, 3), 1)?;
        if attention {
            add(expansion, size / 2, (1, 5), 1)?;
            add(expansion, size / 2, (5, 1), 1)?;
        }
        if stride > 1 {
            add(expansion, size, (kernel, kernel), stride)?;
        }
        if stride > 1 || channels != output {
            add(channels, size, (kernel, kernel), stride)?;
        }
        size = size.div_ceil(stride);
        add(output / 2, size, (3, 3), 1)?;
        channels = output;
    }
    Ok(layers)
}

/// Memory for every layer in turn, as an engine would lay it out: a layer finds its input and its
/// output where an earlier one had them.
struct Buffers {
    x: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
}

impl Buffers {
    fn new(layers: &[DepthwiseShape]) -> Self {
        let ramp = |len: fn(&DepthwiseShape) -> usize| {
            let len = layers.iter().map(len).max().unwrap_or_default();
            (0..len).map(|i| (i % 17) as f32 / 16.0 - 0.5).collect()
        };
        Self {
            x: ramp(DepthwiseShape::input_len),
            w: ramp(DepthwiseShape::weight_len),
            y: ramp(DepthwiseShape::output_len),
        }
    }

    fn of(&mut self, shape: &DepthwiseShape) -> (&mut [f32], &mut [f32], &mut [f32]) {
        (
            &mut self.x[..shape.input_len()],
            &mut self.w[..shape.weight_len()],
            &mut self.y[..shape.output_len()],
        )
    }
}

fn report(isa: AnyIsa, layers: &[DepthwiseShape]) -> Result<(), String> {
    let outputs: usize = layers.iter().map(DepthwiseShape::output_len).sum();
    println!("{} layers, {outputs} outputs, {}; medians in ms", layers.len(), isa.name());
    let mut keys: Vec<_> = layers.iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| error.to_string())?;
        println!("\n{threads} thread(s)");
        println!("size kernel stride layers  forward GFLOP/s  x gradient  w gradient   naive");
        for group in &keys {
            let layers: Vec<_> = layers.iter().filter(|l| key(l) == *group).copied().collect();
            let &(size, (kh, kw), stride) = group;
            print!("{size:>4}    {kh}x{kw} {stride:>6} {:>6}", layers.len());
            pool.install(|| line(isa, &layers));
        }
        print!("all                {:>6}", layers.len());
        pool.install(|| line(isa, layers));
    }
    Ok(())
}

/// What layers of one line have in common: picture size, kernel, stride.
fn key(layer: &DepthwiseShape) -> (usize, (usize, usize), usize) {
    (layer.input().0, layer.kernel(), layer.stride().0)
}

/// Times all operations on the given layers and prints the rest of a line.
fn line(isa: AnyIsa, layers: &[DepthwiseShape]) {
    let flops: usize =
        layers.iter().map(|l| 2 * l.output_len() * l.kernel().0 * l.kernel().1).sum();
    let forward = median_ms(layers, |l, x, w, y| forward_on(isa, l, x, w, None, y));
    let input = median_ms(layers, |l, gx, w, gy| grad_input_on(isa, l, w, gy, gx));
    let weight = median_ms(layers, |l, x, gw, gy| grad_weight_on(isa, l, x, gy, gw));
    let naive = median_ms(layers, |l, x, w, y| {
        naive_forward(l, x, w, y);
        Ok(())
    });
    let rate = flops as f64 / forward / 1e6;
    println!(" {forward:>8.3} {rate:>7.1} {input:>11.3} {weight:>11.3} {naive:>7.2}");
}

/// The median time of running `step` on every layer, with the layer's x, w and y.
fn median_ms(
    layers: &[DepthwiseShape],
    step: impl Fn(&DepthwiseShape, &mut [f32], &mut [f32], &mut [f32]) -> Result<(), ShapeError>,
) -> f64 {
    let mut buffers = Buffers::new(layers);
    let mut times = Vec::with_capacity(REPETITIONS);
    for repetition in 0..WARM_UP + REPETITIONS {
        let start = Instant::now();
        for layer in layers {
            let (x, w, y) = buffers.of(layer);
            step(layer, x, w, y).expect("the slices were cut for the shape");
            black_box(&mut buffers);
        }
        if repetition >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    times[REPETITIONS / 2]
}

/// Four nested loops with a test for the edges.
fn naive_forward(shape: &DepthwiseShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    let ((h, width), (kh, kw), (oh, ow)) = (shape.input(), shape.kernel(), shape.output());
    let (stride, padding) = (shape.stride(), shape.padding());
    for (plane, y) in y.chunks_exact_mut(oh * ow).enumerate() {
        let x = &x[plane * h * width..][..h * width];
        let w = &w[plane % shape.channels() * kh * kw..][..kh * kw];
        for (i, y) in y.iter_mut().enumerate() {
            let (top, left) = (i / ow * stride.0, i % ow * stride.1);
            let mut sum = 0.0;
            for ky in 0..kh {
                for kx in 0..kw {
                    let row = (top + ky).wrapping_sub(padding.0);
                    let column = (left + kx).wrapping_sub(padding.1);
                    if row < h && column < width {
                        sum += x[row * width + column] * w[ky * kw + kx];
                    }
                }
            }
            *y = sum;
        }
    }
}
