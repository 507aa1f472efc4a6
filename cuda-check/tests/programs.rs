//! Whole networks as lists of launches, walked on the host with the same kernels as on a GPU, beside
//! plans for the CPU; and how many launches they are.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use candle::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use cuda_check::{Buffer, COMPILED, Stored, Value, launch};
use ghostnetv2::gpu::{Argument, Launch, Machine, Product, Program, Step};
use ghostnetv2::{Config, GhostNet, PlanOptions};

/// This machine as one that takes the steps of programs.
struct Host {
    stored: Stored,
    maps: Buffer,
    weights: Buffer,
    biases: Buffer,
}

impl Host {
    fn new(program: &Program, stored: Stored) -> Self {
        Self {
            stored,
            // What nothing has written is not a number, nor is what is made of it.
            maps: Buffer::unwritten(stored, program.map_len()),
            weights: Buffer::of(stored, program.weights()),
            biases: Buffer::of(Stored::F32, program.biases()),
        }
    }

    fn run(&mut self, program: &Program, x: &Tensor) -> Result<Vec<f32>> {
        self.maps.store(program.input().start, &x.flatten_all()?.to_vec1::<f32>()?);
        program.run(self)?;
        let (region, _) = &program.outputs()[0];
        Ok(self.maps.some(region.start, region.len))
    }
}

impl Machine for Host {
    fn launch(&mut self, step: &Launch) -> Result<()> {
        let kernel = format!("{}_{}", step.kernel, self.stored.suffix());
        let argument = |argument: &Argument| match *argument {
            Argument::Map(at) => self.maps.from(at),
            Argument::Weights(at) => self.weights.from(at),
            Argument::Biases(at) => self.biases.from(at),
            Argument::Null => Value::NULL,
            Argument::Int(int) => Value::Int(int),
            Argument::Geometry(geometry) => Value::Window(geometry.numbers()),
        };
        let arguments: Vec<Value> = step.arguments.iter().map(argument).collect();
        // SAFETY: a program's places lie within the three blocks, and what it says of their sizes is
        // what this test is about.
        unsafe { launch(&kernel, step.grid.blocks, step.grid.threads, &arguments) };
        Ok(())
    }

    fn product(&mut self, product: &Product) -> Result<()> {
        let Product { weights, x, y, m, n, k, batch } = *product;
        let weights = Tensor::from_vec(self.weights.some(weights, m * k), (m, k), &Device::Cpu)?;
        for picture in 0..batch {
            let x = self.maps.some(x + picture * k * n, k * n);
            let made = weights.matmul(&Tensor::from_vec(x, (k, n), &Device::Cpu)?)?;
            self.maps.store(y + picture * m * n, &made.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }
}

fn random(seed: u64, tensor: &Tensor, (low, high): (f32, f32)) -> Result<Tensor> {
    let mut state = seed;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((state >> 40) as f32 / (1 << 24) as f32)
    };
    Tensor::from_iter((0..tensor.elem_count()).map(next), &Device::Cpu)?.reshape(tensor.shape())
}

/// A network whose batch-norms have something to fold.
fn network(config: &Config, classes: usize) -> Result<GhostNet> {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let mut net = GhostNet::new(config, classes, vb)?;
    let mut all: Vec<(String, Var)> =
        variables.data().lock().unwrap().iter().map(|(n, v)| (n.clone(), v.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    for (seed, (name, var)) in all.iter().enumerate() {
        let inputs = var.elem_count() / var.dim(0)?;
        let bound = 1.5 / (inputs as f32).sqrt();
        let range = match name.rsplit('.').next() {
            Some("running_var") => (0.5, 1.5),
            Some("weight") if var.dims().len() == 1 => (0.7, 1.3),
            Some("weight") => (-bound, bound),
            _ => (-0.3, 0.3),
        };
        var.set(&random(seed as u64 + 1, var, range)?)?;
    }
    net.fuse()?;
    Ok(net)
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, x| most.max(x.abs()))
}

#[test]
fn programs_are_plans() -> Result<()> {
    if !COMPILED {
        eprintln!("skipped: the build found no C++ compiler that takes the kernels");
        return Ok(());
    }
    let cases = [
        (Config::v2(1.0), [1, 3, 64, 64], Stored::F32),
        (Config::v2(0.5), [2, 3, 65, 97], Stored::F32),
        (Config::v1(0.5), [2, 3, 49, 33], Stored::F32),
        (Config::v3(0.5), [1, 3, 64, 80], Stored::F32),
        (Config::v2(0.35), [3, 3, 97, 65], Stored::F16),
        (Config::v2(0.35), [3, 3, 97, 65], Stored::Bf16),
    ];
    for (config, shape, stored) in cases {
        let net = network(&config, 10)?;
        let x = random(99, &Tensor::zeros(&shape, DType::F32, &Device::Cpu)?, (-2.0, 2.0))?;
        let expected = net.plan(&shape, &PlanOptions::default())?.forward(&x)?;
        let expected = expected.flatten_all()?.to_vec1::<f32>()?;
        let program = net.gpu_program(shape)?;
        let mut host = Host::new(&program, stored);
        let found = host.run(&program, &x)?;
        let off: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
        let share = largest(&off) / largest(&expected);
        // In halves, sixteen bottlenecks round their maps one behind the other.
        let allowed = 1e-4 + 40.0 * stored.rounding();
        assert!(share <= allowed, "{config:?} in {stored:?}: {share:e} off");
        // What the first run has left behind changes nothing.
        assert_eq!(host.run(&program, &x)?, found);
    }
    Ok(())
}

#[test]
fn a_forward_is_at_most_130_launches() -> Result<()> {
    let launches = |config: Config, batch| {
        let net = GhostNet::new(&config, 1000, VarBuilder::zeros(DType::F32, &Device::Cpu))?;
        let program = net.gpu_program([batch, 3, 224, 224])?;
        let products = program.steps().iter().filter(|s| matches!(s, Step::Product(_))).count();
        eprintln!("{}: {} launches, {products} of cuBLAS", config.name(), program.steps().len());
        Result::Ok(program.steps().len())
    };
    for batch in [1, 64] {
        assert!(launches(Config::v2(1.0), batch)? <= 130);
        assert!(launches(Config::v2(1.6), batch)? <= 130);
        assert!(launches(Config::v1(1.0), batch)? <= 130);
    }
    let reparameterized = Config { reparameterized: true, ..Config::v3(1.0) };
    assert!(launches(reparameterized, 1)? <= 130);
    Ok(())
}

#[test]
fn maps_share_memory() -> Result<()> {
    let config = Config::v2(1.0);
    let net = GhostNet::new(&config, 1000, VarBuilder::zeros(DType::F32, &Device::Cpu))?;
    let program = net.gpu_program([1, 3, 224, 224])?;
    // In the second bottleneck 48 channels, the product of 24 that they are made of, its input of
    // 16, and 48 at half the size are needed together.
    let together = (48 + 24 + 16 + 12) * 112 * 112;
    assert!(program.map_len() <= together * 11 / 10, "{} elements", program.map_len());
    assert!(net.gpu_program([0, 3, 224, 224]).is_err());
    assert!(net.gpu_program([1, 4, 224, 224]).is_err());
    Ok(())
}
