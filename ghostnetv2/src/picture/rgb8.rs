//! The one pixel format that the rest of the crate sees.

use super::{PictureError, PictureFault};

/// A picture of 8-bit RGB pixels, interleaved, row by row, without padding.
///
/// Both sides are at least one pixel, so code that takes a picture never meets an empty one.
#[derive(Clone, PartialEq, Eq)]
pub struct Rgb8 {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Rgb8 {
    /// Takes ownership of `pixels`, which must hold `width * height * 3` bytes.
    ///
    /// # Errors
    /// [`PictureFault::WrongLength`] if a side is zero or the length does not match.
    ///
    /// # Example
    /// ```
    /// use ghostnetv2::picture::Rgb8;
    ///
    /// let gray = Rgb8::new(2, 1, vec![128; 6])?;
    /// assert_eq!((gray.width(), gray.height()), (2, 1));
    /// assert!(Rgb8::new(2, 1, vec![128; 5]).is_err());
    /// # Ok::<(), ghostnetv2::picture::PictureError>(())
    /// ```
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, PictureError> {
        let expected = Self::byte_count(width, height);
        if width == 0 || height == 0 || expected != Some(pixels.len()) {
            let fault = PictureFault::WrongLength { width, height, found: pixels.len() };
            return Err(PictureError::in_memory(fault));
        }
        Ok(Self { width, height, pixels })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All bytes: red, green, blue of the top left pixel first, then along the row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Gives the bytes away, in the order of [`Rgb8::pixels`].
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Bytes of one row.
    pub(crate) fn stride(&self) -> usize {
        self.width as usize * 3
    }

    /// `width * height * 3`, or `None` where that does not fit the machine.
    pub(crate) fn byte_count(width: u32, height: u32) -> Option<usize> {
        (width as usize).checked_mul(height as usize)?.checked_mul(3)
    }
}

impl std::fmt::Debug for Rgb8 {
    /// Sizes only: a dump of the pixels helps nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rgb8({}x{})", self.width, self.height)
    }
}
