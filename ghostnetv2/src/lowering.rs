//! What layers are for plans: weights in order, with batch-norm folded into them.
//!
//! Heads lower themselves into the network of their backbone with this and
//! [`Pyramid::lower`](crate::Pyramid::lower), and make a [`Plan`](crate::Plan) of both.

use crate::batch_norm::BatchNorm2d;
use candle::{CpuStorage, DType, Device, Result, Storage, Tensor};
use std::ops::{Deref, Range};

/// Weight and bias of a convolution without batch-norm, as plans take them.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use ghostnetv2::{BatchNorm2d, lowering::Folded};
/// # fn main() -> candle::Result<()> {
/// let weight = Tensor::ones((2, 3, 1, 1), DType::F32, &Device::Cpu)?;
/// let values = |a: f32, b: f32| Tensor::new(&[a, b], &Device::Cpu);
/// let tensors = [
///     ("running_mean".to_string(), values(0.0, 1.0)?),
///     ("running_var".to_string(), values(1.0, 4.0)?),
///     ("weight".to_string(), values(3.0, 4.0)?),
///     ("bias".to_string(), values(5.0, 6.0)?),
/// ];
/// let vb = VarBuilder::from_tensors(tensors.into(), DType::F32, &Device::Cpu);
/// let norm = BatchNorm2d::new(2, 0.0, vb)?;
/// let folded = Folded::new(&weight, None)?.then(&Folded::of_batch_norm(&norm)?);
/// let (weight, bias) = folded.get();
/// assert_eq!(weight, [3.0, 3.0, 3.0, 2.0, 2.0, 2.0]);
/// assert_eq!(bias, [5.0, 4.0]);
/// # Ok(())
/// # }
/// ```
pub struct Folded<'a> {
    weight: Values<'a>,
    bias: Values<'a>,
}

impl<'a> Folded<'a> {
    /// A weight `[O, …]` and a bias `[O]`, zeros where there is none.
    ///
    /// # Errors
    /// Tensors that can't be read.
    pub fn new(weight: &'a Tensor, bias: Option<&'a Tensor>) -> Result<Self> {
        let bias = match bias {
            Some(bias) => Values::of(bias)?,
            None => Values::Owned(vec![0.0; weight.dim(0)?]),
        };
        Ok(Self { weight: Values::of(weight)?, bias })
    }

    /// A batch-norm in evaluation, as a filter of one tap for each channel.
    ///
    /// # Errors
    /// Tensors that can't be read.
    pub fn of_batch_norm(norm: &BatchNorm2d) -> Result<Folded<'static>> {
        let ([weight, bias, mean, variance], epsilon) = norm.parts();
        let (weight, bias) = (Values::of(weight)?, Values::of(bias)?);
        let (mean, variance) = (Values::of(mean)?, Values::of(variance)?);
        let epsilon = epsilon as f32;
        let scale = |(weight, variance): (&f32, &f32)| weight / (variance + epsilon).sqrt();
        let scale: Vec<f32> = weight.get().iter().zip(variance.get()).map(scale).collect();
        let shift = |((bias, mean), scale): ((&f32, &f32), &f32)| bias - mean * scale;
        let shift = bias.get().iter().zip(mean.get()).zip(&scale).map(shift).collect();
        Ok(Folded { weight: Values::Owned(scale), bias: Values::Owned(shift) })
    }

    /// This convolution followed by a batch-norm.
    pub fn then(&self, norm: &Folded) -> Folded<'static> {
        let ((weight, bias), (scale, shift)) = (self.get(), norm.get());
        let filters = weight.chunks_exact((weight.len() / bias.len().max(1)).max(1));
        let mut product = Vec::with_capacity(weight.len());
        for (filter, scale) in filters.zip(scale) {
            product.extend(filter.iter().map(|weight| weight * scale));
        }
        let moved = |((bias, scale), shift): ((&f32, &f32), &f32)| bias * scale + shift;
        let bias = bias.iter().zip(scale).zip(shift).map(moved).collect();
        Folded { weight: Values::Owned(product), bias: Values::Owned(bias) }
    }

    /// The same without a hold on tensors.
    pub(crate) fn into_owned(self) -> Folded<'static> {
        let owned = |values: Values| Values::Owned(values.get().to_vec());
        Folded { weight: owned(self.weight), bias: owned(self.bias) }
    }

    /// Weight and bias, as the methods of [`NetworkBuilder`](engine::plan::NetworkBuilder) take
    /// them.
    pub fn get(&self) -> (&[f32], &[f32]) {
        (self.weight.get(), self.bias.get())
    }
}

/// Numbers in order: a tensor's own memory, where that is possible.
enum Values<'a> {
    Borrowed(Box<dyn Deref<Target = Storage> + 'a>, Range<usize>),
    Owned(Vec<f32>),
}

impl<'a> Values<'a> {
    fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) => {
                Ok(Self::Borrowed(Box::new(storage), start..end))
            }
            _ => {
                let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
                Ok(Self::Owned(tensor.flatten_all()?.to_vec1()?))
            }
        }
    }

    fn get(&self) -> &[f32] {
        match self {
            Self::Owned(values) => values,
            Self::Borrowed(storage, range) => match &***storage {
                Storage::Cpu(CpuStorage::F32(values)) => &values[range.clone()],
                _ => &[],
            },
        }
    }
}
