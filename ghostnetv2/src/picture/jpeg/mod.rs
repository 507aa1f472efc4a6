//! JPEG, sample by sample like libjpeg-turbo with its default settings, which Pillow uses.
//!
//! Decodes baseline, extended sequential and progressive files with 8 bits per sample, Huffman
//! coding, 1, 3 or 4 components, any whole-numbered subsampling, interleaved or not. As strict as
//! Pillow: what libjpeg only warns of is accepted, what it stops at is refused. One thing is left
//! out: libjpeg smooths a progressive picture whose scans are not all there.
//!
//! Written here because the decoders at hand do not aim at libjpeg's samples; they differ from
//! them most at the edges of subsampled photos.

mod bits;
mod colour;
mod frame;
mod headers;
mod huffman;
mod idct;
mod marker;
mod plane;
mod progressive;
mod reader;
mod scan;
mod sequential;
mod standard;
mod tables;
mod upsample;

use rayon::prelude::*;

use super::{DecodeOptions, Decoded, PictureFault, Rgb8, exif};
pub(super) use colour::Colours;

use bits::BitReader;
use frame::Frame;
use headers::Headers;
use plane::Plane;
use progressive::Coefficients;
use reader::Reader;
use scan::Scan;
use tables::Quantisation;
use upsample::Upsampling;

/// Scans that are decoded at most. A picture needs a dozen; a small file with many more could
/// keep a machine busy for long.
const MAX_SCANS: usize = 200;

/// Rows are converted in parallel in parts of at least this many bytes.
const BYTES_PER_TASK: usize = 1 << 18;

/// Decodes a file that starts with a JPEG marker.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, PictureFault> {
    decode_as(bytes, options, None)
}

/// Decodes a file whose colours are known from elsewhere.
pub(super) fn decode_as(
    bytes: &[u8],
    options: &DecodeOptions,
    colours: Option<Colours>,
) -> Result<Decoded, PictureFault> {
    let mut headers = Headers::new();
    let mut reader = Reader::new(bytes, options.allow_truncated);
    reader.advance(2);
    let first = headers.next_scan(&mut reader, None)?;
    let (Some(first), Some(frame)) = (first, headers.frame.clone()) else {
        return Err(corrupt("no picture before the end marker"));
    };
    options.check_pixels(frame.width as u64, frame.height as u64)?;
    let output = Output::new(&headers, &frame, colours)?;
    let orientation = headers.exif.and_then(exif::orientation);
    let planes = read_scans(&mut headers, &frame, first, reader, options.allow_truncated)?;
    Ok(Decoded { picture: output.to_rgb(&planes), orientation })
}

/// Reads all scans into the planes of the components.
fn read_scans<'a>(
    headers: &mut Headers<'a>,
    frame: &Frame,
    mut scan: Scan,
    mut reader: Reader<'a>,
    allow_truncated: bool,
) -> Result<Vec<Plane>, PictureFault> {
    let is_only_scan = !frame.progressive && scan.components.len() == frame.components.len();
    let mut store = Store::new(frame);
    let mut steps = vec![None; frame.components.len()];
    for _ in 0..MAX_SCANS {
        for component in &scan.components {
            // A component keeps the table that was in force at its first scan.
            if steps[component.index].is_none() {
                let table = frame.components[component.index].table;
                steps[component.index] = Some(headers.tables.quantisation(table)?);
            }
        }
        let mut bits = BitReader::new(reader);
        match &mut store {
            Store::Samples(planes) => {
                sequential::decode_scan(frame, &scan, &headers.tables, &steps, &mut bits, planes)?;
            }
            Store::Coefficients(all) => {
                progressive::decode_scan(frame, &scan, &headers.tables, &mut bits, all)?;
            }
        }
        let (rest, pending) = bits.finish();
        reader = rest;
        match headers.next_scan(&mut reader, pending) {
            Ok(Some(_)) if is_only_scan => return Err(corrupt("a scan too many")),
            Ok(Some(next)) => scan = next,
            Ok(None) => return Ok(store.into_planes(frame, &steps)),
            // With all rows there, the end marker is not missed; with scans to come, it is.
            Err(PictureFault::Truncated { .. })
                if allow_truncated || is_only_scan && reader.rest().is_empty() =>
            {
                return Ok(store.into_planes(frame, &steps));
            }
            Err(fault) => return Err(fault),
        }
    }
    Err(unsupported(format!("more than {MAX_SCANS} scans")))
}

/// What the scans are gathered in.
enum Store {
    /// Sequential scans bring whole blocks.
    Samples(Vec<Plane>),
    /// Progressive scans bring parts of blocks.
    Coefficients(Vec<Coefficients>),
}

impl Store {
    fn new(frame: &Frame) -> Self {
        if frame.progressive {
            Self::Coefficients(frame.components.iter().map(Coefficients::new).collect())
        } else {
            Self::Samples(frame.components.iter().map(Plane::new).collect())
        }
    }

    fn into_planes(self, frame: &Frame, steps: &[Option<Quantisation>]) -> Vec<Plane> {
        match self {
            Self::Samples(planes) => planes,
            Self::Coefficients(all) => all
                .into_iter()
                .zip(&frame.components)
                .zip(steps)
                .map(|((coefficients, component), steps)| match steps {
                    Some(steps) => coefficients.into_plane(component, steps),
                    None => Plane::new(component),
                })
                .collect(),
        }
    }
}

/// How planes become a picture.
struct Output<'f> {
    frame: &'f Frame,
    upsampling: Vec<Upsampling>,
    colours: Colours,
}

impl<'f> Output<'f> {
    fn new(
        headers: &Headers<'_>,
        frame: &'f Frame,
        colours: Option<Colours>,
    ) -> Result<Self, PictureFault> {
        let upsampling: Result<_, _> =
            frame.components.iter().map(|component| Upsampling::of(component, frame)).collect();
        let ids: Vec<_> = frame.components.iter().map(|component| component.id).collect();
        let colours = colours.unwrap_or_else(|| Colours::of(headers, &ids));
        if colours.channels() != ids.len() {
            return Err(corrupt(format!("{} components as {colours:?}", ids.len())));
        }
        Ok(Self { frame, upsampling: upsampling?, colours })
    }

    fn to_rgb(&self, planes: &[Plane]) -> Rgb8 {
        let (width, height) = (self.frame.width, self.frame.height);
        // Upsampled rows may be some samples longer than the picture's.
        let length = self.frame.units().0 * self.frame.sampling.0 * frame::BLOCK;
        let mut pixels = vec![0; width * height * 3];
        pixels
            .par_chunks_exact_mut(width * 3)
            .enumerate()
            .with_min_len(BYTES_PER_TASK / (width * 3) + 1)
            .for_each_init(
                || (vec![vec![0; length]; planes.len()], vec![0; length]),
                |(rows, sums), (y, out)| {
                    for ((row, plane), upsampling) in
                        rows.iter_mut().zip(planes).zip(&self.upsampling)
                    {
                        upsampling.row(plane, y, sums, row);
                    }
                    self.colours.to_rgb(rows, out);
                },
            );
        Rgb8::new(width as u32, height as u32, pixels).expect("the size comes from the frame")
    }
}

fn corrupt(detail: impl ToString) -> PictureFault {
    PictureFault::corrupt("JPEG", detail)
}

fn unsupported(feature: impl ToString) -> PictureFault {
    PictureFault::unsupported("JPEG", feature)
}

fn truncated() -> PictureFault {
    PictureFault::Truncated { format: "JPEG" }
}
