//! Classification: pictures in a folder per class.

pub mod augment;
mod export;
mod folders;
mod loss;
mod network;
mod recipe;
mod soft;
mod task;

pub use augment::Augment;
pub use folders::{ClassFolders, Labelled};
pub use loss::cross_entropy;
pub use network::Classifier;
pub use recipe::ClassificationRecipe;
pub use soft::SoftTargets;
pub use task::{Batch, Classification};
