//! Ranges for int8: from pictures, from a file, or those that ship.

use crate::exit::Usage;
use crate::inputs;
use crate::pictures::for_each_batch;
use anyhow::{Result, bail};
use candle::Device;
use clap::Args;
use ghostnetv2::picture::DecodeOptions;
use ghostnetv2::preprocess::Preprocess;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Calibration, Config, PlanOptions, Precision, calibration};
use std::path::{Path, PathBuf};

/// Pictures that are read together.
const BATCH: usize = 8;

/// `--calibrate`, `--save-calibration`.
#[derive(Args, Clone, Debug, Default)]
pub struct CalibrateArgs {
    /// For int8: a folder of pictures like those to come, over which the ranges of the network's
    /// values are taken, or a file of --save-calibration [default for the built-in model: its own]
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,
    /// Write the ranges of --calibrate to a file
    #[arg(long, value_name = "FILE", requires = "calibrate")]
    save_calibration: Option<PathBuf>,
}

/// A network that has no ranges yet.
#[derive(Clone, Copy, Debug)]
pub struct Uncalibrated<'a> {
    /// Its weights.
    pub checkpoint: &'a Checkpoint,
    /// Its architecture.
    pub config: &'a Config,
}

impl CalibrateArgs {
    /// Refuses ranges where nothing needs them.
    ///
    /// # Errors
    /// [`Usage`].
    pub fn check(&self, int8: bool) -> Result<()> {
        if int8 || self.calibrate.is_none() {
            return Ok(());
        }
        let text = "--calibrate: only --precision int8 needs it: leave it out, or add that";
        Err(Usage(text.into()).into())
    }

    /// `options` with ranges for `network`, if its precision needs some; `built_in` is the text of
    /// those that ship with it.
    ///
    /// # Errors
    /// No ranges and no pictures, or bad ones.
    pub fn complete(
        &self,
        options: &PlanOptions,
        network: &Uncalibrated,
        preprocess: &Preprocess,
        built_in: Option<&str>,
    ) -> Result<PlanOptions> {
        if options.precision != Precision::Int8 {
            return Ok(options.clone());
        }
        let ranges = match (&self.calibrate, built_in) {
            (Some(path), _) if path.is_dir() => network.calibrate(path, preprocess, options)?,
            (Some(path), _) => calibration::read(path)?,
            (None, Some(text)) => calibration::parse("the built-in ranges", text)?,
            (None, None) => {
                let text = "--precision int8: this model's ranges are not known: add --calibrate \
                            DIR, a folder of pictures like those to come";
                return Err(Usage(text.into()).into());
            }
        };
        if let Some(path) = &self.save_calibration {
            calibration::write(path, &ranges)?;
        }
        Ok(options.clone().with_calibration(ranges))
    }
}

impl Uncalibrated<'_> {
    /// The ranges of its values over a folder of pictures, read as strictly as can be.
    ///
    /// # Errors
    /// A picture that can't be read, a folder without pictures.
    pub fn calibrate(
        &self,
        folder: &Path,
        preprocess: &Preprocess,
        options: &PlanOptions,
    ) -> Result<Calibration> {
        let files = inputs::expand(&[folder.to_owned()])?;
        let size = (preprocess.height() as usize, preprocess.width() as usize);
        let shape = [BATCH, self.config.in_channels, size.0, size.1];
        let options = options.clone().with_precision(Precision::F32);
        let plan = self.checkpoint.plan(Some(self.config), &shape, &options)?;
        let mut ranges = Calibration::default();
        let (strict, cpu) = (DecodeOptions::default(), Device::Cpu);
        for_each_batch(&files, BATCH, &strict, preprocess, &cpu, |batch| {
            if let Some((_, Err(error))) = batch.files.iter().find(|(_, result)| result.is_err()) {
                bail!(Usage(format!("--calibrate: {error}; leave that picture out")));
            }
            match &batch.input {
                Some(input) => Ok(plan.calibrate(input, &mut ranges)?),
                None => Ok(()),
            }
        })?;
        Ok(ranges)
    }
}
