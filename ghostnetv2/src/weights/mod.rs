//! Checkpoints: where they are, what is in them, and whether they fit.
//!
//! A [`ModelSource`] says where (a name on the hub, a folder, a file); opening it gives a
//! [`Checkpoint`], whose tensors are read when a network asks for them; loading fails with all
//! missing, unexpected and mis-shaped tensors in one message, or with all values that are not
//! numbers, or gives a network with every weight set.

mod checkpoint;
mod file;
mod format;
mod infer;
mod ledger;
mod source;
mod spelling;
mod timm_config;

pub use checkpoint::Checkpoint;
pub(crate) use file::open_file;
pub use source::ModelSource;
pub use timm_config::TimmConfig;
