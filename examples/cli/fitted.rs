//! Pictures fitted to a network that tells places in them, with the pictures themselves.

use anyhow::Result;
use candle::Device;
use ghostnetv2::picture::{self, DecodeOptions, PictureError, Rgb8};
use heads::placement::{Batch, InputConfig};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Some files, and what a network gets of those that could be read.
#[derive(Debug)]
pub struct Fitted<'a> {
    /// Each file, in order: the picture, or why there is none.
    pub files: Vec<(&'a Path, Result<(), PictureError>)>,
    /// The good ones, in order.
    pub pictures: Vec<Rgb8>,
    /// As the network takes them; `None` where there are none.
    pub batch: Option<Batch>,
    /// Time that reading and fitting took.
    pub elapsed: Duration,
}

/// Reads and fits some pictures.
///
/// # Errors
/// What keeps all of them from being fitted; bad pictures are part of the result.
pub fn read<'a>(
    files: &'a [PathBuf],
    options: &DecodeOptions,
    input: &InputConfig,
    device: &Device,
) -> Result<Fitted<'a>> {
    let start = Instant::now();
    let decoded: Vec<_> = files.par_iter().map(|path| picture::open(path, options)).collect();
    let (mut results, mut pictures) = (Vec::with_capacity(files.len()), Vec::new());
    for (path, picture) in files.iter().zip(decoded) {
        results.push((path.as_path(), picture.map(|picture| pictures.push(picture))));
    }
    let batch = match pictures.is_empty() {
        true => None,
        false => Some(input.batch(&pictures, device)?),
    };
    Ok(Fitted { files: results, pictures, batch, elapsed: start.elapsed() })
}
