//! `metrics.jsonl`: a line for some steps and for every epoch.

use crate::Error;
use crate::checkpoint::write_whole;
use crate::task::Scores;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Its name in the folder of a run.
pub(super) const FILE: &str = "metrics.jsonl";

/// The open file.
#[derive(Debug)]
pub(super) struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the file to go on after `step`: lines of later steps, which a stopped run wrote after
    /// its last checkpoint, and a half line at the end are taken away.
    pub(super) fn open(folder: &Path, step: u64) -> Result<Self, Error> {
        let path = folder.join(FILE);
        if path.exists() {
            let rows = rows(&path)?;
            let kept = rows.iter().filter(|row| row["step"].as_u64().is_some_and(|s| s <= step));
            let text: String = kept.map(|row| format!("{row}\n")).collect();
            write_whole(&path, text.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(Self { file: file.map_err(Error::write(&path))?, path })
    }

    pub(super) fn step(
        &mut self,
        step: u64,
        epoch: u64,
        loss: f64,
        rate: f64,
        norm: f64,
    ) -> Result<(), Error> {
        self.line(&json!({
            "kind": "step", "step": step, "epoch": epoch, "loss": loss, "rate": rate,
            "gradient_norm": norm,
        }))
    }

    pub(super) fn epoch(
        &mut self,
        step: u64,
        epoch: u64,
        scores: &[(&str, Scores)],
        images_per_s: f64,
    ) -> Result<(), Error> {
        let mut row = json!({
            "kind": "epoch", "step": step, "epoch": epoch, "images_per_s": images_per_s,
        });
        for (name, scores) in scores {
            row[*name] = json!(scores.all);
        }
        self.line(&row)
    }

    /// One write for a line: a killed program leaves at most its last line unfinished.
    fn line(&mut self, row: &Value) -> Result<(), Error> {
        self.file.write_all(format!("{row}\n").as_bytes()).map_err(Error::write(&self.path))
    }

    /// To the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::write(&self.path))
    }
}

/// The lines that are whole.
pub(super) fn rows(path: &Path) -> Result<Vec<Value>, Error> {
    let text = fs::read(path).map_err(Error::read(path))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
