//! Batch-norm in training: each channel to mean 0 and variance 1 over the batch, scaled and shifted.
//!
//! # Source
//! Batch Normalization (arXiv 1502.03167), algorithm 1, and the gradients of its section 3;
//! statistics as `torch.nn.BatchNorm2d` has them.

use super::channel_affine::expect_channels;
use super::channelwise::{self, Extent, sum, sum_of_pairs, values};
use candle::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use std::sync::{Arc, OnceLock};

/// What a batch tells of each channel, `[C]` both and without gradients.
#[derive(Clone, Debug)]
pub struct Moments {
    /// The mean.
    pub mean: Tensor,
    /// The variance without bias: divided by one less than there are values.
    pub variance: Tensor,
}

/// Normalises by what the batch itself tells, with gradients for all three through that too.
///
/// # Shapes
/// `x`: `[B, C, H, W]`, `weight` and `bias`: `[C]` → `[B, C, H, W]`.
///
/// # Errors
/// Fewer than two values for each channel, shapes or types that do not fit each other.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use ghostnetv2::ops::batch_norm_train;
/// # fn main() -> candle::Result<()> {
/// let x = Tensor::new(&[1f32, 3.0], &Device::Cpu)?.reshape((2, 1, 1, 1))?;
/// let (one, none) = (Tensor::ones(1, DType::F32, &Device::Cpu)?, x.zeros_like()?.get(0)?);
/// let (y, moments) = batch_norm_train(&x, &one, &none.flatten_all()?, 0.0)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [-1.0, 1.0]);
/// assert_eq!(moments.mean.to_vec1::<f32>()?, [2.0]);
/// assert_eq!(moments.variance.to_vec1::<f32>()?, [2.0]);
/// # Ok(())
/// # }
/// ```
pub fn batch_norm_train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
) -> Result<(Tensor, Moments)> {
    let extent = Extent::of(x)?;
    expect_channels("batch-norm", extent, &[weight, bias])?;
    if extent.count() < 2 {
        bail!(
            "batch-norm of {:?} in training: expected at least 2 values for each channel; use \
             larger pictures or a larger batch",
            x.dims()
        )
    }
    #[cfg(feature = "cuda")]
    if super::cuda::takes_with(x, &[weight, bias]) {
        return super::cuda::batch_norm::batch_norm_train(extent, x, weight, bias, epsilon);
    }
    if !channelwise::takes(&[x, weight, bias]) {
        return by_candle(x, weight, bias, epsilon);
    }
    let normalisation = Arc::new(OnceLock::new());
    let op = Forward { extent, epsilon, normalisation: normalisation.clone() };
    let y = x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?;
    let Some(found) = normalisation.get() else { bail!("batch-norm: no statistics") };
    let unbiased = extent.count() as f64 / (extent.count() - 1) as f64;
    let tensor = |value: fn(&Channel) -> f64, factor: f64| {
        let values: Vec<f32> = found.iter().map(|c| (value(c) * factor) as f32).collect();
        Tensor::from_vec(values, extent.channels, x.device())
    };
    let (mean, variance) = (tensor(|c| c.mean, 1.0)?, tensor(|c| c.variance, unbiased)?);
    Ok((y, Moments { mean, variance }))
}

/// The same by ordinary operations, in at least single precision.
fn by_candle(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
) -> Result<(Tensor, Moments)> {
    let count = Extent::of(x)?.count() as f64;
    let dtype = x.dtype();
    let inner = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let x = x.to_dtype(inner)?;
    let mean = x.mean_keepdim((0, 2, 3))?;
    let centred = x.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim((0, 2, 3))?;
    let normalised = centred.broadcast_div(&(&variance + epsilon)?.sqrt()?)?;
    let as_map = |t: &Tensor| t.to_dtype(inner)?.reshape((1, (), 1, 1));
    let y = normalised.broadcast_mul(&as_map(weight)?)?.broadcast_add(&as_map(bias)?)?;
    let of_channels = |t: Tensor| t.detach().flatten_all()?.to_dtype(weight.dtype());
    let variance = (variance * (count / (count - 1.0)))?;
    let moments = Moments { mean: of_channels(mean)?, variance: of_channels(variance)? };
    Ok((y.to_dtype(dtype)?, moments))
}

