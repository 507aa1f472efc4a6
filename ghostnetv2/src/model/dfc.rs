//! DFC attention: GhostNetV2's gate of long-range context, for a few decoupled convolutions.
//!
//! # Source
//! GhostNetV2 (arXiv 2211.12905), equations 4 to 6 and figure 4. The released code and every
//! checkpoint average-pool and upsample by the nearest pixel, where the paper's text has
//! maximum pooling and bilinear upsampling: this follows the checkpoints.

use super::layers::{ConvBn, ConvSpec};
use crate::ops::{ConvAlgorithm, avg_pool2x2, upsample_nearest2d};
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::{VarBuilder, ops::sigmoid};
use engine::plan::{Activation, NetworkBuilder, Value as PlanValue, Window};
use engine::training::Value;

/// Reach of the two decoupled "fully connected" layers, in cells of the halved map.
const REACH: usize = 5;

/// The attention branch beside a ghost module: `short_conv` in the checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct DfcAttention {
    pointwise: ConvBn,
    horizontal: ConvBn,
    vertical: ConvBn,
    algorithm: ConvAlgorithm,
}

impl DfcAttention {
    /// A branch whose decoupled kernels have taps `dilation` cells apart.
    pub(crate) fn new(
        (in_channels, out_channels): (usize, usize),
        dilation: usize,
        algorithm: ConvAlgorithm,
        vb: VarBuilder,
    ) -> Result<Self> {
        let depthwise =
            |kernel| ConvSpec::depthwise(out_channels, kernel, 1, algorithm).dilated(dilation);
        Ok(Self {
            pointwise: ConvSpec::pointwise(in_channels, out_channels, algorithm)
                .conv_bn(vb.pp(0), vb.pp(1))?,
            horizontal: depthwise((1, REACH)).conv_bn(vb.pp(2), vb.pp(3))?,
            vertical: depthwise((REACH, 1)).conv_bn(vb.pp(4), vb.pp(5))?,
            algorithm,
        })
    }

    /// `x`: `[B, C_in, H, W]` → a gate in (0, 1): `[B, C_out, H, W]`.
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (_, _, h, w) = x.dims4()?;
        let y = avg_pool2x2(x)?; // [B, C_in, H/2, W/2]
        let y = self.pointwise.forward_t(&y, train)?; // [B, C_out, H/2, W/2]
        let y = self.horizontal.forward_t(&y, train)?;
        let y = self.vertical.forward_t(&y, train)?;
        let gate = sigmoid(&y)?; // before upsampling: a quarter of the exponentials
        match self.algorithm {
            ConvAlgorithm::Stock => gate.upsample_nearest2d(h, w),
            _ => upsample_nearest2d(&gate, (h, w)),
        }
    }

    /// Adds this branch to a plan: the gate before upsampling.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
        let pooled = net.avg_pool2x2(x).map_err(Error::wrap)?;
        let pointwise = self.pointwise.folded()?;
        let (horizontal, vertical) = (self.horizontal.folded()?, self.vertical.folded()?);
        let (across, down) = (self.horizontal.conv.window()?, self.vertical.conv.window()?);
        if across.dilation == 1 {
            let (along_row, along_column) = ((REACH, horizontal.get()), (REACH, vertical.get()));
            let gate = net.dfc(pooled, pointwise.get(), along_row, along_column);
            return gate.map_err(Error::wrap);
        }
        // The engine's one operation for all of this has neighbouring taps.
        let same = Activation::Identity;
        let y = net.pointwise(pooled, pointwise.get(), same, None).map_err(Error::wrap)?;
        let y = net.depthwise(y, across, horizontal.get(), same).map_err(Error::wrap)?;
        net.depthwise(y, down, vertical.get(), Activation::Sigmoid).map_err(Error::wrap)
    }

    /// Adds this branch to a network in training: the gate before upsampling.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let window = Window { padding: (0, 0), ..Window::same((2, 2), 2) };
        let y = net.net.avg_pool(x, window, false).map_err(Error::wrap)?;
        let y = self.pointwise.lower_t(net, y, false)?;
        let y = self.horizontal.lower_t(net, y, false)?;
        let y = self.vertical.lower_t(net, y, false)?;
        net.net.activation(y, Activation::Sigmoid).map_err(Error::wrap)
    }
}
