//! Batch-norm and channel-wise scales on a GPU: statistics stay there.

use super::super::batch_norm::Moments;
use super::super::channelwise::Extent;
use super::{BATCH_NORM, Operand, launch, on_storage, only_on_a_gpu};
use crate::gpu::Grid;
use candle::backend::BackendStorage;
use candle::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor,
};

type Three = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

/// As [`batch_norm_train`](super::super::batch_norm_train), of operands on a GPU.
pub(in super::super) fn batch_norm_train(
    extent: Extent,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
) -> Result<(Tensor, Moments)> {
    let x = x.contiguous()?;
    let moments = x.apply_op1_no_bwd(&Statistics { extent, epsilon })?; // [3, C]
    let op = Normalise { extent, moments: moments.clone() };
    let y = x.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?;
    let unbiased = extent.count() as f64 / (extent.count() - 1) as f64;
    Ok((y, Moments { mean: moments.get(0)?, variance: (moments.get(1)? * unbiased)? }))
}

/// As [`channel_affine`](super::super::channel_affine), of operands on a GPU.
pub(in super::super) fn channel_affine(
    extent: Extent,
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&scale.contiguous()?, &shift.contiguous()?, Affine(extent))
}

/// `x → [3, C]`: mean, variance, and one over the deviation.
struct Statistics {
    extent: Extent,
    epsilon: f64,
}

/// `(x, weight, bias) → y`.
struct Normalise {
    extent: Extent,
    moments: Tensor,
}

/// `(x, grad of y) → [2, C]`: sums of their product, x less its mean, and of the gradient.
struct GradSums {
    extent: Extent,
    moments: Option<Tensor>,
}

/// `(x, weight, grad of y) → grad of x`.
struct GradInput {
    extent: Extent,
    moments: Tensor,
    sums: Tensor,
}

/// `(x, scale, shift) → y`.
struct Affine(Extent);

/// `(grad of y, scale) → grad of x`.
struct AffineGradInput(Extent);

impl Extent {
    fn grid(self) -> Grid {
        Grid::planes(self.plane, self.batch * self.channels)
    }

    /// The same, if a block can count a channel's values.
    fn counted(self) -> Result<Self> {
        crate::gpu::int(self.count()).map(|_| self)
    }
}

