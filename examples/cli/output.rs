//! Results on stdout, in the format that was asked for.

use crate::exit::Output;
use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Five lines a picture, for people.
    Text,
    /// One list of objects.
    Json,
    /// One object a line, as soon as it is known.
    Jsonl,
    /// A table: path, rank, index, label, probability.
    Csv,
}

/// A class that a picture may show.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// Its index.
    pub index: usize,
    /// Its name.
    pub label: String,
    /// Its share of the softmax, 0 to 1.
    pub probability: f32,
}

/// Writes results as they come.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    out: BufWriter<Stdout>,
    written: usize,
    /// Whether several pictures are expected: text then names each.
    several: bool,
}

impl Writer {
    /// Writes what stands before all results.
    ///
    /// # Errors
    /// [`Output`], as all of its methods.
    pub fn new(format: Format, several: bool) -> Result<Self> {
        let mut writer = Self { format, out: BufWriter::new(io::stdout()), written: 0, several };
        match format {
            Format::Json => writer.write("[")?,
            Format::Csv => writer.write("path,rank,index,label,probability,error\n")?,
            Format::Text | Format::Jsonl => {}
        }
        Ok(writer)
    }

    /// Writes the classes of a picture, best first.
    ///
    /// # Errors
    /// [`Output`].
    pub fn predictions(&mut self, path: &Path, predictions: &[Prediction]) -> Result<()> {
        match self.format {
            Format::Text => {
                if self.several {
                    let blank = if self.written > 0 { "\n" } else { "" };
                    self.write(&format!("{blank}{}\n", path.display()))?;
                }
                for p in predictions {
                    self.write(&format!("{:24}: {:.2}%\n", p.label, 100.0 * p.probability))?;
                }
            }
            Format::Csv => {
                let path = quoted(&path.to_string_lossy());
                for (rank, p) in (1..).zip(predictions) {
                    let label = quoted(&p.label);
                    let (index, probability) = (p.index, p.probability);
                    self.write(&format!("{path},{rank},{index},{label},{probability:.6},\n"))?;
                }
            }
            Format::Json | Format::Jsonl => {
                self.object(path, "predictions", json!(predictions))?;
            }
        }
        self.end_of_record()
    }

    /// Writes that a picture could not be read; text leaves that to stderr.
    ///
    /// # Errors
    /// [`Output`].
    pub fn failure(&mut self, path: &Path, error: &str) -> Result<()> {
        match self.format {
            Format::Text => return Ok(()),
            Format::Csv => {
                let line = format!("{},,,,,{}\n", quoted(&path.to_string_lossy()), quoted(error));
                self.write(&line)?;
            }
            Format::Json | Format::Jsonl => self.object(path, "error", json!(error))?,
        }
        self.end_of_record()
    }

    /// Writes what stands behind all results.
    ///
    /// # Errors
    /// [`Output`].
    pub fn finish(mut self) -> Result<()> {
        if self.format == Format::Json {
            self.write(if self.written > 0 { "\n]\n" } else { "]\n" })?;
        }
        Ok(self.out.flush().map_err(Output)?)
    }

    fn object(&mut self, path: &Path, key: &str, value: Value) -> Result<()> {
        let mut object = json!({ "path": path.to_string_lossy(), key: value });
        if path.to_str().is_none() {
            // A name that is no text must survive all the same.
            object["path_bytes"] = json!(path.as_os_str().as_encoded_bytes());
        }
        let (before, after) = match self.format {
            Format::Json => (if self.written > 0 { ",\n" } else { "\n" }, ""),
            _ => ("", "\n"),
        };
        self.write(&format!("{before}{object}{after}"))
    }

    fn end_of_record(&mut self) -> Result<()> {
        self.written += 1;
        Ok(self.out.flush().map_err(Output)?)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        Ok(self.out.write_all(text.as_bytes()).map_err(Output)?)
    }
}

/// A field of a CSV table (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields() {
        assert_eq!(quoted("cat"), "cat");
        assert_eq!(quoted("tench, \"Tinca\""), "\"tench, \"\"Tinca\"\"\"");
    }
}
