//! Pictures fitted to a network that tells places in them, batch after batch: read, computed, shown.

use crate::exit::Outcome;
use crate::files::Names;
use crate::output::{Format, Record, Writer};
use crate::pictures::{for_each_chunk, said};
use crate::progress;
use crate::shard::{Share, share_of};
use anyhow::{Result, bail};
use candle::Device;
use ghostnetv2::picture::{self, DecodeOptions, PictureError, Rgb8};
use heads::placement::{Batch, InputConfig};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a program does with pictures.
pub trait Task {
    /// What the network says of a picture.
    type Answer;
    /// What is printed of it.
    type Row: Record;

    /// Answers for each picture of a batch.
    ///
    /// # Errors
    /// Whatever ends the program.
    fn compute(&mut self, batch: &Batch) -> Result<Vec<Self::Answer>>;

    /// A picture and its answer.
    ///
    /// # Errors
    /// Whatever ends the program.
    fn show(&mut self, item: Item<'_>, answer: Self::Answer) -> Result<Self::Row>;
}

/// A picture of a run.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its place among all pictures, or among those of the share.
    pub place: usize,
    /// Its file.
    pub path: &'a Path,
    /// Files for it are named so, with an ending, where they are wanted.
    pub name: Option<&'a Path>,
    /// Itself.
    pub picture: &'a Rgb8,
}

/// How a program goes through pictures.
#[derive(Debug)]
pub struct Run<'a> {
    /// The pictures of all shards.
    pub paths: &'a [PathBuf],
    /// Which of them are gone through, if not all.
    pub share: Option<&'a Share>,
    /// How many are read together; those of one size that follow each other go through the network
    /// together, so that what is found in a picture does not depend on the others.
    pub batch: usize,
    /// All that are read together are padded to the largest of them and go through the network as
    /// one input, which can be dumped.
    pub one_input: bool,
    /// How they are decoded.
    pub options: DecodeOptions,
    /// How they are fitted.
    pub input: InputConfig,
    /// Where the network computes.
    pub device: Device,
    /// Where files are written, if they are wanted.
    pub out: Option<&'a Path>,
    /// How results are printed, if they are.
    pub format: Option<Format>,
    /// No progress.
    pub quiet: bool,
}

impl Run<'_> {
    /// Goes through all pictures, bad ones included; also says how long reading took.
    ///
    /// # Errors
    /// Those of the task, and results that can't be written.
    pub fn through<T: Task>(&self, task: &mut T) -> Result<(Outcome, Duration)> {
        let several = self.paths.len() > 1;
        let writer = self.format.map(|format| Writer::<T::Row>::new(format, several, self.share));
        let mut writer = writer.transpose()?;
        // Names are those of the whole run: bad pictures and those of other shards have some too.
        let names = self.out.map(|out| {
            let mut names = Names::in_folder(out);
            share_of(self.share, self.paths.iter().map(|path| names.of(path)).collect())
        });
        let paths = share_of(self.share, self.paths.to_vec());
        let mut place = 0;
        let bar = progress::items(paths.len(), "pictures", self.quiet);
        let (mut failed, mut reading) = (0, Duration::ZERO);
        for_each_chunk(
            &paths,
            self.batch,
            |chunk| self.read(chunk),
            |fitted: Fitted| {
                reading += fitted.elapsed;
                let answers = fitted.batches.iter().map(|batch| task.compute(batch));
                let answers = answers.collect::<Result<Vec<_>>>()?;
                let mut answers = answers.into_iter().flatten().zip(&fitted.pictures);
                for (i, (path, result)) in (place..).zip(&fitted.files) {
                    if let Err(error) = result {
                        failed += 1;
                        let error = said(error);
                        bar.suspend(|| eprintln!("error: {error}"));
                        if let Some(writer) = &mut writer {
                            writer.failure(path, &error)?;
                        }
                        continue;
                    }
                    let Some((answer, picture)) = answers.next() else {
                        bail!("{}: the network has no answer", path.display())
                    };
                    let name = names.as_ref().map(|names| names[i].as_path());
                    let row = task.show(Item { place: i, path, name, picture }, answer)?;
                    if let Some(writer) = &mut writer {
                        bar.suspend(|| writer.record(path, &row))?;
                    }
                }
                place += fitted.files.len();
                bar.inc(fitted.files.len() as u64);
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        writer.map_or(Ok(()), Writer::finish)?;
        Ok((outcome(failed, paths.len()), reading))
    }

    fn read<'a>(&self, files: &'a [PathBuf]) -> Result<Fitted<'a>> {
        let start = Instant::now();
        let decoded: Vec<_> =
            files.par_iter().map(|path| picture::open(path, &self.options)).collect();
        let (mut results, mut pictures) = (Vec::with_capacity(files.len()), Vec::new());
        for (path, picture) in files.iter().zip(decoded) {
            results.push((path.as_path(), picture.map(|picture| pictures.push(picture))));
        }
        let padded = |picture: &Rgb8| {
            self.input.place((picture.height() as usize, picture.width() as usize)).padded
        };
        let together = |a: &Rgb8, b: &Rgb8| self.one_input || padded(a) == padded(b);
        let batches = pictures.chunk_by(together);
        let batches = batches.map(|pictures| Ok(self.input.batch(pictures, &self.device)?));
        let batches = batches.collect::<Result<Vec<_>>>()?;
        Ok(Fitted { files: results, pictures, batches, elapsed: start.elapsed() })
    }
}

/// Some files, and what a network gets of those that could be read.
struct Fitted<'a> {
    files: Vec<(&'a Path, Result<(), PictureError>)>,
    /// The good ones, in order.
    pictures: Vec<Rgb8>,
    /// All of them, as the network takes them.
    batches: Vec<Batch>,
    elapsed: Duration,
}

/// Draws on pictures without a network: `draw` gives a picture's file, or says what is wrong.
///
/// # Errors
/// Files that can't be written. Bad pictures are reported, and the rest goes on.
pub fn draw_each(
    paths: &[PathBuf],
    options: &DecodeOptions,
    out: &Path,
    draw: impl Fn(&Path, &Rgb8) -> Result<Vec<u8>>,
) -> Result<Outcome> {
    let mut names = Names::in_folder(out);
    let mut failed = 0;
    for path in paths {
        let name = names.of(path);
        let drawn = match picture::open(path, options) {
            Ok(picture) => draw(path, &picture).map_err(|error| format!("{error:#}")),
            Err(error) => Err(said(&error)),
        };
        match drawn {
            Ok(file) => crate::files::write(&crate::files::with_ending(&name, ".png"), &file)?,
            Err(error) => {
                failed += 1;
                eprintln!("error: {error}");
            }
        }
    }
    Ok(outcome(failed, paths.len()))
}

fn outcome(failed: usize, pictures: usize) -> Outcome {
    if failed == 0 {
        return Outcome::Complete;
    }
    eprintln!("{failed} of {pictures} pictures could not be read");
    Outcome::SomeFailed
}
