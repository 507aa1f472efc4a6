//! The same cases on the engine's training graphs, on every instruction set of the machine.

use crate::torch::{Case, cases};
use candle::{Device, Error, Result, Tensor};
use engine::isa::AnyIsa;
use engine::plan::{Activation, Interpolation, PlanError, Window};
use engine::training::{BatchNorm, GraphBuilder, Memory, Parameter, Value};

/// What a parameter is in PyTorch.
enum Role {
    /// Nothing that learns.
    Fixed,
    /// An operand as it is.
    Operand(&'static str),
    /// A map: see [`Net::map`].
    Map { name: &'static str, stride: usize },
}

/// A graph with the values of its parameters.
struct Net {
    builder: GraphBuilder,
    /// The input, `[B, B * H * W, H, W]`: each pixel says which one it is.
    pixels: Value,
    size: (usize, usize, usize),
    parameters: Vec<(Role, Tensor)>,
}

impl Net {
    fn parameter(&mut self, role: Role, values: Tensor) -> Parameter {
        let learns = !matches!(role, Role::Fixed);
        let parameter = self.builder.parameter(values.elem_count(), learns);
        self.parameters.push((role, values));
        parameter
    }

    fn operand(&mut self, case: &Case, name: &'static str) -> Result<Parameter> {
        Ok(self.parameter(Role::Operand(name), case.operand(name)?))
    }

    /// A map as a product of its values with the pixels of the input, or with those at every
    /// `stride`th place: so its gradient is that of a parameter.
    fn map(&mut self, name: &'static str, values: &Tensor, stride: usize) -> Result<Value> {
        let (_, c, ..) = values.dims4()?;
        let weight = spread(values, self.size, stride)?.permute((1, 0, 2, 3))?.contiguous()?;
        let weight = self.parameter(Role::Map { name, stride }, weight);
        let window = Window { kernel: (1, 1), stride, padding: (0, 0), dilation: 1 };
        self.builder.conv(self.pixels, window, c, weight, None).map_err(Error::wrap)
    }

    /// The step at which pixels make a map of this size.
    fn stride_to(&self, size: (usize, usize)) -> Option<usize> {
        let along = |n: usize, stride: usize| (n - 1) / stride + 1;
        (1..9).find(|&s| (along(self.size.1, s), along(self.size.2, s)) == size)
    }
}

/// Values at every `stride`th place of maps of `size`, and zeros.
fn spread(values: &Tensor, (b, h, w): (usize, usize, usize), stride: usize) -> Result<Tensor> {
    let (_, c, gh, gw) = values.dims4()?;
    let values = values.flatten_all()?.to_vec1::<f32>()?;
    let mut wide = vec![0f32; b * c * h * w];
    for (i, value) in values.iter().enumerate() {
        let (plane, y, x) = (i / (gh * gw), i / gw % gh, i % gw);
        wide[(plane * h + y * stride) * w + x * stride] = *value;
    }
    Tensor::from_vec(wide, (b, c, h, w), &Device::Cpu)
}

/// The other way.
fn gathered(wide: &Tensor, shape: &[usize], stride: usize) -> Result<Tensor> {
    let at = |n: usize| Tensor::arange_step(0u32, (n * stride) as u32, stride as u32, &Device::Cpu);
    wide.contiguous()?.index_select(&at(shape[2])?, 2)?.index_select(&at(shape[3])?, 3)
}

/// Pixels that say which one they are.
fn one_hot((b, h, w): (usize, usize, usize)) -> Result<Vec<f32>> {
    let places = b * h * w;
    let one = |i| f32::from(u8::from(i / places == i % places));
    let eye = Tensor::from_iter((0..places * places).map(one), &Device::Cpu)?;
    eye.reshape((b, h, w, places))?.permute((0, 3, 1, 2))?.flatten_all()?.to_vec1()
}

/// The operation, or `None` where graphs have none like it.
fn applied(case: &Case, net: &mut Net, x: Value) -> Result<Option<Value>> {
    let stride = |case: &Case| case.pair("stride").0;
    let interpolation = match case.op() {
        "nearest" => Some(Interpolation::Nearest),
        "bilinear" => Some(Interpolation::Bilinear),
        "bilinear-corners" => Some(Interpolation::BilinearCorners),
        _ => None,
    };
    if let Some(interpolation) = interpolation {
        let to = case.pair("to");
        let double = to == (2 * net.size.1, 2 * net.size.2);
        let like = match net.stride_to(to) {
            _ if double => None,
            Some(stride) => {
                let any =
                    Tensor::zeros((net.size.0, 1, to.0, to.1), candle::DType::F32, &Device::Cpu)?;
                Some(net.map("like", &any, stride)?)
            }
            None => return Ok(None), // a size that no other map has
        };
        return net.builder.resize(x, like, 2, interpolation).map(Some).map_err(Error::wrap);
    }
    let y: std::result::Result<Value, PlanError> = match case.op() {
        "conv" => {
            let shape = case.shape("weight").unwrap();
            let (kernel, padding) = ((shape[2], shape[3]), case.pair("padding"));
            let dilation = case.pair("dilation").0;
            let window = Window { kernel, stride: stride(case), padding, dilation };
            let (weight, bias) = (net.operand(case, "weight")?, net.operand(case, "bias")?);
            match case.pair("groups").0 {
                1 => net.builder.conv(x, window, shape[0], weight, Some(bias)),
                _ => net.builder.depthwise(x, window, weight, Some(bias)),
            }
        }
        op @ ("batch-norm" | "affine") => {
            // Frozen at mean 0 and variance 1, a batch-norm is a scale and a shift.
            let frozen = op == "affine";
            let (scale, shift) = (net.operand(case, "weight")?, net.operand(case, "bias")?);
            let zeros = case.operand("bias")?.zeros_like()?;
            let variance = net.parameter(Role::Fixed, zeros.ones_like()?);
            let mean = net.parameter(Role::Fixed, zeros);
            let epsilon = if frozen { 0.0 } else { case.number("epsilon") as f32 };
            let norm = BatchNorm { scale, shift, mean, variance, epsilon, frozen };
            net.builder.batch_norm(x, norm, false)
        }
        "group-norm" => {
            let both = (net.operand(case, "weight")?, net.operand(case, "bias")?);
            net.builder.group_norm(x, case.pair("groups").0, both, case.number("epsilon") as f32)
        }
        "relu" => net.builder.activation(x, Activation::Relu),
        "sigmoid" => net.builder.activation(x, Activation::Sigmoid),
        "hard-sigmoid" => net.builder.activation(x, Activation::HardSigmoid),
        "gate" => {
            let values = case.operand("gate")?;
            let (.., h, w) = values.dims4()?;
            let stride = net.stride_to((h, w)).unwrap();
            let gate = net.map("gate", &values, stride)?;
            net.builder.gate(x, gate)
        }
        "avg-pool" => {
            let (kernel, padding) = (case.pair("kernel"), case.pair("padding"));
            let window = Window { kernel, stride: stride(case), padding, dilation: 1 };
            net.builder.avg_pool(x, window, true)
        }
        "global-pool" => net.builder.global_pool(x),
        "max-pool" => return Ok(None), // no network here has it
        other => panic!("{}: nothing here is called {other}", case.name()),
    };
    y.map(Some).map_err(Error::wrap)
}

/// Compares one case; whether graphs have it.
fn compare(case: &Case, isa: AnyIsa) -> Result<bool> {
    let x_values = case.operand("x")?;
    let (b, _, h, w) = x_values.dims4()?;
    let size = (b, h, w);
    let (builder, pixels) = GraphBuilder::new(b * h * w);
    let mut net = Net { builder, pixels, size, parameters: Vec::new() };
    let x = net.map("x", &x_values, 1)?;
    let Some(y) = applied(case, &mut net, x)? else { return Ok(false) };
    let Net { builder, parameters, .. } = net;
    let graph = builder.build(&[y, x]).on(isa);

    let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    let values = parameters.iter().map(|(_, t)| flat(t)).collect::<Result<Vec<_>>>()?;
    let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let (memory, images) = (Memory::default(), one_hot(size)?);
    let pass = graph.forward(&memory, [b, b * h * w, h, w], &images, &slices, 0);
    let pass = pass.map_err(Error::wrap)?;
    let shape = pass.output_shape(0);
    let shape = (shape.batch, shape.channels, shape.height, shape.width);
    let y = Tensor::from_vec(pass.output(0), shape, &Device::Cpu)?;
    case.check("y", &y, None)?;

    // Here only `x` is used a second time.
    let (outer_y, outer_x) = (case.outer("y", &y)?, case.outer("again/x", &x_values)?);
    let gradients = pass.backward(&[&flat(&outer_y)?, &flat(&outer_x)?]).map_err(Error::wrap)?;
    for ((role, values), gradient) in parameters.iter().zip(gradients) {
        let Some(gradient) = gradient else { continue };
        let gradient = Tensor::from_vec(gradient, values.shape(), &Device::Cpu)?;
        match role {
            Role::Fixed | Role::Map { name: "like", .. } => {}
            Role::Operand(name) => {
                let again = case.outer(&format!("again/{name}"), values)?;
                case.check(&format!("grad/{name}"), &gradient, Some(&again))?;
            }
            Role::Map { name, stride } => {
                let wide = gradient.permute((1, 0, 2, 3))?;
                let found = gathered(&wide, &case.shape(name).unwrap(), *stride)?;
                let again = case.outer(&format!("again/{name}"), &found)?;
                case.check(&format!("grad/{name}"), &found, (*name != "x").then_some(&again))?;
            }
        }
    }
    Ok(true)
}

#[test]
fn graphs_are_pytorchs() -> Result<()> {
    for isa in AnyIsa::available() {
        let mut compared = 0;
        for case in cases() {
            compared += usize::from(compare(&case, isa)?);
        }
        assert!(compared > 35, "{compared} cases on {}", isa.name());
    }
    Ok(())
}
