//! What int8 needs and costs: ranges for its rows, and the classes that each precision gets right.

use crate::network::Network;
use crate::row::{Backend, Row};
use anyhow::{Context, Result};
use candle::Device;
use cli::backend::Precision;
use cli::calibrate::Uncalibrated;
use cli::exit::Usage;
use cli::labels::Labels;
use cli::pictures::for_each_batch;
use ghostnetv2::picture::DecodeOptions;
use ghostnetv2::preprocess::Preprocess;
use ghostnetv2::weights::{Checkpoint, ModelSource};
use ghostnetv2::{Calibration, Config, PlanOptions, calibration};
use heads::data::imagenet;
use heads::eval::top_k::TopK;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Pictures that go through a network together while they are scored.
const BATCH: usize = 8;

/// Per cent of pictures whose class is right, in a row's precision and in f32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    pub(crate) top1: f64,
    pub(crate) top5: f64,
    pub(crate) top1_f32: f64,
}

/// Gives every int8 row of `rows` a file with ranges, from the pictures or the file `from`, else
/// from the row's own random input. The file that is returned holds new ones.
pub(crate) fn calibrate(rows: &mut [Row], from: Option<&Path>) -> Result<Option<NamedTempFile>> {
    let Some(first) = rows.iter().find(|row| row.precision == Precision::Int8) else {
        let Some(_) = from else { return Ok(None) };
        let text = "--calibrate: only --precision int8 needs it: leave it out, or add that";
        return Err(Usage(text.into()).into());
    };
    let (path, made) = match from {
        Some(path) if !path.is_dir() => (path.to_owned(), None),
        from => {
            let ranges = match from {
                Some(folder) => {
                    let (checkpoint, config, preprocess) = parts(first, "--calibrate")?;
                    let network = Uncalibrated { checkpoint: &checkpoint, config: &config };
                    network.calibrate(folder, &preprocess, &first.plan_options()?)?
                }
                None => of_random_input(first)?,
            };
            let file = NamedTempFile::new().context("can't make a temporary file")?;
            calibration::write(file.path(), &ranges)?;
            (file.path().to_owned(), Some(file))
        }
    };
    for row in rows.iter_mut().filter(|row| row.precision == Precision::Int8) {
        row.calibration = Some(path.clone());
    }
    Ok(made)
}

/// Ranges for timing only.
fn of_random_input(row: &Row) -> Result<Calibration> {
    let mut network = Network::load(&Row { precision: Precision::F32, batch: 1, ..row.clone() })?;
    let mut ranges = Calibration::default();
    network.calibrate(&mut ranges)?;
    Ok(ranges)
}

/// Scores the precision of every row with a plan on labelled pictures: a folder per class, or a
/// list.
pub(crate) fn score(rows: &mut [Row], pictures: &Path, calibrated: bool) -> Result<()> {
    if !calibrated && rows.iter().any(|row| row.precision == Precision::Int8) {
        let text = "--top1: int8 needs ranges of real pictures: add --calibrate DIR";
        return Err(Usage(text.into()).into());
    }
    let mut known: Vec<(Precision, TopK)> = Vec::new();
    for row in rows.iter_mut().filter(|row| row.backend == Backend::Plan) {
        for precision in [Precision::F32, row.precision] {
            if known.iter().all(|(scored, _)| *scored != precision) {
                known.push((precision, right(&Row { precision, ..row.clone() }, pictures)?));
            }
        }
        let percent = |precision: Precision| {
            known.iter().find(|(p, _)| *p == precision).map(|(_, top_k)| top_k.percent())
        };
        row.score = percent(row.precision)
            .zip(percent(Precision::F32))
            .map(|(own, single)| Score { top1: own.0, top5: own.1, top1_f32: single.0 });
    }
    Ok(())
}

/// How often a row's network is right, at the model's own size.
fn right(row: &Row, pictures: &Path) -> Result<TopK> {
    let (checkpoint, config, preprocess) = parts(row, "--top1")?;
    let labels = Labels::of_model(checkpoint.timm_config(), checkpoint.classes().unwrap_or(0))?;
    let labelled = match pictures.is_dir() {
        true => imagenet::folder(pictures)?,
        false => imagenet::list(pictures, None, &cli::labels::imagenet()?)?,
    };
    let (files, classes): (Vec<PathBuf>, Vec<usize>) = labelled
        .into_iter()
        .filter_map(|picture| Some((picture.path, labels.class_of(&picture.wnid)?)))
        .unzip();
    if files.is_empty() {
        let origin = checkpoint.origin();
        let text = format!("--top1: none of the pictures is of a class that {origin} knows");
        return Err(Usage(text).into());
    }
    let size = (preprocess.height() as usize, preprocess.width() as usize);
    let shape = [BATCH, config.in_channels, size.0, size.1];
    let plan = checkpoint.plan(Some(&config), &shape, &row.plan_options()?)?;
    let (mut top_k, mut classes) = (TopK::default(), classes.into_iter());
    let (strict, cpu) = (DecodeOptions::default(), Device::Cpu);
    for_each_batch(&files, BATCH, &strict, &preprocess, &cpu, |batch| {
        let scores: Vec<Vec<f32>> = match &batch.input {
            Some(input) => plan.forward(input)?.to_vec2()?,
            None => Vec::new(),
        };
        let mut scores = scores.iter();
        for ((path, result), class) in batch.files.iter().zip(&mut classes) {
            match result {
                Ok(()) => top_k.add(scores.next().context("a picture without scores")?, class),
                Err(error) => eprintln!("error: {}: {error}; left out", path.display()),
            }
        }
        Ok(())
    })?;
    Ok(top_k)
}

/// The checkpoint of a row, its architecture, and how it wants its pictures.
fn parts(row: &Row, flag: &str) -> Result<(Checkpoint, Config, Preprocess)> {
    let Some(path) = &row.weights else {
        let text = format!("{flag}: random weights know no pictures: add --weights");
        return Err(Usage(text).into());
    };
    let checkpoint = ModelSource::path(path.clone())?.open_local()?;
    let reparameterized = checkpoint.config().is_ok_and(|config| config.reparameterized);
    let config = Config { reparameterized, ..row.which.classifier()? };
    let about = checkpoint.timm_config().map_or_else(|| json!({}), |c| c.pretrained_cfg());
    let preprocess = Preprocess::from_timm(&about)
        .with_context(|| format!("pretrained_cfg of {}", checkpoint.origin()))?;
    Ok((checkpoint, config, preprocess))
}

impl Row {
    /// The options of its plan.
    pub(crate) fn plan_options(&self) -> Result<PlanOptions> {
        let options = PlanOptions::default().with_threads(self.threads.into());
        let precision = self.precision.of_plans()?;
        let options = options.with_precision(precision);
        Ok(match &self.calibration {
            Some(path) => options.with_calibration(calibration::read(path)?),
            None => options,
        })
    }
}
