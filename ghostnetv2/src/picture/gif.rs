//! The first frame of a GIF.

use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions as Options, DecodingError, MemoryLimit};

use super::{DecodeOptions, Decoded, PictureFault, Rgb8};

/// Decodes the first frame, on a canvas as large as the screen and the frame need.
///
/// What the frame leaves free has its transparent colour, or else the first of the palette: so
/// it is in Pillow. Without any palette, indices are gray levels.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, PictureFault> {
    let mut reading = Options::new();
    reading.set_color_output(ColorOutput::Indexed);
    let pixels = NonZeroU64::new(options.max_pixels).unwrap_or(NonZeroU64::MIN);
    reading.set_memory_limit(MemoryLimit::Bytes(pixels));
    let mut decoder = reading.read_info(Cursor::new(bytes)).map_err(fault)?;
    let screen = (decoder.width(), decoder.height());
    options.check_pixels(screen.0.into(), screen.1.into())?;

    let frame = decoder.next_frame_info().map_err(fault)?;
    let frame = frame.ok_or_else(|| corrupt("no frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let transparent = frame.transparent;
    let width = usize::from(screen.0).max(left + frame_width);
    let height = usize::from(screen.1).max(top + frame_height);
    options.check_pixels(width as u64, height as u64)?;

    let palette = decoder.palette().unwrap_or(&GRAYS).to_vec();
    let mut indices = vec![0; frame_width * frame_height];
    if let Err(error) = decoder.read_into_buffer(&mut indices) {
        // The decoder has filled what it could.
        match fault(error) {
            PictureFault::Truncated { .. } if options.allow_truncated => {}
            fault => return Err(fault),
        }
    }
    let mut canvas = vec![transparent.unwrap_or(0); width * height];
    if frame_width > 0 {
        let rows = canvas.chunks_exact_mut(width).skip(top);
        for (canvas, row) in rows.zip(indices.chunks_exact(frame_width)) {
            canvas[left..left + frame_width].copy_from_slice(row);
        }
    }
    let (colours, _) = palette.as_chunks::<3>();
    let rgb = canvas
        .into_iter()
        .flat_map(|index| colours.get(usize::from(index)).copied().unwrap_or_default())
        .collect();
    let picture = Rgb8::new(width as u32, height as u32, rgb)
        .map_err(|_| corrupt(format!("a size of {width}x{height}")))?;
    Ok(Decoded { picture, orientation: None })
}

/// The palette of a file without one.
static GRAYS: [u8; 3 * 256] = {
    let mut levels = [0; 3 * 256];
    let mut index = 0;
    while index < levels.len() {
        levels[index] = (index / 3) as u8;
        index += 1;
    }
    levels
};

fn fault(error: DecodingError) -> PictureFault {
    match error {
        DecodingError::UnexpectedEof => PictureFault::Truncated { format: "GIF" },
        DecodingError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureFault::Truncated { format: "GIF" }
        }
        error => corrupt(error),
    }
}

fn corrupt(detail: impl ToString) -> PictureFault {
    PictureFault::corrupt("GIF", detail)
}
