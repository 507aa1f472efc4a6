//! Pictures in batches, decoded in parallel while the network is busy with the batch before.

use anyhow::Result;
use candle::{Device, Tensor};
use clap::{Args, ValueEnum};
use ghostnetv2::picture::{self, DecodeOptions, PictureError, PictureFault};
use ghostnetv2::preprocess::Preprocess;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// `--exif`, `--allow-truncated`, `--max-pixels`.
#[derive(Args, Clone, Debug)]
pub struct PictureArgs {
    /// Whether to turn pictures as their EXIF orientation says [default: ignore where classes of
    /// whole pictures are asked for, as timm; apply where places in them are]
    #[arg(long, value_enum)]
    exif: Option<Exif>,
    /// Take truncated files, with what is there of the picture
    #[arg(long)]
    allow_truncated: bool,
    /// Refuse pictures of more pixels, before any memory is taken for them
    #[arg(long, value_name = "N", default_value_t = DecodeOptions::default().max_pixels)]
    max_pixels: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Exif {
    Ignore,
    Apply,
}

impl PictureArgs {
    /// As the decoder takes them, where classes of whole pictures are asked for.
    pub fn options(&self) -> DecodeOptions {
        self.with_default(picture::Exif::Ignore)
    }

    /// As the decoder takes them, where places in pictures are asked for.
    pub fn options_for_places(&self) -> DecodeOptions {
        self.with_default(picture::Exif::Apply)
    }

    fn with_default(&self, exif: picture::Exif) -> DecodeOptions {
        let exif = match self.exif {
            Some(Exif::Ignore) => picture::Exif::Ignore,
            Some(Exif::Apply) => picture::Exif::Apply,
            None => exif,
        };
        let (allow_truncated, max_pixels) = (self.allow_truncated, self.max_pixels);
        DecodeOptions { exif, allow_truncated, max_pixels, ..Default::default() }
    }
}

/// What is wrong with a picture, with the flag that is a way out where there is one.
pub fn said(error: &PictureError) -> String {
    match error.fault() {
        PictureFault::Truncated { .. } => format!("{error}: --allow-truncated"),
        PictureFault::TooManyPixels { .. } => format!("{error}: --max-pixels"),
        _ => error.to_string(),
    }
}

/// Some files, and the inputs of those that could be read.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Each file of the batch, in order, with the error of a bad one.
    pub files: Vec<(&'a Path, Result<(), PictureError>)>,
    /// `[B, 3, H, W]` of the good ones, in order; `None` where there are none.
    pub input: Option<Tensor>,
    /// Time that reading and preprocessing took.
    pub elapsed: Duration,
}

/// Calls `work` with batch after batch; the next one is read meanwhile.
///
/// # Errors
/// Those of `work`, which end it all. Bad pictures are part of the batches.
pub fn for_each_batch<'a>(
    files: &'a [PathBuf],
    size: usize,
    options: &DecodeOptions,
    preprocess: &Preprocess,
    device: &Device,
    work: impl FnMut(Batch<'a>) -> Result<()>,
) -> Result<()> {
    for_each_chunk(files, size, |chunk| read(chunk, options, preprocess, device), work)
}

/// Calls `work` with what `read` makes of some files after the other; the next ones are read
/// meanwhile.
///
/// # Errors
/// Those of `read` and `work`, which end it all.
pub fn for_each_chunk<'a, T: Send>(
    files: &'a [PathBuf],
    size: usize,
    read: impl Fn(&'a [PathBuf]) -> Result<T> + Sync,
    mut work: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let read = &read;
        scope.spawn(move || {
            for chunk in files.chunks(size.max(1)) {
                // An error is the receiver's leave: it stopped with an error of its own.
                if sender.send(read(chunk)).is_err() {
                    break;
                }
            }
        });
        for chunk in receiver {
            work(chunk?)?;
        }
        Ok(())
    })
}

fn read<'a>(
    files: &'a [PathBuf],
    options: &DecodeOptions,
    preprocess: &Preprocess,
    device: &Device,
) -> Result<Batch<'a>> {
    let start = Instant::now();
    let decode = |path: &PathBuf| picture::open(path, options).map(|rgb| preprocess.apply(&rgb));
    let decoded: Vec<_> = files.par_iter().map(decode).collect();
    let (mut data, mut results) = (Vec::new(), Vec::with_capacity(files.len()));
    for (path, input) in files.iter().zip(decoded) {
        results.push((path.as_path(), input.map(|pixels| data.extend(pixels))));
    }
    let good = results.iter().filter(|(_, result)| result.is_ok()).count();
    let (h, w) = (preprocess.height() as usize, preprocess.width() as usize);
    let input = match good {
        0 => None,
        _ => Some(Tensor::from_vec(data, (good, 3, h, w), device)?),
    };
    Ok(Batch { files: results, input, elapsed: start.elapsed() })
}
