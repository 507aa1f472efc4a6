//! From a batch to results: compute, label, draw.

use crate::Args;
use crate::record::Areas;
use anyhow::Result;
use cli::draw::{self, Legend, Pen};
use cli::exit::Outcome;
use cli::files::{self, with_ending};
use cli::fitted::{Item, Run, Task};
use cli::output::Writer;
use cli::segmenters::Segmenter;
use cli::shard::Share;
use cli::spent::Spent;
use cli::{masks, tensors};
use heads::placement::Batch;
use heads::segmentation::{LabelMap, Sliding};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(crate) struct Session<'a> {
    pub(crate) args: &'a Args,
    pub(crate) network: Box<dyn Segmenter>,
    /// Of its classes.
    pub(crate) names: Vec<String>,
    pub(crate) sliding: Option<Sliding>,
    pub(crate) pen: Pen,
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
            input: self.network.input(),
            device: self.network.device(),
            out: self.args.out.as_deref(),
            format: Some(self.args.format),
            quiet: self.args.quiet,
        };
        let (outcome, reading) = run.through(&mut self)?;
        self.spent.add("reading", reading);
        if self.args.timing {
            self.spent.print();
        }
        Ok(outcome)
    }

    /// A ready tensor, as if its pictures were of its size.
    pub(crate) fn tensor(mut self, path: &Path) -> Result<Outcome> {
        let batch = Batch::of_inputs(tensors::read_input(path, 3, &self.network.device())?)?;
        let maps = self.compute(&batch)?;
        let mut writer = Writer::new(self.args.format, maps.len() > 1, None)?;
        for (i, map) in maps.iter().enumerate() {
            let name = format!("{}[{i}]", path.display());
            writer.record(Path::new(&name), &Areas::new(map, &self.names))?;
        }
        writer.finish()?;
        if self.args.timing {
            self.spent.print();
        }
        Ok(Outcome::Complete)
    }
}

impl Task for Session<'_> {
    type Answer = LabelMap;
    type Row = Areas;

    fn compute(&mut self, batch: &Batch) -> Result<Vec<LabelMap>> {
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        self.spent.pictures += batch.placements.len();
        let start = Instant::now();
        if let Some(sliding) = self.sliding {
            let maps = self.network.slide(batch, sliding)?;
            self.spent.since("computing", start);
            return Ok(maps);
        }
        let logits = self.network.forward(&batch.pixels, self.spent.steps.as_mut())?;
        self.spent.since("computing", start);
        if let Some(path) = &self.args.dump {
            let input = ("input".to_owned(), batch.pixels.clone());
            tensors::write(path, vec![input, ("logits".to_owned(), logits.clone())])?;
        }
        let start = Instant::now();
        let maps = self.network.label(&logits, batch)?;
        self.spent.since("labelling", start);
        Ok(maps)
    }

    fn show(&mut self, item: Item<'_>, map: LabelMap) -> Result<Areas> {
        let areas = Areas::new(&map, &self.names);
        if let Some(name) = item.name {
            let start = Instant::now();
            files::write(&with_ending(name, ".png"), &masks::png(&map)?)?;
            let legend = Legend(areas.legend());
            let overlay = self.pen.areas(item.picture, &map, self.args.opacity, &legend)?;
            files::write(&with_ending(name, ".overlay.png"), &draw::png(&overlay)?)?;
            self.spent.since("drawing", start);
        }
        Ok(areas)
    }
}
