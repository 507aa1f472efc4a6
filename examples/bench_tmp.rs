use candle::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use ghostnetv2::{Config, GhostNet, PlanOptions};
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let which = &a[1];
    let side: usize = a[2].parse()?;
    let batch: usize = a[3].parse()?;
    let threads: usize = a[4].parse()?;
    let vm = VarMap::new();
    let vb = VarBuilder::from_varmap(&vm, DType::F32, &Device::Cpu);
    let config = Config::from_name(which).unwrap();
    let mut net = GhostNet::new(&config, 1000, vb)?;
    net.fuse()?;
    let opts = PlanOptions::default().with_threads(threads);
    let plan = net.plan(&[batch, 3, side, side], &opts)?;
    let x = Tensor::rand(-1f32, 1f32, (batch, 3, side, side), &Device::Cpu)?;
    if a.len() > 5 { println!("{plan}"); }
    let want = net.forward(&x)?;
    let got = plan.forward(&x)?;
    let d = (&want - &got)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    let m = want.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    println!("diff {d} of {m}");
    let mut t = vec![];
    let s = Instant::now();
    while t.len() < 5 || s.elapsed().as_secs_f64() < 2.0 { let s = Instant::now(); plan.forward(&x)?; t.push(s.elapsed().as_secs_f64() * 1e3); }
    t.sort_by(f64::total_cmp);
    println!("median {:.3} min {:.3} n {}", t[t.len() / 2], t[0], t.len());
    let input = x.flatten_all()?.to_vec1::<f32>()?;
    let mut tm = Default::default();
    let n = 100;
    for _ in 0..n { plan.time(&input, &mut tm)?; }
    let mut total = 0.0;
    for k in tm.kinds() { let ms = k.time.as_secs_f64() * 1e3 / n as f64; total += ms; println!("{:60} {:4} {:.3} ms {:.1} GFLOP/s", k.kind, k.calls / n, ms, k.gflops()); }
    println!("total {total:.3}");
    Ok(())
}
