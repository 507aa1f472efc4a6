//! Where a picture ends up: the size it is resized to, and the part that is kept.

use std::ops::Range;

/// How a picture is fitted to the input size, by timm's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CropMode {
    /// The short side is resized to the input size over `crop_pct`; the centre is kept.
    Center,
    /// Both sides are resized to the input size over `crop_pct`, whatever the picture's shape;
    /// the centre is kept.
    Squash,
    /// The long side is resized to the input size over `crop_pct`; what is missing is filled
    /// with the mean colour.
    Border,
}

impl CropMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Center, Self::Squash, Self::Border];

    /// The name that timm's configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Center => "center",
            Self::Squash => "squash",
            Self::Border => "border",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// The two directions of a [`Placement`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) x: Span,
    pub(super) y: Span,
}

/// One direction: the resized picture's length, the part of it that is kept, and the padding
/// before that part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) resized: u64,
    pub(super) kept: Range<u64>,
    pub(super) padding: u64,
}

/// Width and height.
type Pair<T> = (T, T);

impl Placement {
    /// Places a picture of `source` size in an input of `input` size; `scaled` is the input size
    /// over `crop_pct`.
    pub(super) fn new(
        mode: CropMode,
        source: Pair<u32>,
        scaled: Pair<u32>,
        input: Pair<u32>,
    ) -> Self {
        let resized = match mode {
            CropMode::Squash => (scaled.0.into(), scaled.1.into()),
            CropMode::Center if scaled.0 == scaled.1 => short_side(source, scaled.0),
            CropMode::Center => keep_ratio(source, scaled, f64::min),
            CropMode::Border => keep_ratio(source, scaled, f64::max),
        };
        Self { x: Span::centred(resized.0, input.0), y: Span::centred(resized.1, input.1) }
    }
}

impl Span {
    /// The middle `input` pixels of `resized`, or all of them with padding around.
    fn centred(resized: u64, input: u32) -> Self {
        let input = u64::from(input);
        if input > resized {
            return Self { resized, kept: 0..resized, padding: (input - resized) / 2 };
        }
        let start = half_to_even(resized - input);
        Self { resized, kept: start..start + input, padding: 0 }
    }
}

/// Half of `n`, where Python's `round` decides about the halves.
fn half_to_even(n: u64) -> u64 {
    let floor = n / 2;
    if n % 2 == 1 && floor % 2 == 1 { floor + 1 } else { floor }
}

/// torchvision's `Resize` with one number: the short side becomes `size`, the long side is
/// truncated.
fn short_side((width, height): Pair<u32>, size: u32) -> Pair<u64> {
    let long = |long: u32, short: u32| u64::from(size) * u64::from(long) / u64::from(short);
    if width <= height {
        (size.into(), long(height, width))
    } else {
        (long(width, height), size.into())
    }
}

/// timm's `ResizeKeepRatio`, rounded to even. Where a side of an extremely narrow picture would
/// round to no pixel at all, at which timm raises an error, it stays one pixel.
fn keep_ratio(source: Pair<u32>, scaled: Pair<u32>, choose: fn(f64, f64) -> f64) -> Pair<u64> {
    let [width, height] = [source.0, source.1].map(f64::from);
    let ratio = choose(height / f64::from(scaled.1), width / f64::from(scaled.0));
    let resized = |side: f64| ((side / ratio).round_ties_even() as u64).max(1);
    (resized(width), resized(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        assert_eq!([0, 1, 2, 3, 5, 7, 117].map(half_to_even), [0, 0, 1, 2, 2, 4, 58]);
    }

    #[test]
    fn the_long_side_is_truncated() {
        assert_eq!(short_side((640, 480), 256), (341, 256));
        assert_eq!(short_side((3, 7), 256), (256, 597));
        assert_eq!(short_side((1, u32::MAX), 256), (256, 256 * u64::from(u32::MAX)));
    }

    #[test]
    fn a_thin_picture_keeps_one_pixel() {
        let placed = Placement::new(CropMode::Border, (1, 4000), (256, 256), (224, 224));
        assert_eq!(placed.x, Span { resized: 1, kept: 0..1, padding: 111 });
        assert_eq!(placed.y, Span { resized: 256, kept: 16..240, padding: 0 });
    }
}
