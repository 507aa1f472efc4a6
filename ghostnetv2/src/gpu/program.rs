//! A network as a list of launches, in few of them.
//!
//! Batch-norm is folded by the lowering; the bias and the activation of a product are left to what
//! reads it, where that can: the kernel that finishes a ghost module, the attention, the mean over
//! a map. Squeeze-and-excitation is two launches, one of which also scales.

use super::arena::Arena;
use super::step::{Argument, Launch, Machine, Product, Step};
use super::uses::{Uses, uses};
use super::{Geometry, Grid, geometry::int};
use candle::{Error, Result, bail};
use engine::plan::{Activation, Layer, Network, Operation, Plain, Shape, Window};

/// Channels that a block of `squeeze_excite` scales: `GATED` of the kernels.
const GATED: usize = 32;

/// The most that `squeeze_excite` squeezes to: `SQUEEZED_MOST` of the kernels.
const SQUEEZED_MOST: usize = 1024;

/// Outputs of a block of `linear`: `SUM_THREADS / LINEAR_THREADS` of the kernels.
const LINEAR_OUTPUTS: usize = 8;

/// A run of elements among the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first element.
    pub start: usize,
    /// How many there are.
    pub len: usize,
}

/// A network for one input shape, as steps on a block of maps.
#[derive(Debug)]
pub struct Program {
    steps: Vec<Step>,
    weights: Vec<f32>,
    biases: Vec<f32>,
    map_len: usize,
    input: Region,
    outputs: Vec<(Region, Vec<usize>)>,
}

impl Program {
    /// The program of a network that was recorded
    /// ([`NetworkBuilder::recording`](engine::plan::NetworkBuilder::recording)), for inputs of
    /// `shape` `[B, C, H, W]`.
    ///
    /// # Errors
    /// A shape that the network can't take, or a layer that only heads have.
    pub fn new(network: &Network, shape: [usize; 4]) -> Result<Self> {
        let [batch, channels, h, w] = shape;
        if batch == 0 || channels != network.input_channels() {
            let expected = network.input_channels();
            bail!("input {shape:?}: expected at least 1 picture of {expected} channels")
        }
        let layers = network.layers((h, w)).map_err(Error::wrap)?;
        let outputs: Vec<usize> = network.output_layers().collect();
        let mut writer = Writer::new(&layers, &outputs, batch);
        let mut input = None;
        for layer in 0..layers.len() {
            writer.layer(layer)?;
            input = input.or(writer.placed);
        }
        let output = |&layer: &usize| {
            let Some(region) = writer.places[layer] else { bail!("an output was not computed") };
            let Shape { channels, height, width } = layers[layer].shape;
            let vector = matches!(
                layers[layer].operation,
                Operation::Linear { .. } | Operation::GlobalPool { .. }
            );
            let map = [batch, channels, height, width];
            Ok((region, if vector { map[..2].to_vec() } else { map.to_vec() }))
        };
        let outputs = outputs.iter().map(output).collect::<Result<_>>()?;
        let Some(input) = input else { bail!("an empty network") };
        Ok(Self {
            steps: writer.steps,
            weights: writer.weights,
            biases: writer.biases,
            map_len: writer.arena.len(),
            input,
            outputs,
        })
    }

    /// All that a device is asked to do in a forward pass.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Does that.
    ///
    /// # Errors
    /// What the machine says.
    pub fn run(&self, machine: &mut impl Machine) -> Result<()> {
        self.steps.iter().try_for_each(|step| match step {
            Step::Launch(launch) => machine.launch(launch),
            Step::Product(product) => machine.product(product),
        })
    }

    /// The weights, which are stored as maps are.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The biases, which are f32.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// Elements of the block of maps.
    pub fn map_len(&self) -> usize {
        self.map_len
    }

    /// Where the input has to lie.
    pub fn input(&self) -> Region {
        self.input
    }

    /// Where the outputs lie then, and their shapes.
    pub fn outputs(&self) -> &[(Region, Vec<usize>)] {
        &self.outputs
    }
}

/// What is written so far.
struct Writer<'a> {
    layers: &'a [Layer<'a>],
    uses: Vec<Uses>,
    batch: usize,
    steps: Vec<Step>,
    weights: Vec<f32>,
    biases: Vec<f32>,
    arena: Arena,
    /// Where the value of each layer lies, if anything wrote it and somebody still reads it.
    places: Vec<Option<Region>>,
    /// What was placed last.
    placed: Option<Region>,
    /// Where the bias of a value lies that still lacks it.
    lacking: Vec<Option<usize>>,
}

