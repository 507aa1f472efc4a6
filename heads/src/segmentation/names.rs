//! Where each framework keeps the weights of a Semantic FPN.

use candle_nn::VarBuilder;

/// Whose names the weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// mmsegmentation's: `backbone.timm_model`, `neck`, `decode_head.scale_heads.0.0.conv` and so on.
    Mmseg,
    /// segmentation_models_pytorch's: `encoder.model`, `decoder.seg_blocks.0.block.0.block.0` and
    /// so on.
    Smp,
}

impl Names {
    /// Where the backbone lies, under timm's names.
    pub fn backbone(self) -> &'static str {
        match self {
            Self::Mmseg => "backbone.timm_model",
            Self::Smp => "encoder.model",
        }
    }
}

/// Where the pyramid network lies.
pub(super) fn fpn<'a>(names: Names, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    vb.pp(match names {
        Names::Mmseg => "neck",
        Names::Smp => "decoder",
    })
}

/// Convolution `i` of a level, counted from fine to coarse, of so many; and its norm.
pub(super) fn unit<'a>(
    names: Names,
    (level, levels): (usize, usize),
    i: usize,
    vb: &VarBuilder<'a>,
) -> (VarBuilder<'a>, VarBuilder<'a>) {
    match names {
        Names::Mmseg => {
            // Every other one is the upsampling.
            let unit = vb.pp("decode_head").pp("scale_heads").pp(level).pp(2 * i);
            (unit.pp("conv"), unit.pp("bn"))
        }
        Names::Smp => {
            let blocks = vb.pp("decoder").pp("seg_blocks").pp(levels - 1 - level);
            let unit = blocks.pp("block").pp(i).pp("block");
            (unit.pp(0), unit.pp(1))
        }
    }
}

/// The convolution that tells the classes.
pub(super) fn classifier<'a>(names: Names, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    match names {
        Names::Mmseg => vb.pp("decode_head").pp("conv_seg"),
        Names::Smp => vb.pp("segmentation_head").pp(0),
    }
}

/// Where the convolution that tells the classes lies, from the root.
pub(super) fn class_layer(names: Names) -> &'static str {
    match names {
        Names::Mmseg => "decode_head.conv_seg",
        Names::Smp => "segmentation_head.0",
    }
}

/// The bias of the classes, which tells how many there are.
pub(super) fn class_bias(names: Names) -> String {
    format!("{}.bias", class_layer(names))
}
