//! DFC attention: GhostNetV2's gate of long-range context, for a few decoupled convolutions.
//!
//! # Source
//! GhostNetV2 (arXiv 2211.12905), equations 4 to 6 and figure 4. The released code and every
//! checkpoint average-pool and upsample by the nearest pixel, where the paper's text has
//! maximum pooling and bilinear upsampling: this follows the checkpoints. MindSpore's release
//! upsamples bilinearly.

use super::layers::{ConvBn, ConvSpec};
use crate::config::{Config, Release};
use crate::ops::{ConvAlgorithm, avg_pool2x2, dfc_gate, upsample_bilinear2d};
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::{VarBuilder, ops::sigmoid};
use engine::plan::{Activation, Extent, Interpolation, NetworkBuilder, Value as PlanValue, Window};
use engine::training::Value;

/// Reach of the two decoupled "fully connected" layers, in cells of the halved map.
const REACH: usize = 5;

/// The attention branch beside a ghost module: `short_conv` in the checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct DfcAttention {
    pointwise: ConvBn,
    horizontal: ConvBn,
    vertical: ConvBn,
    release: Release,
    algorithm: ConvAlgorithm,
}

impl DfcAttention {
    /// A branch whose decoupled kernels have taps `dilation` cells apart.
    pub(crate) fn new(
        cfg: &Config,
        (in_channels, out_channels): (usize, usize),
        dilation: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let algorithm = cfg.convolution;
        let depthwise =
            |kernel| ConvSpec::depthwise(out_channels, kernel, 1, algorithm).dilated(dilation);
        Ok(Self {
            pointwise: ConvSpec::pointwise(in_channels, out_channels, algorithm)
                .conv_bn(vb.pp(0), vb.pp(1))?,
            horizontal: depthwise((1, REACH)).conv_bn(vb.pp(2), vb.pp(3))?,
            vertical: depthwise((REACH, 1)).conv_bn(vb.pp(4), vb.pp(5))?,
            release: cfg.release,
            algorithm,
        })
    }

    /// Features `[B, C_out, H, W]` times the gate of `x`, `[B, C_in, H, W]`, in (0, 1).
    pub(crate) fn gate_t(&self, features: &Tensor, x: &Tensor, train: bool) -> Result<Tensor> {
        let (_, _, h, w) = x.dims4()?;
        let y = avg_pool2x2(x)?; // [B, C_in, H/2, W/2]
        let y = self.pointwise.forward_t(&y, train)?; // [B, C_out, H/2, W/2]
        let y = self.horizontal.forward_t(&y, train)?;
        let y = self.vertical.forward_t(&y, train)?;
        match (self.release, self.algorithm) {
            (Release::PyTorch, ConvAlgorithm::Stock) => {
                features * sigmoid(&y)?.upsample_nearest2d(h, w)?
            }
            (Release::PyTorch, _) => dfc_gate(features, &y),
            // The sigmoid before upsampling: a quarter of the exponentials.
            (Release::MindSpore, _) => features * upsample_bilinear2d(&sigmoid(&y)?, (h, w), true)?,
        }
    }

    /// Adds this branch to a plan: the gate, upsampled unless by the nearest pixel, which is what
    /// its reader does.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
        let pooled = net.avg_pool2x2(x).map_err(Error::wrap)?;
        let pointwise = self.pointwise.folded()?;
        let (horizontal, vertical) = (self.horizontal.folded()?, self.vertical.folded()?);
        let (across, down) = (self.horizontal.conv.window()?, self.vertical.conv.window()?);
        let gate = if across.dilation == 1 {
            let (along_row, along_column) = ((REACH, horizontal.get()), (REACH, vertical.get()));
            net.dfc(pooled, pointwise.get(), along_row, along_column)
        } else {
            // The engine's one operation for all of this has neighbouring taps.
            let same = Activation::Identity;
            let y = net.pointwise(pooled, pointwise.get(), same, None).map_err(Error::wrap)?;
            let y = net.depthwise(y, across, horizontal.get(), same).map_err(Error::wrap)?;
            net.depthwise(y, down, vertical.get(), Activation::Sigmoid)
        };
        let gate = gate.map_err(Error::wrap)?;
        match self.release {
            Release::PyTorch => Ok(gate),
            Release::MindSpore => {
                let (like, mode) = (Extent::Like(x), Interpolation::BilinearCorners);
                net.resize(gate, like, mode, None, Activation::Identity).map_err(Error::wrap)
            }
        }
    }

    /// Adds this branch to a network in training: the gate as [`DfcAttention::lower`] has it.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let window = Window { padding: (0, 0), ..Window::same((2, 2), 2) };
        let y = net.net.avg_pool(x, window, false).map_err(Error::wrap)?;
        let y = self.pointwise.lower_t(net, y, false)?;
        let y = self.horizontal.lower_t(net, y, false)?;
        let y = self.vertical.lower_t(net, y, false)?;
        let gate = net.net.activation(y, Activation::Sigmoid).map_err(Error::wrap)?;
        match self.release {
            Release::PyTorch => Ok(gate),
            Release::MindSpore => {
                let mode = Interpolation::BilinearCorners;
                net.net.resize(gate, Some(x), 1, mode).map_err(Error::wrap)
            }
        }
    }
}
