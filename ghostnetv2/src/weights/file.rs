//! A safetensors file whose tensors are read one by one, as they are asked for: a checkpoint is
//! never in memory both as bytes and as tensors.

use super::{format, spelling};
use crate::Error;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Larger files are no checkpoint of these networks; also ends reads of endless devices.
const MAX_FILE: u64 = 4 << 30;

/// The longest header, as in the safetensors crate.
const MAX_HEADER: usize = 100_000_000;

/// Bytes that tell what a file is.
const START: usize = 512;

/// Bytes that are read at once: they stay in a near cache until they are numbers.
const PIECE: usize = 64 << 10;

/// f16 that are converted at once.
const HALVES: usize = 512;

/// Named tensors of which only the header has been read.
#[derive(Debug)]
pub(super) struct TensorFile {
    origin: String,
    bytes: Bytes,
    /// Where the tensors begin.
    data: usize,
    tensors: BTreeMap<String, TensorInfo>,
}

impl TensorFile {
    /// A file on this machine.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let (file, len) = open_file(path, MAX_FILE)?;
        let origin = path.display().to_string();
        Self::new(origin, Bytes::File { path: path.into(), file: Mutex::new(file), len })
    }

    /// A file that is in memory; `origin` names it in errors.
    pub(super) fn in_memory(origin: String, bytes: Cow<'static, [u8]>) -> Result<Self, Error> {
        Self::new(origin, Bytes::Memory(bytes))
    }

    fn new(origin: String, bytes: Bytes) -> Result<Self, Error> {
        let (data, metadata) = header(&origin, &bytes)?;
        let stored = metadata.tensors();
        // One that is there under timm's name too keeps its own, and is one too many then.
        let named = |name: String| {
            let timms = spelling::timms(&name);
            let free = !stored.contains_key(timms.as_ref());
            if free { timms.into_owned() } else { name }
        };
        let tensors: BTreeMap<_, _> = stored
            .iter()
            .filter(|(name, _)| !spelling::is_ignored(name))
            .map(|(name, &info)| (named(name.clone()), info.clone()))
            .collect();
        let is_float = |dtype| matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64);
        if let Some((tensor, info)) = tensors.iter().find(|(_, info)| !is_float(info.dtype)) {
            let dtype = format!("{:?}", info.dtype);
            return Err(Error::Dtype { origin, tensor: tensor.clone(), dtype });
        }
        Ok(Self { origin, bytes, data, tensors })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The names of all tensors, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor.
    pub(super) fn dims(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|info| info.shape.as_slice())
    }

    /// Bytes of the largest tensor as f32.
    pub(super) fn largest(&self) -> usize {
        let elements = |info: &TensorInfo| info.shape.iter().product::<usize>();
        let largest = self.tensors.values().map(elements).max().unwrap_or(0);
        largest.saturating_mul(size_of::<f32>())
    }

    /// The values of a tensor as f32, `None` where there is none of that name.
    ///
    /// # Errors
    /// [`Error::Values`] where they are not all numbers, or a variance is below zero; a file that
    /// can't be read any more.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        let Some(info) = self.tensors.get(name) else { return Ok(None) };
        let (start, end) = info.data_offsets;
        let mut values = Vec::with_capacity(info.shape.iter().product());
        let mut finite = true;
        self.bytes.for_each_piece(self.data + start..self.data + end, |piece| {
            let start = values.len();
            append(&mut values, info.dtype, piece);
            // Now that they are in the cache. Not `all`, which would look at one after the other.
            finite &= values[start..].iter().fold(true, |finite, v| finite & v.is_finite());
        })?;
        match problem(name, &values, finite) {
            Some(problem) => {
                Err(Error::Values { origin: self.origin.clone(), problems: vec![problem] })
            }
            None => Ok(Some(values)),
        }
    }
}

/// Opens a regular file of at most `max` bytes, and tells how many there are. Looked at before it
/// is opened: a pipe would block for ever.
pub(crate) fn open_file(path: &Path, max: u64) -> Result<(File, usize), Error> {
    let io = |source| Error::Io { path: path.into(), source };
    let not_a_file = |reason: String| Error::NotAFile { path: path.into(), reason };
    let meta = fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "a folder" } else { "not a regular file" };
        return Err(not_a_file(format!("{what}: expected a file")));
    }
    let len = usize::try_from(meta.len()).ok().filter(|_| meta.len() <= max);
    let too_large = || not_a_file(format!("{} bytes: expected at most {max}", meta.len()));
    Ok((File::open(path).map_err(io)?, len.ok_or_else(too_large)?))
}

