//! Results on stdout, in the format that was asked for.

use crate::exit::Output;
use crate::records::Tags;
use crate::shard::Share;
use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Stdout, Write};
use std::marker::PhantomData;
use std::path::Path;

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A few lines a picture, for people.
    Text,
    /// One list of objects.
    Json,
    /// One object a line, as soon as it is known.
    Jsonl,
    /// A table, with a row for each finding.
    Csv,
}

/// What a program says of one picture.
pub trait Record {
    /// Columns of the table, between path and error.
    const COLUMNS: &'static str;

    /// Lines for people, each of them ended.
    fn text(&self) -> String;

    /// Rows of the table, with [`quoted`] fields.
    fn rows(&self) -> Vec<String>;

    /// What stands in a JSON object, beside the path.
    fn fields(&self) -> Map<String, Value>;
}

/// Programs that print nothing of single pictures.
impl Record for () {
    const COLUMNS: &'static str = "";

    fn text(&self) -> String {
        String::new()
    }

    fn rows(&self) -> Vec<String> {
        Vec::new()
    }

    fn fields(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// Writes results as they come.
#[derive(Debug)]
pub struct Writer<R> {
    format: Format,
    out: BufWriter<Stdout>,
    written: usize,
    /// Whether several pictures are expected: text then names each.
    several: bool,
    /// Where the records of a shard belong.
    tags: Option<Tags>,
    record: PhantomData<R>,
}

impl<R: Record> Writer<R> {
    /// Writes what stands before all results, which are those of a share where there is one.
    ///
    /// # Errors
    /// [`Output`], as all of its methods.
    pub fn new(format: Format, several: bool, share: Option<&Share>) -> Result<Self> {
        let (out, tags) = (BufWriter::new(io::stdout()), share.map(Tags::new));
        let mut writer = Self { format, out, written: 0, several, tags, record: PhantomData };
        match format {
            Format::Json => writer.write("[")?,
            Format::Csv => writer.write(&format!("path,{},error\n", R::COLUMNS))?,
            Format::Text | Format::Jsonl => {}
        }
        Ok(writer)
    }

    /// Writes what is known of a picture.
    ///
    /// # Errors
    /// [`Output`].
    pub fn record(&mut self, path: &Path, record: &R) -> Result<()> {
        match self.format {
            Format::Text => {
                if self.several {
                    let blank = if self.written > 0 { "\n" } else { "" };
                    self.write(&format!("{blank}{}\n", path.display()))?;
                }
                self.write(&record.text())?;
            }
            Format::Csv => {
                let path = quoted(&path.to_string_lossy());
                for row in record.rows() {
                    self.write(&format!("{path},{row},\n"))?;
                }
            }
            Format::Json | Format::Jsonl => self.object(path, record.fields())?,
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
                let empty = ",".repeat(R::COLUMNS.split(',').count() + 1);
                let line = format!("{}{empty}{}\n", quoted(&path.to_string_lossy()), quoted(error));
                self.write(&line)?;
            }
            Format::Json | Format::Jsonl => {
                self.object(path, Map::from_iter([("error".to_owned(), json!(error))]))?;
            }
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

    fn object(&mut self, path: &Path, mut object: Map<String, Value>) -> Result<()> {
        object.insert("path".into(), json!(path.to_string_lossy()));
        if path.to_str().is_none() {
            // A name that is no text must survive all the same.
            object.insert("path_bytes".into(), json!(path.as_os_str().as_encoded_bytes()));
        }
        let (before, after) = match self.format {
            Format::Json => (if self.written > 0 { ",\n" } else { "\n" }, ""),
            _ => ("", "\n"),
        };
        let mut object = Value::Object(object).to_string();
        if let Some(tags) = &self.tags {
            object = tags.tagged(self.written, &object);
        }
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
pub fn quoted(text: &str) -> String {
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
