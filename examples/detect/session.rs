//! From a batch to results: compute, find, draw.

use crate::Args;
use crate::coco::Results;
use crate::record::{Found, Object};
use anyhow::Result;
use cli::detectors::Detector;
use cli::draw::{self, Mark, Pen};
use cli::exit::Outcome;
use cli::files::{self, with_ending};
use cli::fitted::{Item, Run, Task};
use cli::objects::Objects;
use cli::output::Writer;
use cli::shard::Share;
use cli::spent::Spent;
use cli::tensors;
use heads::boxes::Detections;
use heads::placement::{Batch, Placement};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) struct Session<'a> {
    pub(crate) args: &'a Args,
    pub(crate) detector: Box<dyn Detector>,
    pub(crate) objects: Objects,
    /// The classes that are shown; all where there are none.
    pub(crate) wanted: Vec<u32>,
    pub(crate) pen: Pen,
    pub(crate) results: Option<Results<'a>>,
    pub(crate) spent: Spent,
}

impl Session<'_> {
    pub(crate) fn pictures(mut self, paths: &[PathBuf], share: Option<&Share>) -> Result<Outcome> {
        let run = Run {
            paths,
            share,
            batch: self.args.batch.into(),
            one_input: self.args.dump.is_some(),
            options: self.args.decode.options_for_places(),
            input: self.detector.input(),
            device: self.detector.device(),
            out: self.args.out.as_deref(),
            format: Some(self.args.format),
            quiet: self.args.quiet,
        };
        let (outcome, reading) = run.through(&mut self)?;
        self.spent.add("reading", reading);
        self.results.take().map_or(Ok(()), |results| results.write(share, outcome))?;
        if self.args.timing {
            self.spent.print();
        }
        Ok(outcome)
    }

    /// A ready tensor, as if its pictures were of its size.
    pub(crate) fn tensor(mut self, path: &Path) -> Result<Outcome> {
        let batch = Batch::of_inputs(tensors::read_input(path, 3, &self.detector.device())?)?;
        let found = self.compute(&batch)?;
        let mut writer = Writer::new(self.args.format, found.len() > 1, None)?;
        for (i, found) in found.iter().enumerate() {
            writer.record(Path::new(&format!("{}[{i}]", path.display())), found)?;
        }
        writer.finish()?;
        if self.args.timing {
            self.spent.print();
        }
        Ok(Outcome::Complete)
    }

    /// The score of a YOLOv3 is that of a class by that of any object, so that it may be lower than
    /// that of the class.
    fn shown(&self, found: &Detections) -> Detections {
        let found = found.at_least(self.args.conf as f32);
        match self.wanted.is_empty() {
            true => found,
            false => found.of_classes(&self.wanted).truncated(self.args.max_det.into()),
        }
    }
}

impl Task for Session<'_> {
    type Answer = Found;
    type Row = Found;

    fn compute(&mut self, batch: &Batch) -> Result<Vec<Found>> {
        let dump = self.args.dump.as_deref();
        let detections = self.detector.detect(batch, &mut self.spent, dump)?;
        let found = |(placement, found): (&Placement, &Detections)| {
            Found::new(placement.original, &self.shown(found), &self.objects)
        };
        Ok(batch.placements.iter().zip(&detections).map(found).collect())
    }

    fn show(&mut self, item: Item<'_>, found: Found) -> Result<Found> {
        if let Some(name) = item.name {
            let start = Instant::now();
            let mark = |object: &Object| Mark {
                bbox: object.bbox,
                text: format!("{} {:.2}", object.label, object.score),
                class: object.class_id as usize,
            };
            let marks: Vec<_> = found.objects.iter().map(mark).collect();
            let image = self.pen.boxes(item.picture, &marks)?;
            files::write(&with_ending(name, ".png"), &draw::png(&image)?)?;
            self.spent.since("drawing", start);
        }
        if let Some(results) = &mut self.results {
            results.add(item.place, &found);
        }
        Ok(found)
    }
}
