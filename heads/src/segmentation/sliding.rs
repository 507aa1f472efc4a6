//! Windows that slide over an input which is larger than what a network was trained on.

use crate::placement::Size;
use candle::{Result, bail};

/// Windows of one size that overlap; logits are averaged where they do.
///
/// # Source
/// `slide_inference` in mmsegmentation's `models/segmentors/encoder_decoder.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    /// Height and width of a window.
    pub window: Size,
    /// How far it is moved down and to the right, at most; the last ones lie at the borders.
    pub step: Size,
}

impl Sliding {
    /// The top left corners of all windows on an input, and their size, which is smaller where the
    /// input is.
    ///
    /// # Errors
    /// Windows or steps of nothing, or steps that leave gaps.
    pub(super) fn windows(&self, input: Size) -> Result<(Vec<(usize, usize)>, Size)> {
        let ((h, w), (down, across)) = (self.window, self.step);
        if down == 0 || across == 0 || down > h || across > w {
            bail!("windows of {h}x{w} pixels in steps of {down}x{across}: expected 1 to {h}x{w}")
        }
        let starts = |side: usize, window: usize, step: usize| {
            let count = side.saturating_sub(window).div_ceil(step) + 1;
            (0..count).map(move |i| (i * step).min(side.saturating_sub(window)))
        };
        let corners =
            starts(input.0, h, down).flat_map(|y| starts(input.1, w, across).map(move |x| (y, x)));
        Ok((corners.collect(), (h.min(input.0), w.min(input.1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_an_input_and_end_at_its_borders() -> Result<()> {
        let sliding = Sliding { window: (4, 5), step: (3, 5) };
        let (corners, size) = sliding.windows((8, 10))?;
        assert_eq!(size, (4, 5));
        assert_eq!(corners, [(0, 0), (0, 5), (3, 0), (3, 5), (4, 0), (4, 5)]);
        assert_eq!(sliding.windows((3, 5))?, (vec![(0, 0)], (3, 5)));
        for step in [(0, 1), (5, 5), (4, 6)] {
            assert!(Sliding { step, ..sliding }.windows((8, 8)).is_err());
        }
        Ok(())
    }
}