impl<'a> Writer<'a> {
    fn new(layers: &'a [Layer<'a>], outputs: &[usize], batch: usize) -> Self {
        Self {
            layers,
            uses: uses(layers, outputs),
            batch,
            steps: Vec::new(),
            weights: Vec::new(),
            biases: Vec::new(),
            arena: Arena::default(),
            places: vec![None; layers.len()],
            placed: None,
            lacking: vec![None; layers.len()],
        }
    }

    /// Writes the steps of a layer, and lets go of what nobody reads any more.
    fn layer(&mut self, layer: usize) -> Result<()> {
        let layers = self.layers;
        let shape = layers[layer].shape;
        match layers[layer].operation {
            Operation::Input => {
                self.place(layer);
            }
            Operation::Conv { x, window, activation } => {
                let (weights, bias) = self.plain(layer, 0)?;
                let geometry = self.geometry(x, &window, shape)?;
                let (from, to) = (self.map(x)?, self.place(layer));
                let planes = self.batch * shape.channels;
                self.launch(
                    "dense_conv",
                    Grid::planes(shape.pixels(), planes),
                    vec![
                        from,
                        weights,
                        bias,
                        Argument::Int(code(activation)),
                        to,
                        geometry,
                        Argument::Int(int(shape.channels)?),
                        Argument::Int(int(planes)?),
                    ],
                );
            }
            Operation::Pointwise { x, add, activation } => {
                self.pointwise(layer, x, add, activation)?
            }
            Operation::Depthwise { x, window, activation } => {
                let weights = self.plain(layer, 0)?;
                let geometry = self.geometry(x, &window, shape)?;
                let (from, to) = (self.map(x)?, self.place(layer));
                self.depthwise(from, weights, geometry, activation, (to, shape))?;
            }
            Operation::Ghost { .. } => self.ghost(layer)?,
            Operation::Dfc { x, reach } => self.attention(layer, x, reach)?,
            // A ghost module has written it beside its own output.
            Operation::AvgPool { .. } if self.uses[layer].beside.is_some() => {}
            Operation::AvgPool { x, window, count_padding } => {
                let geometry = self.geometry(x, &window, shape)?;
                let (from, to) = (self.map(x)?, self.place(layer));
                let planes = self.batch * shape.channels;
                let counted = Argument::Int(i32::from(count_padding));
                let arguments = vec![from, to, geometry, counted, Argument::Int(int(planes)?)];
                self.launch("avg_pool_forward", Grid::planes(shape.pixels(), planes), arguments);
            }
            Operation::GlobalPool { x } => {
                let from = self.layers[x].shape;
                let bias = self.lacking[x].map_or(Argument::Null, Argument::Biases);
                let activation = match self.layers[x].operation {
                    Operation::Pointwise { activation, .. } if self.lacking[x].is_some() => {
                        activation
                    }
                    _ => Activation::Identity,
                };
                let (x, to) = (self.map(x)?, self.place(layer));
                let arguments = vec![
                    x,
                    bias,
                    Argument::Int(code(activation)),
                    to,
                    Argument::Int(int(from.channels)?),
                    Argument::Int(int(from.pixels())?),
                ];
                self.launch("plane_mean", Grid::sums(self.batch * from.channels, 1), arguments);
            }
            // Both layers of a squeeze-and-excitation come with the scaling.
            Operation::Linear { .. } if self.uses[layer].absorbed => {}
            Operation::Linear { x, activation } => {
                let (weights, bias) = self.plain(layer, 0)?;
                let inputs = self.layers[x].shape.channels;
                let (from, to) = (self.map(x)?, self.place(layer));
                let grid = Grid::sums(shape.channels.div_ceil(LINEAR_OUTPUTS), self.batch);
                self.launch(
                    "linear",
                    grid,
                    vec![
                        from,
                        weights,
                        bias,
                        Argument::Int(code(activation)),
                        to,
                        Argument::Int(int(inputs)?),
                        Argument::Int(int(shape.channels)?),
                    ],
                );
            }
            Operation::Other(kind) => bail!("a program for a GPU has no {kind} yet"),
        }
        self.release(layer);
        Ok(())
    }

    /// A product, whose bias and activation its reader adds or, if it can't, a launch.
    fn pointwise(
        &mut self,
        layer: usize,
        x: usize,
        add: Option<usize>,
        activation: Activation,
    ) -> Result<()> {
        let shape = self.layers[layer].shape;
        let (weights, bias) = self.plain(layer, 0)?;
        self.product(weights, x, layer)?;
        if self.uses[layer].finished_by_reader {
            if let Argument::Biases(bias) = bias {
                self.lacking[layer] = Some(bias);
            }
            return Ok(());
        }
        let add = add.map_or(Ok(Argument::Null), |add| self.map(add))?;
        let y = self.map(layer)?;
        let planes = self.batch * shape.channels;
        self.launch(
            "channel_affine",
            Grid::planes(shape.pixels(), planes),
            vec![
                y,
                Argument::Null,
                bias,
                add,
                Argument::Int(code(activation)),
                y,
                Argument::Int(int(shape.channels)?),
                Argument::Int(int(shape.pixels())?),
                Argument::Int(int(planes)?),
            ],
        );
        Ok(())
    }

    /// Multiplies the weights with a map, to the value of `layer`.
    fn product(&mut self, weights: Argument, x: usize, layer: usize) -> Result<()> {
        let m = self.layers[layer].shape.channels;
        let y = self.place(layer);
        self.multiply(weights, x, m, y)
    }

    fn multiply(&mut self, weights: Argument, x: usize, m: usize, y: Argument) -> Result<()> {
        let from = self.layers[x].shape;
        let (Argument::Weights(weights), Argument::Map(x), Argument::Map(y)) =
            (weights, self.map(x)?, y)
        else {
            bail!("a product of other things than weights and a map")
        };
        let (n, k, batch) = (from.pixels(), from.channels, self.batch);
        self.steps.push(Step::Product(Product { weights, x, y, m, n, k, batch }));
        Ok(())
    }

    fn depthwise(
        &mut self,
        x: Argument,
        (weights, bias): (Argument, Argument),
        geometry: Argument,
        activation: Activation,
        (to, shape): (Argument, Shape),
    ) -> Result<()> {
        let planes = self.batch * shape.channels;
        self.launch(
            "depthwise_forward",
            Grid::planes(shape.pixels(), planes),
            vec![
                x,
                weights,
                Argument::Null, // scale
                bias,
                Argument::Null, // gate
                Argument::Int(0),
                Argument::Int(0),
                Argument::Null, // add
                Argument::Int(code(activation)),
                to,
                geometry,
                Argument::Int(int(planes)?),
            ],
        );
        Ok(())
    }

    /// A product, and one launch for all else but the convolution behind it.
    fn ghost(&mut self, layer: usize) -> Result<()> {
        let Layer { operation, shape, .. } = &self.layers[layer];
        let Operation::Ghost { x, scale, side, activation, add, gate, then } = *operation else {
            return Ok(());
        };
        if let Some(scale) = scale {
            self.squeeze_excite(scale, x)?;
        }
        let module = Shape { channels: shape.channels, ..self.layers[x].shape };
        let (weights, primary_bias) = self.plain(layer, 0)?;
        let (filters, cheap_bias) = self.plain(layer, 1)?;
        let primary = self.layers[layer].weights[0].1.len();
        let raw_len = self.batch * primary * module.pixels();
        let raw = self.arena.allocate(raw_len);
        self.multiply(weights, x, primary, Argument::Map(raw))?;

        let module_len = self.batch * module.len();
        let (y, own) = match then {
            Some(_) => {
                let start = self.arena.allocate(module_len);
                (Argument::Map(start), Some(start))
            }
            None => (self.place(layer), None),
        };
        let pooled = match self.uses[layer].beside {
            Some(pool) => self.place(pool),
            None => Argument::Null,
        };
        let gate_map = gate.map_or(Ok(Argument::Null), |gate| self.map(gate))?;
        let gate_size = gate.map_or((0, 0), |gate| {
            let Shape { height, width, .. } = self.layers[gate].shape;
            (height, width)
        });
        let shortcut = add.map_or(Ok(Argument::Null), |add| self.map(add))?;
        let shortcut_bias = add.and_then(|add| self.lacking[add]);
        let planes = self.batch * primary;
        let quads = module.height.div_ceil(2) * module.width.div_ceil(2);
        self.launch(
            "ghost",
            Grid::planes(quads, planes),
            vec![
                Argument::Map(raw),
                primary_bias,
                filters,
                cheap_bias,
                gate_map,
                Argument::Int(int(gate_size.0)?),
                Argument::Int(int(gate_size.1)?),
                shortcut,
                shortcut_bias.map_or(Argument::Null, Argument::Biases),
                Argument::Int(code(activation)),
                y,
                pooled,
                Argument::Int(int(primary)?),
                Argument::Int(int(module.channels)?),
                Argument::Int(int(side)?),
                Argument::Int(int(module.height)?),
                Argument::Int(int(module.width)?),
                Argument::Int(int(planes)?),
            ],
        );
        self.arena.release(raw, raw_len);
        if let (Some(window), Some(start)) = (then, own) {
            let weights = self.plain(layer, 2)?;
            let geometry = geometry(module, &window, *shape)?;
            let to = self.place(layer);
            self.depthwise(y, weights, geometry, Activation::Identity, (to, *shape))?;
            self.arena.release(start, module_len);
        }
        Ok(())
    }

    /// Scales `x` in place by what both layers make of its means.
    fn squeeze_excite(&mut self, scale: usize, x: usize) -> Result<()> {
        let Some((reduce, means)) = self.uses[scale].squeezed_by else {
            bail!("a ghost module is scaled by something else than squeeze-and-excitation")
        };
        let shape = self.layers[x].shape;
        let squeezed = self.layers[reduce].shape.channels;
        if squeezed > SQUEEZED_MOST {
            bail!("squeeze-and-excitation to {squeezed} channels: a GPU has {SQUEEZED_MOST}")
        }
        let (reduce, reduce_bias) = self.plain(reduce, 0)?;
        let (expand, expand_bias) = self.plain(scale, 0)?;
        let (x, means) = (self.map(x)?, self.map(means)?);
        let grid = Grid::sums(shape.channels.div_ceil(GATED), self.batch);
        self.launch(
            "squeeze_excite",
            grid,
            vec![
                x,
                means,
                reduce,
                reduce_bias,
                expand,
                expand_bias,
                Argument::Int(int(shape.channels)?),
                Argument::Int(int(squeezed)?),
                Argument::Int(int(shape.pixels())?),
            ],
        );
        Ok(())
    }

    /// A product, and one launch for both convolutions and the sigmoid.
    fn attention(&mut self, layer: usize, x: usize, reach: (usize, usize)) -> Result<()> {
        if reach.0 != reach.1 {
            bail!("attention of {reach:?}: expected filters of one length")
        }
        let shape = self.layers[layer].shape;
        let (weights, bias) = self.plain(layer, 0)?;
        let (along_rows, rows_bias) = self.plain(layer, 1)?;
        let (along_columns, columns_bias) = self.plain(layer, 2)?;
        let raw_len = self.batch * shape.len();
        let raw = self.arena.allocate(raw_len);
        self.multiply(weights, x, shape.channels, Argument::Map(raw))?;
        let to = self.place(layer);
        let planes = self.batch * shape.channels;
        self.launch(
            "dfc_attention",
            Grid::planes(shape.pixels(), planes),
            vec![
                Argument::Map(raw),
                bias,
                along_rows,
                rows_bias,
                along_columns,
                columns_bias,
                to,
                Argument::Int(int(reach.0)?),
                Argument::Int(int(shape.channels)?),
                Argument::Int(int(shape.height)?),
                Argument::Int(int(shape.width)?),
                Argument::Int(int(planes)?),
            ],
        );
        self.arena.release(raw, raw_len);
        Ok(())
    }

    fn launch(&mut self, kernel: &'static str, grid: Grid, arguments: Vec<Argument>) {
        self.steps.push(Step::Launch(Launch { kernel, grid, arguments }));
    }

    /// Puts the weights and the bias of a layer's part behind those that are there.
    fn plain(&mut self, layer: usize, part: usize) -> Result<(Argument, Argument)> {
        let Some((weights, bias)): Option<&Plain> = self.layers[layer].weights.get(part) else {
            bail!("the weights of layer {layer} were not recorded")
        };
        let places = (Argument::Weights(self.weights.len()), Argument::Biases(self.biases.len()));
        self.weights.extend(weights);
        self.biases.extend(bias);
        Ok(places)
    }

    fn geometry(&self, x: usize, window: &Window, to: Shape) -> Result<Argument> {
        geometry(self.layers[x].shape, window, to)
    }

    /// Makes room for the value of a layer.
    fn place(&mut self, layer: usize) -> Argument {
        let len = self.batch * self.layers[layer].shape.len();
        let start = self.arena.allocate(len);
        self.placed = Some(Region { start, len });
        self.places[layer] = self.placed;
        Argument::Map(start)
    }

    fn map(&self, layer: usize) -> Result<Argument> {
        match self.places[layer] {
            Some(region) => Ok(Argument::Map(region.start)),
            None => bail!("layer {layer} is read where it is not known"),
        }
    }

    /// Lets go of the values that layers up to this one were the last to read.
    fn release(&mut self, layer: usize) {
        for value in 0..=layer {
            if self.uses[value].last == Some(layer)
                && let Some(Region { start, len }) = self.places[value].take()
            {
                self.arena.release(start, len);
            }
        }
    }
}

fn geometry(from: Shape, window: &Window, to: Shape) -> Result<Argument> {
    let Window { kernel, stride, padding, dilation } = *window;
    let (size, made) = ((from.height, from.width), (to.height, to.width));
    let (stride, dilation) = ((stride, stride), (dilation, dilation));
    let pairs = [size, made, kernel, stride, padding, dilation];
    Ok(Argument::Geometry(Geometry::new(from.channels, pairs)?))
}

/// The kernels' number of an activation.
fn code(activation: Activation) -> i32 {
    match activation {
        Activation::Identity => 0,
        Activation::Relu => 1,
        Activation::Sigmoid => 2,
        Activation::HardSigmoid => 3,
    }
}
