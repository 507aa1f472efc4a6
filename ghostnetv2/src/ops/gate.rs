//! Gates: maps times values between 0 and 1, of DFC attention and of squeeze-and-excitation.

use super::upsample_nearest2d;
use candle::{Result, Tensor, bail};
use candle_nn::ops::sigmoid;

/// `x` times the sigmoid of `logits` at the nearest pixel; on a GPU one kernel.
///
/// # Shapes
/// `x`: `[B, C, H, W]`, `logits`: `[B, C, GH, GW]` → `[B, C, H, W]`.
///
/// # Errors
/// Shapes or types that do not fit each other.
///
/// # Source
/// GhostNetV2 (arXiv 2211.12905), equations 4 to 6.
pub fn dfc_gate(x: &Tensor, logits: &Tensor) -> Result<Tensor> {
    let ((b, c, h, w), (gate_b, gate_c, ..)) = (x.dims4()?, logits.dims4()?);
    if (b, c) != (gate_b, gate_c) {
        bail!("dfc_gate: {:?}: expected [{b}, {c}, GH, GW]", logits.dims())
    }
    #[cfg(feature = "cuda")]
    if super::on_gpu(&[x, logits]) {
        return x.contiguous()?.apply_op2(&logits.contiguous()?, gpu::Gate);
    }
    // The sigmoid before upsampling: a quarter of the exponentials.
    x * upsample_nearest2d(&sigmoid(logits)?, (h, w))?
}

/// `x`, each channel of each picture times its `scale`.
///
/// # Shapes
/// `x`: `[B, C, H, W]`, `scale`: `[B, C, 1, 1]` → `[B, C, H, W]`.
///
/// # Errors
/// Shapes or types that do not fit each other.
pub fn scale_channels(x: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let (b, c, ..) = x.dims4()?;
    if scale.dims() != [b, c, 1, 1] {
        bail!("scale_channels: {:?}: expected [{b}, {c}, 1, 1]", scale.dims())
    }
    #[cfg(feature = "cuda")]
    if super::on_gpu(&[x, scale]) {
        return x.contiguous()?.apply_op2(&scale.contiguous()?, gpu::Scale);
    }
    x.broadcast_mul(scale)
}

#[cfg(feature = "cuda")]
mod gpu {
    use super::super::cuda::{maps, only_on_a_gpu};
    use crate::gpu::Geometry;
    use candle::{CpuStorage, CudaStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

    /// `(x, logits) → y`.
    pub(super) struct Gate;
    /// `(x, logits, grad of y) → grad of logits`.
    struct GateGradLogits;
    /// `(x, scale) → y`.
    pub(super) struct Scale;
    /// `(x, grad of y) → grad of scale`.
    struct ScaleGradScale;

    /// Height and width.
    type Size = (usize, usize);

    fn sizes(x: &Layout, logits: &Layout) -> Result<(Size, Size, Geometry)> {
        let ((.., h, w), (_, c, gh, gw)) = (x.shape().dims4()?, logits.shape().dims4()?);
        Ok(((h, w), (gh, gw), Geometry::sizes(c, (gh, gw), (h, w))?))
    }

    impl CustomOp2 for Gate {
        fn name(&self) -> &'static str {
            "dfc-gate"
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
            logits: &CudaStorage,
            logits_layout: &Layout,
        ) -> Result<(CudaStorage, Shape)> {
            let (to, _, geometry) = sizes(x_layout, logits_layout)?;
            maps::gate((x, x_layout), (logits, logits_layout), to, geometry)
        }

        fn bwd(
            &self,
            x: &Tensor,
            logits: &Tensor,
            _y: &Tensor,
            grad: &Tensor,
        ) -> Result<(Option<Tensor>, Option<Tensor>)> {
            let grad = grad.contiguous()?;
            let grad_x = grad.apply_op2_no_bwd(logits, &Self)?;
            let grad_logits = x.apply_op3_no_bwd(logits, &grad, &GateGradLogits)?;
            Ok((Some(grad_x), Some(grad_logits)))
        }
    }

    impl CustomOp3 for GateGradLogits {
        fn name(&self) -> &'static str {
            "dfc-gate-grad-logits"
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
            logits: &CudaStorage,
            logits_layout: &Layout,
            grad: &CudaStorage,
            grad_layout: &Layout,
        ) -> Result<(CudaStorage, Shape)> {
            let (_, to, geometry) = sizes(x_layout, logits_layout)?;
            let operands = [(x, x_layout), (logits, logits_layout), (grad, grad_layout)];
            maps::gate_grad_logits(&operands, to, geometry)
        }
    }

    impl CustomOp2 for Scale {
        fn name(&self) -> &'static str {
            "scale-channels"
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
            scale: &CudaStorage,
            scale_layout: &Layout,
        ) -> Result<(CudaStorage, Shape)> {
            maps::scale((x, x_layout), (scale, scale_layout))
        }

        fn bwd(
            &self,
            x: &Tensor,
            scale: &Tensor,
            _y: &Tensor,
            grad: &Tensor,
        ) -> Result<(Option<Tensor>, Option<Tensor>)> {
            let grad = grad.contiguous()?;
            let grad_x = grad.apply_op2_no_bwd(scale, &Self)?;
            let grad_scale = x.apply_op2_no_bwd(&grad, &ScaleGradScale)?;
            Ok((Some(grad_x), Some(grad_scale)))
        }
    }

    impl CustomOp2 for ScaleGradScale {
        fn name(&self) -> &'static str {
            "scale-channels-grad-scale"
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
            maps::scale_grad_scale((x, x_layout), (grad, grad_layout))
        }
    }
}
