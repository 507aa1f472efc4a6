//! Where each framework keeps the weights of a detector.

use crate::fpn::FpnNames;
use candle_nn::VarBuilder;

/// Whose names the weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// torchvision's: `backbone.body`, `backbone.fpn`, `head.classification_head.conv.0.0` and so
    /// on; those of its older files load too.
    Torchvision,
    /// mmdetection's: `backbone.timm_model`, `neck`, `bbox_head.cls_convs.0.conv` and so on.
    Mmdet,
}

impl Names {
    /// Where the backbone lies, under timm's names.
    pub fn backbone(self) -> &'static str {
        match self {
            Self::Torchvision => "backbone.body",
            Self::Mmdet => "backbone.timm_model",
        }
    }

    /// Those of the pyramid.
    pub fn of_fpn(self) -> FpnNames {
        match self {
            Self::Torchvision => FpnNames::Torchvision,
            Self::Mmdet => FpnNames::OpenMmlab,
        }
    }
}

/// One of the two towers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    Classes,
    Boxes,
}

/// Where the head as a whole lies.
pub(super) fn head<'a>(names: Names, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    vb.pp(match names {
        Names::Torchvision => "head",
        Names::Mmdet => "bbox_head",
    })
}

/// Where the pyramid network lies.
pub(super) fn fpn<'a>(names: Names, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    match names {
        Names::Torchvision => vb.pp("backbone").pp("fpn"),
        Names::Mmdet => vb.pp("neck"),
    }
}

/// Convolution `i` of a tower, and its norm; `vb` is where the head lies.
pub(super) fn tower<'a>(
    names: Names,
    branch: Branch,
    i: usize,
    vb: &VarBuilder<'a>,
) -> (VarBuilder<'a>, VarBuilder<'a>) {
    match names {
        Names::Torchvision => {
            let convs = vb.pp(sequence(branch)).pp("conv");
            let unit = convs.pp(i);
            // In older files every other number is a ReLU's.
            let flat = convs.pp(2 * i);
            if flat.contains_tensor("weight") && !unit.pp(0).contains_tensor("weight") {
                (flat.clone(), flat)
            } else {
                (unit.pp(0), unit.pp(1))
            }
        }
        Names::Mmdet => {
            let convs = match branch {
                Branch::Classes => "cls_convs",
                Branch::Boxes => "reg_convs",
            };
            let unit = vb.pp(convs).pp(i);
            (unit.pp("conv"), unit.pp("bn"))
        }
    }
}

/// The last convolution of a tower; `vb` is where the head lies.
pub(super) fn predictor<'a>(names: Names, branch: Branch, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    match (names, branch) {
        (Names::Torchvision, Branch::Classes) => vb.pp(sequence(branch)).pp("cls_logits"),
        (Names::Torchvision, Branch::Boxes) => vb.pp(sequence(branch)).pp("bbox_reg"),
        (Names::Mmdet, Branch::Classes) => vb.pp("retina_cls"),
        (Names::Mmdet, Branch::Boxes) => vb.pp("retina_reg"),
    }
}

/// Where the last convolution of the classes lies, from the root.
pub(super) fn class_layer(names: Names) -> &'static str {
    match names {
        Names::Torchvision => "head.classification_head.cls_logits",
        Names::Mmdet => "bbox_head.retina_cls",
    }
}

/// The bias of the class scores, which tells how many there are.
pub(super) fn class_bias(names: Names, separable: bool) -> String {
    let part = if separable { "pointwise." } else { "" };
    format!("{}.{part}bias", class_layer(names))
}

fn sequence(branch: Branch) -> &'static str {
    match branch {
        Branch::Classes => "classification_head",
        Branch::Boxes => "regression_head",
    }
}
