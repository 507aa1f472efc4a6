//! Ranges for int8 on a disk: a small JSON file.
//!
//! `{"format": "ghostnet-calibration-1", "operations": 80, "ranges": [[2, 16, 0.0, 4.5], …]}`:
//! operation, channels, least and largest value of each matrix's input.

use crate::Error;
use crate::weights::open_file;
use engine::plan::{Calibration, OperandRange};
use serde_json::Value;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::Path;

/// What the files say of themselves.
const FORMAT: &str = "ghostnet-calibration-1";

/// Larger files are no ranges of these networks.
const MAX_FILE: u64 = 1 << 20;

/// Reads what [`write()`] wrote.
///
/// # Errors
/// A file that can't be read or is something else.
pub fn read(path: &Path) -> Result<Calibration, Error> {
    let (file, _) = open_file(path, MAX_FILE)?;
    let mut text = String::new();
    let read = file.take(MAX_FILE).read_to_string(&mut text);
    read.map_err(|source| Error::Io { path: path.into(), source })?;
    parse(&path.display().to_string(), &text)
}

/// Reads the text of such a file; `origin` names it in errors.
///
/// # Errors
/// Text of another form, ranges that are none.
///
/// # Example
/// ```
/// let text = r#"{"format": "ghostnet-calibration-1", "operations": 3, "ranges": [[2, 16, 0, 4.5]]}"#;
/// let calibration = ghostnetv2::calibration::parse("an example", text)?;
/// assert_eq!(calibration.ranges()[0].max, 4.5);
/// # Ok::<(), ghostnetv2::Error>(())
/// ```
pub fn parse(origin: &str, text: &str) -> Result<Calibration, Error> {
    let refuse = |reason: String| Error::Config { origin: origin.to_owned(), reason };
    let value: Value = serde_json::from_str(text)
        .map_err(|error| refuse(format!("{error}: expected the ranges that --calibrate makes")))?;
    if value["format"] != FORMAT {
        let found = &value["format"];
        return Err(refuse(format!("format {found}: expected {FORMAT:?}; calibrate again")));
    }
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let range = |value: &Value| {
        let [node, channels, min, max] = value.as_array()?.as_slice() else { return None };
        let (min, max) = (min.as_f64()? as f32, max.as_f64()? as f32);
        Some(OperandRange { node: number(node)?, channels: number(channels)?, min, max })
    };
    let ranges = || value["ranges"].as_array()?.iter().map(range).collect::<Option<Vec<_>>>();
    let Some((nodes, ranges)) = number(&value["operations"]).zip(ranges()) else {
        let form = "operations and ranges [operation, channels, least, largest]";
        return Err(refuse(format!("expected {form}; calibrate again")));
    };
    Calibration::from_ranges(nodes, ranges).map_err(|error| refuse(error.to_string()))
}

/// Writes ranges; a reader sees the old file or the new one, never a part.
///
/// # Errors
/// A file that can't be written.
pub fn write(path: &Path, calibration: &Calibration) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = write_new(&part, &text(calibration)).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        // The error that counts is the first one.
        let _ = fs::remove_file(&part);
        Error::Write { path: path.into(), source }
    })
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// One range a line, numbers as short as they can be without loss.
fn text(calibration: &Calibration) -> String {
    let mut text =
        format!("{{\"format\": {FORMAT:?}, \"operations\": {}, \"ranges\": [", calibration.nodes());
    for (i, range) in calibration.ranges().iter().enumerate() {
        let OperandRange { node, channels, min, max } = range;
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(text, "{comma}\n[{node}, {channels}, {min:?}, {max:?}]");
    }
    text + "\n]}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> Calibration {
        let mut state = 1u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(0x3000_0000 + (state >> 3) % 0x2000_0000)
        };
        let ranges = (0..count).map(|i| OperandRange {
            node: 2 * i,
            channels: i + 1,
            min: -number(),
            max: number(),
        });
        Calibration::from_ranges(2 * count + 1, ranges.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn files_keep_every_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranges.json");
        for count in [500, 0, 3] {
            let calibration = some(count);
            write(&path, &calibration).unwrap();
            assert_eq!(read(&path).unwrap(), calibration);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for (text, expected) in [
            ("", "expected the ranges that --calibrate makes"),
            ("[1, 2]", "expected \"ghostnet-calibration-1\""),
            (r#"{"format": "x"}"#, "expected \"ghostnet-calibration-1\""),
            (r#"{"format": "ghostnet-calibration-1"}"#, "operations and ranges"),
            (
                r#"{"format": "ghostnet-calibration-1", "operations": 3, "ranges": [[1, 2, 0]]}"#,
                "operations and ranges",
            ),
            (
                r#"{"format": "ghostnet-calibration-1", "operations": 3, "ranges": [[-1, 2, 0, 1]]}"#,
                "operations and ranges",
            ),
            (
                r#"{"format": "ghostnet-calibration-1", "operations": 3, "ranges": [[1, 2, 0, 1e300]]}"#,
                "around 0",
            ),
            (
                r#"{"format": "ghostnet-calibration-1", "operations": 1, "ranges": [[1, 2, 0, 1]]}"#,
                "operation 1 of 1",
            ),
        ] {
            let error = parse("here", text).unwrap_err().to_string();
            assert!(error.starts_with("here: ") && error.contains(expected), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(Error::NotAFile { .. })));
        let missing = folder.path().join("no/ranges.json");
        assert!(matches!(read(&missing), Err(Error::Io { .. })));
        assert!(matches!(write(&missing, &some(1)), Err(Error::Write { .. })));
    }
}
