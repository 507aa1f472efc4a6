//! Every operation written down plainly, in `f64`, on maps with the channels outermost.

use engine::plan::{Activation, Folded, Window};

/// A map `[channels, height, width]`; a vector is a map of one pixel.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) channels: usize,
    pub(crate) size: (usize, usize),
    pub(crate) values: Vec<f64>,
}

/// Weights and biases, in the order in which the builder takes them.
#[derive(Clone)]
pub(crate) struct Parameters {
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// `len` numbers from -1 to 1, different for each `seed`.
pub(crate) fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

impl Parameters {
    /// For `outputs` sums of `factors` products each, which come out about as large as the inputs.
    pub(crate) fn random(outputs: usize, factors: usize, seed: u32) -> Self {
        let scale = (3.0 / factors.max(1) as f32).sqrt();
        let mut weights = numbers(outputs * factors, seed);
        weights.iter_mut().for_each(|weight| *weight *= scale);
        Self { weights, bias: numbers(outputs, seed ^ 0x5555) }
    }

    pub(crate) fn folded(&self) -> Folded<'_> {
        (&self.weights, &self.bias)
    }
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} weights for {} outputs", self.weights.len(), self.bias.len())
    }
}

pub(crate) fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::HardSigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
    }
}

/// Height and width of a convolution's output, if there is one.
pub(crate) fn output_size(
    window: Window,
    (height, width): (usize, usize),
) -> Option<(usize, usize)> {
    let side = |len: usize, kernel: usize, padding: usize| {
        let reach = (kernel - 1) * window.dilation + 1;
        Some((len + 2 * padding).checked_sub(reach)? / window.stride + 1)
    };
    let (kernel, padding) = (window.kernel, window.padding);
    Some((side(height, kernel.0, padding.0)?, side(width, kernel.1, padding.1)?))
}

impl Map {
    /// Asks for each element by channel, row and column.
    pub(crate) fn new(
        channels: usize,
        size: (usize, usize),
        value: impl Fn(usize, usize, usize) -> f64,
    ) -> Self {
        let pixel = |i: usize| value(i / (size.0 * size.1), i / size.1 % size.0, i % size.1);
        Self { channels, size, values: (0..channels * size.0 * size.1).map(pixel).collect() }
    }

    pub(crate) fn at(&self, channel: usize, row: usize, column: usize) -> f64 {
        self.values[(channel * self.size.0 + row) * self.size.1 + column]
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { values: self.values.into_iter().map(f).collect(), ..self }
    }

    pub(crate) fn activate(self, activation: Activation) -> Self {
        self.map(|x| activate(activation, x))
    }

    /// A dense convolution.
    pub(crate) fn conv(&self, window: Window, parameters: &Parameters) -> Self {
        let outputs = parameters.bias.len();
        self.convolve(window, parameters, outputs, |_| 0..self.channels)
    }

    /// A convolution of each channel by itself.
    pub(crate) fn depthwise(&self, window: Window, parameters: &Parameters) -> Self {
        self.convolve(window, parameters, self.channels, |output| output..output + 1)
    }

    fn convolve(
        &self,
        window: Window,
        Parameters { weights, bias }: &Parameters,
        outputs: usize,
        inputs: impl Fn(usize) -> std::ops::Range<usize>,
    ) -> Self {
        let ((kh, kw), (top, left)) = (window.kernel, window.padding);
        let size = output_size(window, self.size).expect("tests ask for windows that fit");
        let taps = kh * kw;
        Self::new(outputs, size, |output, y, x| {
            let inputs = inputs(output);
            let filter = &weights[output * inputs.len() * taps..][..inputs.len() * taps];
            let mut sum = f64::from(bias[output]);
            for (input, filter) in inputs.zip(filter.chunks_exact(taps)) {
                for (tap, weight) in filter.iter().enumerate() {
                    let row = (y * window.stride + tap / kw * window.dilation).wrapping_sub(top);
                    let column =
                        (x * window.stride + tap % kw * window.dilation).wrapping_sub(left);
                    if row < self.size.0 && column < self.size.1 {
                        sum += f64::from(*weight) * self.at(input, row, column);
                    }
                }
            }
            sum
        })
    }

