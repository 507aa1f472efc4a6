//! From the backbone's last map to class scores: atrous spatial pyramid pooling.
//!
//! # Source
//! DeepLabV3 (arXiv 1706.05587), section 3.3; `ASPPHead` in mmsegmentation's
//! `models/decode_heads/aspp_head.py`.

use super::DeepLabV3Config;
use crate::layers::{Block, Conv, Conv2d, ConvSpec, Start, drop_channels, only};
use crate::norms::Norm;
use candle::{Error, Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::{Activation, Extent, Interpolation, NetworkBuilder, Value};
use engine::training;
use ghostnetv2::ops::global_avg_pool;
use ghostnetv2::training::TrainingBuilder;

/// The head of a DeepLabV3.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Of the mean of the map.
    image_pool: Block,
    /// One for each dilation.
    aspp_modules: Vec<Block>,
    /// Of all of these side by side.
    bottleneck: Block,
    classifier: Conv2d,
    channels: usize,
    dropout: f64,
}

impl Head {
    /// A head on a map of `width` channels, with weights under mmsegmentation's names at `vb`.
    pub(super) fn new(config: &DeepLabV3Config, width: usize, vb: &VarBuilder) -> Result<Self> {
        let channels = config.channels;
        let block = |width: usize, kernel: usize, dilation: usize, vb: VarBuilder| {
            let spec = ConvSpec {
                in_channels: width,
                out_channels: channels,
                kernel,
                stride: 1,
                bias: false,
                start: Start::Uniform,
            };
            let conv = Conv::Dense(spec.conv(vb.pp("conv"))?.dilated(dilation));
            Ok(Block { conv, norm: Norm::batch(channels, vb.pp("bn"))? })
        };
        let branch = |(i, &dilation): (usize, &usize)| {
            let kernel = if dilation == 1 { 1 } else { 3 };
            block(width, kernel, dilation, vb.pp("aspp_modules").pp(i))
        };
        let classifier = ConvSpec {
            in_channels: channels,
            out_channels: config.classes,
            kernel: 1,
            stride: 1,
            bias: true,
            start: Start::Small(0.0),
        };
        let all = (config.dilations.len() + 1) * channels;
        Ok(Self {
            image_pool: block(width, 1, 1, vb.pp("image_pool").pp(1))?,
            aspp_modules: config.dilations.iter().enumerate().map(branch).collect::<Result<_>>()?,
            bottleneck: block(all, 3, 1, vb.pp("bottleneck"))?,
            classifier: classifier.conv(vb.pp("conv_seg"))?,
            channels,
            dropout: config.dropout,
        })
    }

    /// `[B, C, H, W]` → `[B, classes, H, W]`.
    pub(super) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (b, _, h, w) = x.dims4()?;
        let mean = self.image_pool.forward_t(&global_avg_pool(x)?, 0, train)?.relu()?;
        // Bilinear upsampling of one pixel.
        let mut parts = vec![mean.broadcast_as((b, self.channels, h, w))?];
        for branch in &self.aspp_modules {
            parts.push(branch.forward_t(x, 0, train)?.relu()?);
        }
        let y = self.bottleneck.forward_t(&Tensor::cat(&parts, 1)?, 0, train)?.relu()?;
        self.classifier.forward(&if train { drop_channels(&y, self.dropout)? } else { y })
    }

    /// Adds the head to a network in training: the value of the logits.
    pub(super) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
    ) -> Result<training::Value> {
        let mean = net.net.global_pool(x).map_err(Error::wrap)?;
        let mean = self.image_pool.lower_t(net, mean, 0, true)?;
        let nearest = Interpolation::Nearest;
        let mut parts = vec![net.net.resize(mean, Some(x), 1, nearest).map_err(Error::wrap)?];
        for branch in &self.aspp_modules {
            parts.push(branch.lower_t(net, x, 0, true)?);
        }
        let channels = parts.len() * self.channels;
        let y = net.net.concat(&parts, channels).map_err(Error::wrap)?;
        let mut y = self.bottleneck.lower_t(net, y, 0, true)?;
        if self.dropout > 0.0 {
            y = net.net.dropout(y, self.dropout as f32, true).map_err(Error::wrap)?;
        }
        self.classifier.lower_t(net, y)
    }

    /// Adds the head to a plan: the value of the logits.
    pub(super) fn lower(&self, net: &mut NetworkBuilder, x: Value) -> Result<Value> {
        let (nearest, same, relu) =
            (Interpolation::Nearest, Activation::Identity, Activation::Relu);
        let mean = net.global_pool(x).map_err(Error::wrap)?;
        // A map of one pixel, which convolutions take.
        let mean = net.activation(mean, None, same).map_err(Error::wrap)?;
        let mean = self.image_pool.lower_one(net, mean, relu)?;
        let mean = net.resize(mean, Extent::Like(x), nearest, None, same).map_err(Error::wrap)?;
        let mut parts = vec![mean];
        for branch in &self.aspp_modules {
            parts.push(branch.lower_one(net, x, relu)?);
        }
        let y = net.concat(&parts).map_err(Error::wrap)?;
        let y = self.bottleneck.lower_one(net, y, relu)?;
        only(&self.classifier.lower(net, &[y], &[], same)?)
    }
}
