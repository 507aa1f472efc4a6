//! From pictures to a detector's input.

mod opencv;

use crate::bilinear;
use crate::placement::{Batch, InputConfig, Placement, Resampling};
use candle::{DType, Device, Error, Result, Tensor, bail};
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
            let (rows, columns) = placement.resized;
            for (plane, fitted) in
                pixels.chunks_exact_mut(area).zip(fitted.chunks_exact(rows * columns))
            {
                let rows = plane.chunks_exact_mut(width).zip(fitted.chunks_exact(columns));
                rows.for_each(|(row, fitted)| row[..columns].copy_from_slice(fitted));
            }
        }
        let shape = (pictures.len(), 3, height, width);
        let pixels = Tensor::from_vec(pixels, shape, &Device::Cpu)?.to_device(device)?;
        Ok(Batch { pixels: pixels.to_dtype(DType::F32)?, placements })
    }

    /// One picture resized and normalised: `[3, height, width]`.
    fn fitted(&self, picture: &Rgb8, placement: &Placement) -> Result<Vec<f32>> {
        let (original, resized) = (placement.original, placement.resized);
        let bytes = match self.resampling {
            Resampling::Torch => {
                let planes = self.normalised(picture.pixels());
                let planes = planes.chunks_exact(original.0 * original.1);
                return Ok(planes
                    .flat_map(|p| bilinear::resize_plane(p, original, resized))
                    .collect());
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