    /// A pointwise convolution, or a fully connected layer on a vector.
    pub(crate) fn matrix(&self, parameters: &Parameters) -> Self {
        self.conv(Window::same((1, 1), 1), parameters)
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        assert_eq!((self.channels, self.size), (other.channels, other.size));
        Self::new(self.channels, self.size, |c, y, x| self.at(c, y, x) + other.at(c, y, x))
    }

    /// Multiplies by a map of another size, taken at the nearest pixel, or by a vector.
    pub(crate) fn gate(&self, gate: &Self) -> Self {
        assert_eq!(self.channels, gate.channels);
        // PyTorch's `interpolate` with `size` rounds the ratio to `f32`, and so do we.
        let nearest = |i: usize, from: usize, to: usize| {
            ((i as f32 * (from as f32 / to as f32)) as usize).min(from - 1)
        };
        Self::new(self.channels, self.size, |c, y, x| {
            let row = nearest(y, gate.size.0, self.size.0);
            let column = nearest(x, gate.size.1, self.size.1);
            self.at(c, y, x) * gate.at(c, row, column)
        })
    }

    /// The first `channels` channels of this map and, behind them, of another.
    pub(crate) fn concat(&self, other: &Self, channels: usize) -> Self {
        Self::new(channels, self.size, |c, y, x| {
            if c < self.channels { self.at(c, y, x) } else { other.at(c - self.channels, y, x) }
        })
    }

    /// Means of 2x2 windows; an odd last row or column is left out.
    pub(crate) fn avg_pool2x2(&self) -> Self {
        let size = (self.size.0 / 2, self.size.1 / 2);
        Self::new(self.channels, size, |c, y, x| {
            let row = |y| self.at(c, y, 2 * x) + self.at(c, y, 2 * x + 1);
            (row(2 * y) + row(2 * y + 1)) / 4.0
        })
    }

    /// The mean of all pixels.
    pub(crate) fn global_pool(&self) -> Self {
        let pixels = self.size.0 * self.size.1;
        Self::new(self.channels, (1, 1), |c, _, _| {
            self.values[c * pixels..][..pixels].iter().sum::<f64>() / pixels as f64
        })
    }
}

#[test]
fn the_oracle_agrees_with_hand_computed_cases() {
    let map = Map::new(1, (3, 3), |_, y, x| (3 * y + x + 1) as f64);
    let filter =
        Parameters { weights: vec![1.0, 0.0, -1.0, 2.0, 1.0, 0.0, 0.0, 3.0, 1.0], bias: vec![0.5] };
    let window = Window::same((3, 3), 2);
    // Top left: the middle tap on 1, the right one on 2, the lower ones on 4 and 5, and so on.
    assert_eq!(map.conv(window, &filter).values, [18.5, 25.5, 2.5, 30.5]);
    assert_eq!(map.depthwise(window, &filter).values, [18.5, 25.5, 2.5, 30.5]);
    assert_eq!(map.avg_pool2x2().values, [3.0]);
    assert_eq!(map.global_pool().values, [5.0]);
    let gate = Map::new(1, (2, 1), |_, y, _| [10.0, 100.0][y]);
    assert_eq!(map.gate(&gate).values, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 700.0, 800.0, 900.0]);
    let sum = Parameters { weights: vec![1.0, 2.0], bias: vec![0.0] };
    assert_eq!(map.concat(&map, 2).matrix(&sum).values[..2], [3.0, 6.0]);
    assert_eq!(activate(Activation::HardSigmoid, 1.5), 0.75);
    assert_eq!(activate(Activation::Sigmoid, 0.0), 0.5);
}
