//! Training of GhostNets and their heads.
//!
//! - [`network`]: what a step needs of a network, and how candle's gradients give it.
//! - [`task`]: what is learned, a data source, an objective and a score.
//! - [`run`]: the loop over both, with [`checkpoint`]s that survive being killed.
//! - [`optim`], [`schedule`], [`ema`]: PyTorch's and timm's numbers.
//! - [`recipe`]: what people tune, in epochs.
//! - [`seed`]: random numbers that are the same on every machine.
//! - [`classify`]: classification. [`detector`] and [`segmenter`] are the tasks of dense prediction,
//!   on the [`data`] that they read and with the augmentation of [`dense`].
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod classify;
pub mod data;
pub mod dense;
pub mod detector;
pub mod ema;
mod error;
mod export;
mod flat;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod network;
pub mod optim;
pub mod recipe;
pub mod run;
pub mod schedule;
pub mod seed;
pub mod segmenter;
mod start;
pub mod task;
pub mod variables;

pub use ema::{Decay, Ema};
pub use error::Error;
pub use network::{Autograd, Named, Network, OnEngine, Step, Vars};
pub use optim::{Groups, Optimizer, Rule};
pub use recipe::{Course, Recipe};
pub use run::{Observer, Options, Plan, train};
pub use schedule::{Schedule, Shape};
pub use seed::{Random, Seed};
pub use start::Start;
pub use task::{Place, Scores, Task};
pub use variables::Variables;
