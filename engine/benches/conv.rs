//! temp
use engine::plan::{Activation, NetworkBuilder, PlanOptions, Timings, Window};
use std::sync::Arc;
fn numbers(len: usize, scale: f32) -> Vec<f32> {
    let mut s = 12345u32;
    (0..len)
        .map(|_| {
            s = s.wrapping_mul(1664525).wrapping_add(1013904223);
            ((s >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
        })
        .collect()
}
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (c, n, size, threads) = (a[0], a[1], a[2], a[3]);
    let stride = a.get(4).copied().unwrap_or(1);
    let options = PlanOptions::default().with_threads(threads);
    let (mut net, x) = NetworkBuilder::new(&options, 3);
    let x = net
        .conv(x, Window::same((1, 1), 1), (&numbers(3 * 8, 1.0), &[0.0; 8]), Activation::Identity)
        .unwrap();
    let x = net
        .pointwise(x, (&numbers(8 * c, 1.0), &vec![0.0; c]), Activation::Identity, None)
        .unwrap();
    let w = numbers(n * c * 9, (6.0 / (9.0 * c as f32)).sqrt());
    let y =
        net.conv(x, Window::same((3, 3), stride), (&w, &vec![0.1; n]), Activation::Relu).unwrap();
    let z = net.global_pool(y).unwrap();
    let plan = Arc::new(net.build(&[z])).plan([1, 3, size, size], &options).unwrap();
    let mut scratch = plan.scratch().unwrap();
    let input = numbers(3 * size * size, 1.0);
    let mut out = vec![0.0; n];
    let mut times = vec![];
    let start = std::time::Instant::now();
    while start.elapsed().as_secs_f64() < 1.5 {
        let mut t = Timings::default();
        plan.run_timed(&mut scratch, &input, &mut [&mut out], &mut t).unwrap();
        times.push(t.kinds().iter().find(|k| k.kind == "conv").unwrap().time.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let macs = (size / stride).pow(2) * n * c * 9;
    println!(
        "{c}->{n} {size} {threads}T: median {:.3} min {:.3} ms, effective {:.0} GFLOP/s",
        times[times.len() / 2],
        times[0],
        2e-6 * macs as f64 / times[0]
    );
}
