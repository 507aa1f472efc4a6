//! Batch-norm as a layer: what it has seen in training, and what it makes of that in evaluation.

use crate::ops::{Moments, batch_norm_train, channel_affine};
use crate::training::TrainingBuilder;
use candle::{Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};
use engine::training::Value;

/// The share of a batch in running statistics: PyTorch's `momentum`.
pub(crate) const MOMENTUM: f64 = 0.1;

/// Batch-norm over the channels of `[B, C, H, W]`.
///
/// In training it normalises by the batch, and its running statistics, which are variables then,
/// follow. One whose running statistics are no variables is frozen: it has nothing to keep them in,
/// and does in training what it does in evaluation, as torchvision's `FrozenBatchNorm2d`; its weight
/// and bias still have gradients where they are variables.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use ghostnetv2::BatchNorm2d;
/// # fn main() -> candle::Result<()> {
/// let variables = VarMap::new();
/// let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
/// let norm = BatchNorm2d::new(3, 1e-5, vb)?;
/// norm.forward_t(&Tensor::full(2f32, (1, 3, 4, 4), &Device::Cpu)?, true)?;
/// assert_eq!(norm.running_mean().to_vec1::<f32>()?, [0.2; 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BatchNorm2d {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    epsilon: f64,
}

impl BatchNorm2d {
    /// With `weight`, `bias`, `running_mean` and `running_var` under `vb`.
    ///
    /// # Errors
    /// What `vb` says.
    pub fn new(channels: usize, epsilon: f64, vb: VarBuilder) -> Result<Self> {
        let get = |name, start| vb.get_with_hints(channels, name, Init::Const(start));
        Ok(Self {
            weight: get("weight", 1.0)?,
            bias: get("bias", 0.0)?,
            running_mean: get("running_mean", 0.0)?,
            running_var: get("running_var", 1.0)?,
            epsilon,
        })
    }

    /// The mean of what was seen in training, `[C]`.
    pub fn running_mean(&self) -> &Tensor {
        &self.running_mean
    }

    /// The variance of what was seen in training, `[C]`.
    pub fn running_var(&self) -> &Tensor {
        &self.running_var
    }

    /// Whether it does in training what it does in evaluation.
    pub fn is_frozen(&self) -> bool {
        !(self.running_mean.is_variable() && self.running_var.is_variable())
    }

    /// `[B, C, H, W]` → the same.
    ///
    /// # Errors
    /// Another number of channels, or in training fewer than two values for each.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if train && !self.is_frozen() {
            let (y, batch) = batch_norm_train(x, &self.weight, &self.bias, self.epsilon)?;
            self.follow(&batch)?;
            return Ok(y);
        }
        let (scale, shift) = self.affine()?;
        channel_affine(x, &scale, &shift)
    }

    fn follow(&self, batch: &Moments) -> Result<()> {
        let running = [(&self.running_mean, &batch.mean), (&self.running_var, &batch.variance)];
        for (running, batch) in running {
            let moved = ((running.detach() * (1.0 - MOMENTUM))? + (batch * MOMENTUM)?)?;
            // Of a variable, this is the variable itself and no copy.
            Var::from_tensor(running)?.set(&moved)?;
        }
        Ok(())
    }

    /// Evaluation as `x * scale + shift`, each `[C]`: what fusing into a convolution needs.
    ///
    /// # Errors
    /// What candle says of the arithmetic.
    pub fn affine(&self) -> Result<(Tensor, Tensor)> {
        let deviation = (self.running_var.detach() + self.epsilon)?.sqrt()?;
        let scale = (&self.weight / deviation)?;
        let shift = (&self.bias - (self.running_mean.detach() * &scale)?)?;
        Ok((scale, shift))
    }

    /// Adds this to a network in training, with a ReLU behind it where `relu`.
    ///
    /// # Errors
    /// A value of another number of channels, tensors that are not f32 on a CPU.
    pub fn lower_t(&self, net: &mut TrainingBuilder, x: Value, relu: bool) -> Result<Value> {
        net.batch_norm(x, self, relu)
    }

    /// Weight, bias, running mean, running variance, and epsilon.
    pub(crate) fn parts(&self) -> ([&Tensor; 4], f64) {
        ([&self.weight, &self.bias, &self.running_mean, &self.running_var], self.epsilon)
    }
}
