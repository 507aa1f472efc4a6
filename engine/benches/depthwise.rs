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

/// One layer with everything that its kernels read and write.
struct Buffers {
    shape: DepthwiseShape,
    x: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
    gx: Vec<f32>,
    gw: Vec<f32>,
}

impl Buffers {
    fn new(shape: &DepthwiseShape) -> Self {
        let ramp = |len: usize| (0..len).map(|i| (i % 17) as f32 / 16.0 - 0.5).collect::<Vec<_>>();
        Self {
            shape: *shape,
            x: ramp(shape.input_len()),
            w: ramp(shape.weight_len()),
            y: ramp(shape.output_len()),
            gx: ramp(shape.input_len()),
            gw: ramp(shape.weight_len()),
        }
    }
}

fn report(isa: AnyIsa, layers: &[DepthwiseShape]) -> Result<(), String> {
    let outputs: usize = layers.iter().map(DepthwiseShape::output_len).sum();
    println!("{} layers, {outputs} outputs, {}", layers.len(), isa.name());
    println!(
        "kernel    size stride layers   forward ms (GFLOP/s)   x gradient   w gradient   naive"
    );
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| error.to_string())?;
        println!("{threads} thread(s)");
        let mut keys: Vec<_> = layers.iter().map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        for group in keys {
            let layers: Vec<_> = layers.iter().filter(|layer| key(layer) == group).collect();
            let (size, kernel, stride) = (group.0, group.1, group.2);
            print!("{}x{} {size:>10} {:>6} {:>6}", kernel.0, kernel.1, stride.0, layers.len());
            pool.install(|| line(isa, &layers));
        }
        print!("all                {:>12}", layers.len());
        pool.install(|| line(isa, &layers.iter().collect::<Vec<_>>()));
    }
    Ok(())
}

fn key(layer: &DepthwiseShape) -> (usize, (usize, usize), (usize, usize)) {
    (layer.input().0, layer.kernel(), layer.stride())
}

/// Times all operations on the given layers and prints the rest of a line.
fn line(isa: AnyIsa, layers: &[&DepthwiseShape]) {
    let flops: usize =
        layers.iter().map(|l| 2 * l.output_len() * l.kernel().0 * l.kernel().1).sum();
    let mut buffers: Vec<Buffers> = layers.iter().map(|shape| Buffers::new(shape)).collect();
    let forward =
        median_ms(&mut buffers, |b| forward_on(isa, &b.shape, &b.x, &b.w, None, &mut b.y));
    let input = median_ms(&mut buffers, |b| grad_input_on(isa, &b.shape, &b.w, &b.y, &mut b.gx));
    let weight = median_ms(&mut buffers, |b| grad_weight_on(isa, &b.shape, &b.x, &b.y, &mut b.gw));
    let naive = median_ms(&mut buffers, |b| Ok(naive_forward(&b.shape, &b.x, &b.w, &mut b.y)));
    let rate = flops as f64 / forward / 1e6;
    println!("   {forward:>10.3} ({rate:>5.1}) {input:>17.3} {weight:>12.3} {naive:>9.3}");
}

/// The median time of running `step` on every layer.
fn median_ms(layers: &mut [Buffers], step: impl Fn(&mut Buffers) -> Result<(), ShapeError>) -> f64 {
    let mut times = Vec::with_capacity(REPETITIONS);
    for repetition in 0..WARM_UP + REPETITIONS {
        let start = Instant::now();
        for layer in layers.iter_mut() {
            step(layer).expect("the buffers were made for the shape");
            black_box(&mut *layer);
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
