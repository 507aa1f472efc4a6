//! The steps of a program, and who takes them.

use super::{Geometry, Grid};
use candle::Result;

/// An argument of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// From this element of the maps on.
    Map(usize),
    /// From this element of the weights on, which are stored as maps are.
    Weights(usize),
    /// From this element of the biases on, which are f32.
    Biases(usize),
    /// An operand that is left out.
    Null,
    /// A count, a size, or an activation.
    Int(i32),
    /// Sizes and a window.
    Geometry(Geometry),
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The kernel, without the type that it is for.
    pub kernel: &'static str,
    /// How it is laid over its output.
    pub grid: Grid,
    /// What it is given.
    pub arguments: Vec<Argument>,
}

/// For each picture, `y [m, n] = weights [m, k] · x [k, n]`, all in rows: a pointwise convolution,
/// as one strided batch of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// The first element of the weights.
    pub weights: usize,
    /// The first element of `x` among the maps.
    pub x: usize,
    /// The first element of `y` among the maps.
    pub y: usize,
    /// Output channels.
    pub m: usize,
    /// Pixels.
    pub n: usize,
    /// Input channels.
    pub k: usize,
    /// Pictures.
    pub batch: usize,
}

/// One thing that a device is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A kernel of this crate.
    Launch(Launch),
    /// A call of cuBLAS.
    Product(Product),
}

/// What a program runs on: memory for maps, weights and biases, and steps on them in order.
pub trait Machine {
    /// Launches a kernel.
    ///
    /// # Errors
    /// What the device says.
    fn launch(&mut self, launch: &Launch) -> Result<()>;

    /// Multiplies matrices.
    ///
    /// # Errors
    /// What the device says.
    fn product(&mut self, product: &Product) -> Result<()>;
}