/// How a channel is normalised.
#[derive(Clone, Copy, Debug)]
struct Channel {
    mean: f64,
    /// Divided by how many values there are.
    variance: f64,
    inverse_deviation: f64,
}

/// `(x, weight, bias) → y`; tells how it normalised besides.
struct Forward {
    extent: Extent,
    epsilon: f64,
    normalisation: Arc<OnceLock<Vec<Channel>>>,
}

/// `(x, weight, grad of y) → grad of x`; tells those of weight and bias besides.
struct Backward {
    extent: Extent,
    normalisation: Arc<OnceLock<Vec<Channel>>>,
    of_channels: OnceLock<[Vec<f32>; 2]>,
}

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values(x, x_layout)?;
        let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
        let count = self.extent.count() as f64;
        let means = self.extent.sums(|_, at| [sum(&x[at], |x| x)]);
        let means: Vec<f64> = means.into_iter().map(|[sum]| sum / count).collect();
        // Of differences from the mean: squares of the values themselves would lose its digits.
        let squares = self.extent.sums(|channel, at| {
            let mean = means[channel] as f32;
            [sum(&x[at.clone()], |x| (x - mean) * (x - mean)), sum(&x[at], |x| x - mean)]
        });
        let channel = |(&mean, [squares, rest]): (&f64, [f64; 2])| {
            let rest = rest / count; // the mean was rounded
            let variance = (squares / count - rest * rest).max(0.0);
            let inverse_deviation = 1.0 / (variance + self.epsilon).sqrt();
            Channel { mean, variance, inverse_deviation }
        };
        let channels: Vec<Channel> = means.iter().zip(squares).map(channel).collect();
        let y = self.extent.map(|channel, at, y| {
            let Channel { mean, inverse_deviation, .. } = channels[channel];
            let scale = (inverse_deviation * f64::from(weight[channel])) as f32;
            let (mean, bias) = (mean as f32, bias[channel]);
            y.iter_mut().zip(&x[at]).for_each(|(y, x)| *y = (x - mean) * scale + bias);
        });
        self.normalisation.get_or_init(|| channels);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let normalisation = self.normalisation.clone();
        let op = Backward { extent: self.extent, normalisation, of_channels: OnceLock::new() };
        let grad_x = x.apply_op3_no_bwd(weight, &grad.contiguous()?, &op)?;
        let Some([of_weight, of_bias]) = op.of_channels.into_inner() else {
            bail!("batch-norm: no gradients were computed")
        };
        let grad_weight = Tensor::from_vec(of_weight, weight.shape(), weight.device())?;
        let grad_bias = Tensor::from_vec(of_bias, bias.shape(), bias.device())?;
        Ok((Some(grad_x), Some(grad_weight), Some(grad_bias)))
    }
}

impl CustomOp3 for Backward {
    fn name(&self) -> &'static str {
        "batch-norm-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, x_layout)?, values(weight, weight_layout)?);
        let grad = values(grad, grad_layout)?;
        let Some(channels) = self.normalisation.get() else {
            bail!("batch-norm: a gradient before the result")
        };
        let count = self.extent.count() as f64;
        let sums = self.extent.sums(|channel, at| {
            let mean = channels[channel].mean as f32;
            let product = |x: f32, g: f32| (x - mean) * g;
            [sum_of_pairs(&x[at.clone()], &grad[at.clone()], product), sum(&grad[at], |g| g)]
        });
        let of_weight = sums
            .iter()
            .zip(channels)
            .map(|([product, _], channel)| (product * channel.inverse_deviation) as f32);
        let of_bias = sums.iter().map(|[_, sum]| *sum as f32).collect();
        self.of_channels.get_or_init(|| [of_weight.collect(), of_bias]);
        let grad_x = self.extent.map(|channel, at, grad_x| {
            let Channel { mean, inverse_deviation, .. } = channels[channel];
            let [product, sum] = sums[channel];
            let scale = (f64::from(weight[channel]) * inverse_deviation) as f32;
            let through_mean = (sum / count) as f32;
            let through_deviation =
                (product / count * inverse_deviation * inverse_deviation) as f32;
            let mean = mean as f32;
            for ((grad_x, x), g) in grad_x.iter_mut().zip(&x[at.clone()]).zip(&grad[at]) {
                *grad_x = (g - through_mean - (x - mean) * through_deviation) * scale;
            }
        });
        Ok((CpuStorage::F32(grad_x), x_layout.shape().clone()))
    }
}