/// The bytes of a file.
#[derive(Debug)]
enum Bytes {
    Memory(Cow<'static, [u8]>),
    File { path: PathBuf, file: Mutex<File>, len: usize },
}

impl Bytes {
    fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File { len, .. } => *len,
        }
    }

    /// Calls `work` with pieces of whole values, in order.
    fn for_each_piece(
        &self,
        range: Range<usize>,
        mut work: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let (path, file) = match self {
            Self::Memory(bytes) => {
                bytes[range].chunks(PIECE).for_each(work);
                return Ok(());
            }
            Self::File { path, file, .. } => (path, file),
        };
        let mut read = || -> io::Result<()> {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(range.start as u64))?;
            let mut buffer = vec![0; PIECE.min(range.len())];
            let mut left = range.len();
            while left > 0 {
                let piece = &mut buffer[..PIECE.min(left)];
                file.read_exact(piece)?;
                work(piece);
                left -= piece.len();
            }
            Ok(())
        };
        read().map_err(|source| Error::Io { path: path.clone(), source })
    }

    fn to_vec(&self, range: Range<usize>) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(range.len());
        self.for_each_piece(range, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }
}

/// Where the tensors begin, and what they are: as the safetensors crate reads it, which would want
/// the whole file in memory.
fn header(origin: &str, bytes: &Bytes) -> Result<(usize, Metadata), Error> {
    let start = bytes.to_vec(0..START.min(bytes.len()))?;
    format::check(origin, &start)?;
    let invalid = |source| Error::Safetensors { origin: origin.into(), source };
    let Some((length, _)) = start.split_first_chunk() else {
        return Err(invalid(SafeTensorError::HeaderTooSmall));
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&n| n <= MAX_HEADER);
    let Some(length) = length else { return Err(invalid(SafeTensorError::HeaderTooLarge)) };
    let data = size_of::<u64>() + length;
    if data > bytes.len() {
        return Err(invalid(SafeTensorError::InvalidHeaderLength));
    }
    let json = bytes.to_vec(size_of::<u64>()..data)?;
    let metadata: Metadata = serde_json::from_slice(&json)
        .map_err(|error| invalid(SafeTensorError::InvalidHeaderDeserialization(error)))?;
    if bytes.len() - data != metadata.data_len() {
        return Err(invalid(SafeTensorError::MetadataIncompleteBuffer));
    }
    Ok((data, metadata))
}

fn append(values: &mut Vec<f32>, dtype: Dtype, bytes: &[u8]) {
    match dtype {
        // Many at once, for which there is an instruction.
        Dtype::F16 => bytes.chunks(2 * HALVES).for_each(|bytes| {
            let (mut halves, mut singles) = ([f16::ZERO; HALVES], [0.0; HALVES]);
            halves.iter_mut().zip(numbers(bytes, f16::from_le_bytes)).for_each(|(to, v)| *to = v);
            halves.convert_to_f32_slice(&mut singles);
            values.extend_from_slice(&singles[..bytes.len() / 2]);
        }),
        Dtype::BF16 => values.extend(numbers(bytes, bf16::from_le_bytes).map(f32::from)),
        Dtype::F64 => values.extend(numbers(bytes, f64::from_le_bytes).map(|v| v as f32)),
        _ => values.extend(numbers(bytes, f32::from_le_bytes)),
    }
}

fn numbers<const N: usize, T>(
    bytes: &[u8],
    number: impl Fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |&chunk| number(chunk))
}

/// What is wrong with the values of a tensor.
fn problem(name: &str, values: &[f32], finite: bool) -> Option<String> {
    if !finite {
        let bad = values.iter().filter(|value| !value.is_finite()).count();
        return Some(format!("{name}: {bad} of {} values are NaN or infinite", values.len()));
    }
    let negative = name.ends_with("running_var") && values.iter().any(|&value| value < 0.0);
    negative.then(|| format!("{name}: negative variance"))
}
