//! Brings the planes of lower resolution to the size of the picture, as libjpeg does by default.

use super::frame::{Component, Frame};
use super::plane::Plane;
use super::unsupported;
use crate::picture::PictureFault;

/// How one component is brought to full size.
#[derive(Clone, Copy)]
pub(super) enum Upsampling {
    /// It has full size.
    None,
    /// Twice as wide, linear.
    Horizontal,
    /// Twice as high, linear.
    Vertical,
    /// Twice as wide and high, linear.
    Both,
    /// Samples are repeated, across and down.
    Repeat(usize, usize),
}

impl Upsampling {
    pub(super) fn of(component: &Component, frame: &Frame) -> Result<Self, PictureFault> {
        let (max, own) = (frame.sampling, component.sampling);
        if !max.0.is_multiple_of(own.0) || !max.1.is_multiple_of(own.1) {
            return Err(unsupported("fractional subsampling"));
        }
        // libjpeg interpolates across only where there are enough samples for its fast code.
        let wide = component.width > 2;
        Ok(match (max.0 / own.0, max.1 / own.1) {
            (1, 1) => Self::None,
            (2, 1) if wide => Self::Horizontal,
            (1, 2) => Self::Vertical,
            (2, 2) if wide => Self::Both,
            (across, down) => Self::Repeat(across, down),
        })
    }

    /// Writes the picture's row `y` of the component to `out`, which is as long as the row, plus
    /// some samples of no meaning.
    pub(super) fn row(self, plane: &Plane, y: usize, sums: &mut [i16], out: &mut [u8]) {
        // The row that covers this one, and the one on the nearer side of that.
        let near = plane.row(y / 2);
        let far = if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 };
        match self {
            Self::None => out[..plane.row(y).len()].copy_from_slice(plane.row(y)),
            Self::Horizontal => {
                sums.iter_mut().zip(plane.row(y)).for_each(|(sum, &near)| *sum = near.into());
                interpolate::<2>(&sums[..plane.row(y).len()], [1, 2], out);
            }
            Self::Vertical => {
                let bias = 1 + (y % 2) as i16;
                for ((out, &near), &far) in out.iter_mut().zip(near).zip(plane.row(far)) {
                    *out = ((i16::from(near) * 3 + i16::from(far) + bias) >> 2) as u8;
                }
            }
            Self::Both => {
                for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(plane.row(far)) {
                    *sum = i16::from(near) * 3 + i16::from(far);
                }
                interpolate::<4>(&sums[..near.len()], [8, 7], out);
            }
            Self::Repeat(across, down) => {
                let row = plane.row(y / down);
                for (out, &sample) in out.chunks_mut(across).zip(row) {
                    out.fill(sample);
                }
            }
        }
    }
}

/// Makes two samples of each sum, three quarters of it and one of its neighbour's; at the ends,
/// the sum is its own neighbour. The two biases alternate, so that halves are not always rounded
/// up. There are at least two sums.
fn interpolate<const SHIFT: usize>(sums: &[i16], biases: [i16; 2], out: &mut [u8]) {
    // Sums are at most 4 * 255, so nothing wraps; saying so keeps the loop free of checks.
    let quarters = |near: i16, far: i16, bias: i16| {
        (near.wrapping_mul(3).wrapping_add(far).wrapping_add(bias) >> SHIFT) as u8
    };
    let pair = |before: i16, sum: i16, after: i16| {
        [quarters(sum, before, biases[0]), quarters(sum, after, biases[1])]
    };
    let (&[first, second, ..], &[.., before_last, last]) = (sums, sums) else { return };
    let out = &mut out.as_chunks_mut().0[..sums.len()];
    for (out, window) in out[1..].iter_mut().zip(sums.windows(3)) {
        *out = pair(window[0], window[1], window[2]);
    }
    out[0] = pair(first, first, second);
    out[sums.len() - 1] = pair(before_last, last, last);
}
