//! From a picture to a network's input: timm's evaluation transform.
//!
//! A [`Preprocess`] resizes, crops and normalises exactly as timm 1.0.31's
//! `create_transform(.., is_training=False)` does on Pillow 13: the same bytes after the crop,
//! the same single-precision numbers after the normalisation.

mod axis;
mod error;
mod filter;
mod horizontal;
mod nearest;
mod placement;
mod resize;
mod timm;
mod vertical;

pub use error::PreprocessError;
pub use filter::Filter;
pub use placement::CropMode;
pub use resize::resize;

use crate::picture::Rgb8;
use placement::Placement;

/// The longest side of a network's input.
const MAX_SIDE: u32 = 1 << 14;

/// How pictures are made ready for one network.
///
/// [`Preprocess::default`] is what timm assumes of a model that says nothing: 224x224, bicubic,
/// centre crop of 0.875, ImageNet's mean and deviation. GhostNet and GhostNetV2 were published so.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    height: u32,
    width: u32,
    crop_pct: f64,
    crop_mode: CropMode,
    interpolation: Filter,
    mean: [f64; 3],
    std: [f64; 3],
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            height: 224,
            width: 224,
            crop_pct: 0.875,
            crop_mode: CropMode::Center,
            interpolation: Filter::Bicubic,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }
}

impl Preprocess {
    /// The same with another input size. The crop keeps its share of the picture.
    ///
    /// # Errors
    /// [`PreprocessError::Size`] if a side is zero or too long.
    ///
    /// # Example
    /// ```
    /// use ghostnetv2::preprocess::Preprocess;
    ///
    /// let wide = Preprocess::default().with_size(256, 320)?;
    /// assert_eq!((wide.height(), wide.width()), (256, 320));
    /// # Ok::<(), ghostnetv2::preprocess::PreprocessError>(())
    /// ```
    pub fn with_size(&self, height: u32, width: u32) -> Result<Self, PreprocessError> {
        let resized = Self { height, width, ..self.clone() };
        let sides = 1..=MAX_SIDE;
        if sides.contains(&height) && sides.contains(&width) && resized.scaled().is_some() {
            return Ok(resized);
        }
        Err(PreprocessError::Size { width: width.into(), height: height.into() })
    }

    /// Height of the network's input.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width of the network's input.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The share of the resized picture that the crop keeps, along each side.
    pub fn crop_pct(&self) -> f64 {
        self.crop_pct
    }

    /// How a picture is fitted to the input size.
    pub fn crop_mode(&self) -> CropMode {
        self.crop_mode
    }

    /// How a picture is resampled.
    pub fn interpolation(&self) -> Filter {
        self.interpolation
    }

    /// What is subtracted from red, green and blue, on a scale from 0 to 1.
    pub fn mean(&self) -> [f64; 3] {
        self.mean
    }

    /// What red, green and blue are divided by after that.
    pub fn std(&self) -> [f64; 3] {
        self.std
    }

    /// Resizes and crops (or pads) a picture to the input size.
    ///
    /// Only the part that is kept is computed, so that a picture of extreme shape costs no more
    /// memory than another.
    pub fn apply_u8(&self, picture: &Rgb8) -> Rgb8 {
        let placed = self.place(picture);
        let kept = resize::resize_part(
            picture,
            (placed.x.resized, placed.y.resized),
            placed.x.kept,
            placed.y.kept,
            self.interpolation,
        );
        if (kept.width(), kept.height()) == (self.width, self.height) {
            return kept;
        }
        self.pad(&kept, placed.x.padding as usize, placed.y.padding as usize)
    }

    /// Resizes, crops and normalises a picture.
    ///
    /// # Shapes
    /// `[3, height, width]`, row-major, of [`Preprocess::height`] and [`Preprocess::width`].
    pub fn apply(&self, picture: &Rgb8) -> Vec<f32> {
        let picture = self.apply_u8(picture);
        let planes: [Vec<f32>; 3] = std::array::from_fn(|colour| {
            let levels = self.normalised(colour);
            let pixels = picture.pixels().chunks_exact(3);
            pixels.map(|pixel| levels[usize::from(pixel[colour])]).collect()
        });
        planes.concat()
    }

    /// The value of every level of one colour, in torch's order of operations.
    fn normalised(&self, colour: usize) -> [f32; 256] {
        let (mean, std) = (self.mean[colour] as f32, self.std[colour] as f32);
        std::array::from_fn(|level| (level as f32 / 255.0 - mean) / std)
    }

    fn place(&self, picture: &Rgb8) -> Placement {
        let scaled = self.scaled().expect("checked when the size and the crop were set");
        let source = (picture.width(), picture.height());
        Placement::new(self.crop_mode, source, scaled, (self.width, self.height))
    }

    /// Width and height of the input over `crop_pct`, or `None` if that is not a size.
    fn scaled(&self) -> Option<(u32, u32)> {
        let scale = |side: u32| {
            let scaled = (f64::from(side) / self.crop_pct).floor();
            (1.0..=f64::from(i32::MAX)).contains(&scaled).then_some(scaled as u32)
        };
        scale(self.width).zip(scale(self.height))
    }

    fn pad(&self, kept: &Rgb8, left: usize, top: usize) -> Rgb8 {
        let stride = self.width as usize * 3;
        let mut canvas = self.border_colour().repeat(self.width as usize * self.height as usize);
        let rows = canvas.chunks_exact_mut(stride).skip(top);
        for (out, row) in rows.zip(kept.pixels().chunks_exact(kept.stride())) {
            out[left * 3..left * 3 + row.len()].copy_from_slice(row);
        }
        Rgb8::new(self.width, self.height, canvas).expect("the canvas has the input size")
    }

    fn border_colour(&self) -> [u8; 3] {
        match self.crop_mode {
            CropMode::Border => self.mean.map(|mean| (255.0 * mean).round_ties_even() as u8),
            CropMode::Center | CropMode::Squash => [0; 3],
        }
    }
}
