//! From pictures to a detector's input.

mod opencv;

use crate::placement::{Batch, InputConfig, Placement, Resampling, Size};
use candle::{DType, Device, Error, Result, Tensor, bail};
use ghostnetv2::ops::upsample_bilinear2d;
use ghostnetv2::picture::Rgb8;
use ghostnetv2::preprocess::{Filter, resize};

impl InputConfig {
    /// Fits pictures of any sizes into one input.
    ///
    /// # Shapes
    /// `[B, 3, H, W]`, as large as the largest of the fitted pictures needs.
    ///
    /// # Errors
    /// No pictures, what [`InputConfig::check`] refuses, or an input too large for the memory.
    ///
    /// # Example
    /// ```
    /// use candle::Device;
    /// use ghostnetv2::picture::Rgb8;
    /// use heads::placement::InputConfig;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let picture = Rgb8::new(40, 20, vec![128; 40 * 20 * 3])?;
    /// let batch = InputConfig::lite(320).batch(&[picture], &Device::Cpu)?;
    /// assert_eq!(batch.pixels.dims(), [1, 3, 320, 320]);
    /// assert_eq!(batch.placements[0].resized, (160, 320));
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(&self, pictures: &[Rgb8], device: &Device) -> Result<Batch> {
        self.check()?;
        let size = |p: &Rgb8| self.place((p.height() as usize, p.width() as usize));
        let placements: Vec<Placement> = pictures.iter().map(size).collect();
        let Some(height) = placements.iter().map(|p| p.padded.0).max() else {
            bail!("a batch without pictures: expected at least one")
        };
        let width = placements.iter().map(|p| p.padded.1).max().unwrap_or(0);
        let too_large = || {
            let count = pictures.len();
            Error::Msg(format!("no memory for {count} inputs of {height}x{width} pixels"))
        };
        let area = height.checked_mul(width).ok_or_else(too_large)?;
        let values = area.checked_mul(3 * pictures.len()).ok_or_else(too_large)?;
        let mut pixels = Vec::new();
        pixels.try_reserve_exact(values).map_err(|_| too_large())?;
        pixels.resize(values, 0f32);
        for ((picture, placement), pixels) in
            pictures.iter().zip(&placements).zip(pixels.chunks_exact_mut(3 * area))
        {
            let fitted = self.fitted(picture, placement)?;
            lay(&fitted, placement.resized, pixels, (height, width));
        }
        let shape = (pictures.len(), 3, height, width);
        let pixels = Tensor::from_vec(pixels, shape, &Device::Cpu)?.to_device(device)?;
        Ok(Batch { pixels: pixels.to_dtype(DType::F32)?, placements })
    }

    /// A picture that has been fitted already, normalised and padded with zeros to the right and
    /// below, as one input of `size`.
    ///
    /// # Shapes
    /// `[3, height, width]`, row by row.
    ///
    /// # Errors
    /// A picture that is larger.
    pub fn on_canvas(&self, picture: &Rgb8, size: Size) -> Result<Vec<f32>> {
        let own = (picture.height() as usize, picture.width() as usize);
        if own.0 > size.0 || own.1 > size.1 {
            bail!("a picture of {own:?} pixels for an input of {size:?}")
        }
        let mut pixels = vec![0.0; 3 * size.0 * size.1];
        lay(&self.normalised(picture.pixels()), own, &mut pixels, size);
        Ok(pixels)
    }

    /// One picture resized and normalised: `[3, height, width]`.
    fn fitted(&self, picture: &Rgb8, placement: &Placement) -> Result<Vec<f32>> {
        let (original, resized) = (placement.original, placement.resized);
        let bytes = match self.resampling {
            Resampling::Torch => {
                let planes = self.normalised(picture.pixels());
                return resized_planes(planes, original, resized);
            }
            Resampling::OpenCv => opencv::resize(picture.pixels(), original, resized),
            Resampling::Pillow => {
                let (height, width) = (resized.0 as u32, resized.1 as u32);
                let smaller = resize(picture, width, height, Filter::Bilinear);
                smaller.map_err(Error::wrap)?.into_pixels()
            }
        };
        Ok(self.normalised(&bytes))
    }

    /// Interleaved bytes as normalised planes.
    fn normalised(&self, bytes: &[u8]) -> Vec<f32> {
        let plane = |colour: usize| {
            let (mean, std) = (self.mean[colour], self.std[colour]);
            let levels: [f32; 256] =
                std::array::from_fn(|level| (level as f32 / 255.0 - mean) / std);
            let (pixels, _) = bytes.as_chunks::<3>();
            pixels.iter().map(move |pixel| levels[usize::from(pixel[colour])])
        };
        (0..3).flat_map(plane).collect()
    }
}

/// Copies planes to the top left of larger ones.
fn lay(planes: &[f32], own: Size, canvas: &mut [f32], size: Size) {
    let from = planes.chunks_exact(own.0 * own.1);
    for (plane, canvas) in from.zip(canvas.chunks_exact_mut(size.0 * size.1)) {
        let rows = plane.chunks_exact(own.1).zip(canvas.chunks_exact_mut(size.1));
        rows.for_each(|(row, canvas)| canvas[..own.1].copy_from_slice(row));
    }
}

impl Resampling {
    /// A picture in another size, height and width; PyTorch's numbers are rounded to bytes.
    ///
    /// # Errors
    /// A side of 0, or a size that there is no memory for.
    pub fn resize(self, picture: &Rgb8, to: Size) -> Result<Rgb8> {
        let from = (picture.height() as usize, picture.width() as usize);
        let too_large = || Error::Msg(format!("no pictures have {}x{} pixels", to.1, to.0));
        let side = |side: usize| match u32::try_from(side) {
            Ok(side) if side > 0 => Ok(side),
            _ => Err(too_large()),
        };
        let (height, width) = (side(to.0)?, side(to.1)?);
        let pixels = match self {
            Self::Pillow => {
                return resize(picture, width, height, Filter::Bilinear).map_err(Error::wrap);
            }
            Self::OpenCv => opencv::resize(picture.pixels(), from, to),
            Self::Torch => {
                let colour = |c| picture.pixels().iter().skip(c).step_by(3).map(|v| f32::from(*v));
                let planes = resized_planes((0..3).flat_map(colour).collect(), from, to)?;
                let pixel = |i: usize| [0, 1, 2].map(|c| planes[c * to.0 * to.1 + i].round() as u8);
                (0..to.0 * to.1).flat_map(pixel).collect()
            }
        };
        Rgb8::new(width, height, pixels).map_err(Error::wrap)
    }
}
/// The red, the green and the blue plane of a picture in another size.
fn resized_planes(planes: Vec<f32>, from: Size, to: Size) -> Result<Vec<f32>> {
    let planes = Tensor::from_vec(planes, (1, 3, from.0, from.1), &Device::Cpu)?;
    upsample_bilinear2d(&planes, to, false)?.flatten_all()?.to_vec1()
}
