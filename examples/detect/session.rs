//! Batch after batch: read, compute, find, draw, write.

use crate::Args;
use crate::coco::{Annotated, Results};
use crate::record::{Found, Object};
use anyhow::Result;
use candle::{Device, Tensor};
use cli::draw::{self, Mark, Pen};
use cli::exit::Outcome;
use cli::files::{self, Names, with_ending};
use cli::fitted::{self, Fitted};
use cli::objects::Objects;
use cli::output::Writer;
use cli::pictures::for_each_chunk;
use cli::{progress, tensors};
use ghostnetv2::picture::{self, Rgb8};
use heads::boxes::Detections;
use heads::placement::Batch;
use heads::retinanet::RetinaNet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) struct Session<'a> {
    args: &'a Args,
    detector: RetinaNet,
    objects: Objects,
    /// The classes that are shown; all where there are none.
    wanted: Vec<u32>,
    device: Device,
    pen: Pen,
    spent: Spent,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        args: &'a Args,
        detector: RetinaNet,
        objects: Objects,
        wanted: Vec<u32>,
        device: Device,
        pen: Pen,
    ) -> Self {
        Self { args, detector, objects, wanted, device, pen, spent: Spent::default() }
    }

    /// How long it took until here.
    pub(crate) fn loaded(&mut self, elapsed: Duration) {
        self.spent.loading = elapsed;
    }

    pub(crate) fn pictures(mut self, paths: &[PathBuf]) -> Result<Outcome> {
        let args = self.args;
        let mut writer = Writer::new(args.format, paths.len() > 1)?;
        let mut results = args.save_coco.as_deref().map(|file| Results::new(file, paths));
        let mut names = args.out.as_deref().map(Names::in_folder);
        let bar = progress::items(paths.len(), "pictures", args.quiet);
        let (options, device) = (args.decode.options_for_places(), self.device.clone());
        let input = self.detector.config().input;
        let read = |chunk| fitted::read(chunk, &options, &input, &device);
        let mut failed = 0;
        for_each_chunk(paths, args.batch.into(), read, |fitted: Fitted| {
            self.spent.reading += fitted.elapsed;
            let mut found = match &fitted.batch {
                Some(batch) => self.detect(batch)?,
                None => Vec::new(),
            }
            .into_iter()
            .zip(&fitted.pictures);
            for (path, result) in &fitted.files {
                // A bad picture has a name too, so that those of the others do not depend on it.
                let name = names.as_mut().map(|names| names.of(path));
                if let Err(error) = result {
                    failed += 1;
                    bar.suspend(|| eprintln!("error: {error}"));
                    writer.failure(path, &error.to_string())?;
                    continue;
                }
                let Some((found, picture)) = found.next() else {
                    anyhow::bail!("{}: no result", path.display())
                };
                if let Some(name) = name {
                    self.draw(&name, picture, &found)?;
                }
                results.iter_mut().for_each(|results| results.add(path, &found));
                bar.suspend(|| writer.record(path, &found))?;
            }
            bar.inc(fitted.files.len() as u64);
            Ok(())
        })?;
        bar.finish_and_clear();
        writer.finish()?;
        results.map_or(Ok(()), Results::write)?;
        self.end(failed, paths.len())
    }

    /// A ready tensor, as if its pictures were of its size.
    pub(crate) fn tensor(mut self, path: &Path) -> Result<Outcome> {
        let channels = 3;
        let batch = Batch::of_inputs(tensors::read_input(path, channels, &self.device)?)?;
        let found = self.detect(&batch)?;
        let mut writer = Writer::new(self.args.format, found.len() > 1)?;
        for (i, found) in found.iter().enumerate() {
            writer.record(Path::new(&format!("{}[{i}]", path.display())), found)?;
        }
        writer.finish()?;
        self.end(0, found.len())
    }

    fn detect(&mut self, batch: &Batch) -> Result<Vec<Found>> {
        let start = Instant::now();
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        let raw = self.detector.forward_t(&batch.pixels, false)?;
        self.spent.computing += start.elapsed();
        if let Some(path) = &self.args.dump {
            let mut named = vec![("input".to_owned(), batch.pixels.clone())];
            let level = |what: &'static str, maps: &[Tensor]| {
                let named = |(i, map): (usize, &Tensor)| (format!("{what}.{}", i + 3), map.clone());
                maps.iter().enumerate().map(named).collect::<Vec<_>>()
            };
            named.extend(level("logits", &raw.logits));
            named.extend(level("deltas", &raw.deltas));
            tensors::write(path, named)?;
        }
        let start = Instant::now();
        let detections = self.detector.detections(&raw, batch)?;
        self.spent.finding += start.elapsed();
        self.spent.pictures += detections.len();
        let found = |(placement, found): (&heads::placement::Placement, &Detections)| {
            Found::new(placement.original, &self.shown(found), &self.objects)
        };
        Ok(batch.placements.iter().zip(&detections).map(found).collect())
    }

    fn shown(&self, found: &Detections) -> Detections {
        match self.wanted.is_empty() {
            true => found.clone(),
            false => found.of_classes(&self.wanted).truncated(self.args.max_det.into()),
        }
    }

    fn draw(&mut self, name: &Path, picture: &Rgb8, found: &Found) -> Result<()> {
        let start = Instant::now();
        let mark = |object: &Object| Mark {
            bbox: object.bbox,
            text: format!("{} {:.2}", object.label, object.score),
            class: object.class_id as usize,
        };
        let marks: Vec<_> = found.objects.iter().map(mark).collect();
        let image = self.pen.boxes(picture, &marks)?;
        files::write(&with_ending(name, ".png"), &draw::png(&image)?)?;
        self.spent.drawing += start.elapsed();
        Ok(())
    }

    fn end(&self, failed: usize, pictures: usize) -> Result<Outcome> {
        if self.args.timing {
            self.spent.print();
        }
        Ok(outcome(failed, pictures))
    }
}

/// Draws annotations instead of detections.
pub(crate) fn draw_annotations(
    args: &Args,
    paths: &[PathBuf],
    annotated: &Annotated,
    pen: &Pen,
) -> Result<Outcome> {
    let Some(mut names) = args.out.as_deref().map(Names::in_folder) else {
        anyhow::bail!("--draw-annotations without --out")
    };
    let options = args.decode.options_for_places();
    let mut failed = 0;
    for path in paths {
        let name = names.of(path);
        let read = picture::open(path, &options).map_err(|error| error.to_string());
        match read.and_then(|picture| Ok((annotated.marks(path, &picture)?, picture))) {
            Ok((marks, picture)) => {
                let image = pen.boxes(&picture, &marks)?;
                files::write(&with_ending(&name, ".png"), &draw::png(&image)?)?;
            }
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

/// Where the time went.
#[derive(Debug, Default)]
struct Spent {
    loading: Duration,
    reading: Duration,
    computing: Duration,
    finding: Duration,
    drawing: Duration,
    pictures: usize,
}

impl Spent {
    fn print(&self) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        eprintln!("{:11}{:9.2} ms", "loading", ms(self.loading));
        let phases = [
            ("reading", self.reading),
            ("computing", self.computing),
            ("finding", self.finding),
            ("drawing", self.drawing),
        ];
        for (name, time) in phases {
            let each = ms(time) / self.pictures.max(1) as f64;
            eprintln!("{name:11}{:9.2} ms, {each:.2} a picture", ms(time));
        }
    }
}