impl CustomOp1 for Statistics {
    fn name(&self) -> &'static str {
        "batch-norm-moments"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        only_on_a_gpu()
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let Extent { batch, channels, plane } = self.extent.counted()?;
        let operands = [
            Operand::Tensor(x, layout),
            Operand::Output,
            Operand::Float(self.epsilon as f32),
            Operand::Int(batch),
            Operand::Int(channels),
            Operand::Int(plane),
        ];
        let kernel = (BATCH_NORM, "batch_norm_moments");
        let made = (DType::F32, 3 * channels);
        let y = launch(kernel, x, Grid::sums(channels, 1), made, &operands)?;
        Ok((y, Shape::from((3, channels))))
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        only_on_a_gpu()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let Extent { batch, channels, plane } = self.extent;
        on_storage(&self.moments, |moments, moments_layout| {
            let operands = [
                Operand::Tensor(x, x_layout),
                Operand::Tensor(moments, moments_layout),
                Operand::Tensor(weight, weight_layout),
                Operand::Tensor(bias, bias_layout),
                Operand::Int(0),
                Operand::Output,
                Operand::Int(channels),
                Operand::Int(plane),
                Operand::Int(batch * channels),
            ];
            let kernel = (BATCH_NORM, "batch_norm_normalise");
            let made = (x.dtype(), self.extent.len());
            let y = launch(kernel, x, self.extent.grid(), made, &operands)?;
            Ok((y, x_layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<Three> {
        let (extent, grad) = (self.extent, grad.contiguous()?);
        let of_sums = GradSums { extent, moments: Some(self.moments.clone()) };
        let sums = x.apply_op2_no_bwd(&grad, &of_sums)?;
        let grad_weight = (sums.get(0)? * self.moments.get(2)?)?;
        let grad_bias = sums.get(1)?;
        let op = GradInput { extent, moments: self.moments.clone(), sums };
        let grad_x = x.apply_op3_no_bwd(weight, &grad, &op)?;
        Ok((Some(grad_x), Some(grad_weight), Some(grad_bias)))
    }
}

impl CustomOp2 for GradSums {
    fn name(&self) -> &'static str {
        "batch-norm-grad-sums"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        only_on_a_gpu()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let Extent { batch, channels, plane } = self.extent.counted()?;
        let sums = |mean: Operand| {
            let operands = [
                Operand::Tensor(x, x_layout),
                Operand::Tensor(grad, grad_layout),
                mean,
                Operand::Output,
                Operand::Int(batch),
                Operand::Int(channels),
                Operand::Int(plane),
            ];
            let kernel = (BATCH_NORM, "batch_norm_grad_sums");
            launch(kernel, x, Grid::sums(channels, 1), (DType::F32, 2 * channels), &operands)
        };
        let y = match &self.moments {
            None => sums(Operand::Null)?,
            // The means are what the moments begin with.
            Some(moments) => on_storage(moments, |m, layout| sums(Operand::Tensor(m, layout)))?,
        };
        Ok((y, Shape::from((2, channels))))
    }
}

impl CustomOp3 for GradInput {
    fn name(&self) -> &'static str {
        "batch-norm-backward"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        only_on_a_gpu()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let Extent { batch, channels, plane } = self.extent;
        let y = on_storage(&self.moments, |moments, moments_layout| {
            on_storage(&self.sums, |sums, sums_layout| {
                let operands = [
                    Operand::Tensor(x, x_layout),
                    Operand::Tensor(grad, grad_layout),
                    Operand::Tensor(moments, moments_layout),
                    Operand::Tensor(weight, weight_layout),
                    Operand::Tensor(sums, sums_layout),
                    Operand::Output,
                    Operand::Int(batch),
                    Operand::Int(channels),
                    Operand::Int(plane),
                ];
                let kernel = (BATCH_NORM, "batch_norm_grad_input");
                let made = (x.dtype(), self.extent.len());
                launch(kernel, x, self.extent.grid(), made, &operands)
            })
        })?;
        Ok((y, x_layout.shape().clone()))
    }
}

/// `x * scale + shift`, or without a shift.
fn affine(
    extent: Extent,
    x: (&CudaStorage, &Layout),
    scale: (&CudaStorage, &Layout),
    shift: Operand,
) -> Result<(CudaStorage, Shape)> {
    let operands = [
        Operand::Tensor(x.0, x.1),
        Operand::Tensor(scale.0, scale.1),
        shift,
        Operand::Null,
        Operand::Int(0),
        Operand::Output,
        Operand::Int(extent.channels),
        Operand::Int(extent.plane),
        Operand::Int(extent.batch * extent.channels),
    ];
    let made = (x.0.dtype(), extent.len());
    let y = launch((BATCH_NORM, "channel_affine"), x.0, extent.grid(), made, &operands)?;
    Ok((y, x.1.shape().clone()))
}

impl CustomOp3 for Affine {
    fn name(&self) -> &'static str {
        "channel-affine"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        only_on_a_gpu()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        scale: &CudaStorage,
        scale_layout: &Layout,
        shift: &CudaStorage,
        shift_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let shift = Operand::Tensor(shift, shift_layout);
        affine(self.0, (x, x_layout), (scale, scale_layout), shift)
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _shift: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<Three> {
        let grad = grad.contiguous()?;
        let sums = x.apply_op2_no_bwd(&grad, &GradSums { extent: self.0, moments: None })?;
        let grad_x = grad.apply_op2_no_bwd(scale, &AffineGradInput(self.0))?;
        Ok((Some(grad_x), Some(sums.get(0)?), Some(sums.get(1)?)))
    }
}

impl CustomOp2 for AffineGradInput {
    fn name(&self) -> &'static str {
        "channel-affine-backward"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        only_on_a_gpu()
    }

    fn cuda_fwd(
        &self,
        grad: &CudaStorage,
        grad_layout: &Layout,
        scale: &CudaStorage,
        scale_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        affine(self.0, (grad, grad_layout), (scale, scale_layout), Operand::Null)
    }
}
