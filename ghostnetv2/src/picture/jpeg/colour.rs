//! From the components' samples to RGB, with libjpeg's and Pillow's rounding.

use super::headers::Headers;
use crate::picture::convert;

/// What the components of a picture mean.
#[derive(Debug, Clone, Copy)]
pub(in crate::picture) enum Colours {
    Gray,
    Rgb,
    YCbCr,
    /// Cyan, magenta, yellow and black, inverted, as Adobe's programs write them.
    Cmyk,
    /// The same with the first three as YCbCr.
    Ycck,
}

impl Colours {
    /// Guesses from the markers, as libjpeg does. `ids` are the components' numbers.
    pub(super) fn of(headers: &Headers<'_>, ids: &[u8]) -> Self {
        match (ids, headers.adobe_transform) {
            ([_], _) => Self::Gray,
            ([_, _, _, _], None | Some(0)) => Self::Cmyk,
            ([_, _, _, _], _) => Self::Ycck,
            _ if headers.jfif => Self::YCbCr,
            (_, Some(0)) | (b"RGB", None) => Self::Rgb,
            _ => Self::YCbCr,
        }
    }

    /// Components that carry the colours.
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk | Self::Ycck => 4,
        }
    }

    /// Writes one row. `rows` holds the row of every component, at least as long as `out` needs.
    pub(super) fn to_rgb(self, rows: &[Vec<u8>], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0.iter_mut();
        match (self, rows) {
            (Self::Gray, [gray]) => pixels.zip(gray).for_each(|(pixel, &gray)| *pixel = [gray; 3]),
            (Self::Rgb, [red, green, blue]) => {
                for (((pixel, &red), &green), &blue) in pixels.zip(red).zip(green).zip(blue) {
                    *pixel = [red, green, blue];
                }
            }
            (Self::YCbCr, [y, cb, cr]) => {
                for (((pixel, &y), &cb), &cr) in pixels.zip(y).zip(cb).zip(cr) {
                    *pixel = ycbcr_to_rgb(y, cb, cr);
                }
            }
            (Self::Cmyk, [c, m, y, k]) => {
                for ((((pixel, &c), &m), &y), &k) in pixels.zip(c).zip(m).zip(y).zip(k) {
                    *pixel = convert::cmyk_to_rgb([c, m, y, k].map(|ink| 255 - ink));
                }
            }
            (Self::Ycck, [y, cb, cr, k]) => {
                for ((((pixel, &y), &cb), &cr), &k) in pixels.zip(y).zip(cb).zip(cr).zip(k) {
                    let [c, m, y] = ycbcr_to_rgb(y, cb, cr);
                    *pixel = convert::cmyk_to_rgb([c, m, y, 255 - k]);
                }
            }
            _ => {}
        }
    }
}

/// The conversion of JFIF, in 16 bits of fixed point.
///
/// Written with factors that fit in 16 bits: 1.402 = 1 + 0.402, 1.772 = 2 - 0.228, and
/// 0.71414 = 1 - 0.28586.
fn ycbcr_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + cr + ((cr * 26_345 + HALF) >> 16);
    let green = y - cr + ((cr * 18_734 - cb * 22_554 + HALF) >> 16);
    let blue = y + 2 * cb + ((HALF - cb * 14_942) >> 16);
    [red, green, blue].map(|level| level.clamp(0, 255) as u8)
}
