//! Where each framework keeps the weights of a detector.

use crate::fpn::FpnNames;
use candle_nn::VarBuilder;

/// One of the two towers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    Classes,
    Boxes,
}

/// Where the head as a whole lies.
pub(super) fn head<'a>(names: FpnNames, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    vb.pp(match names {
        FpnNames::Torchvision => "head",
        FpnNames::OpenMmlab => "bbox_head",
    })
}

/// Where the pyramid network lies.
pub(super) fn fpn<'a>(names: FpnNames, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    match names {
        FpnNames::Torchvision => vb.pp("backbone").pp("fpn"),
        FpnNames::OpenMmlab => vb.pp("neck"),
    }
}

/// Where the backbone lies, under timm's names. timm's `features_only`, which joins a stage's name
/// and number by an underscore, is recognised.
pub(super) fn backbone<'a>(names: FpnNames, vb: &VarBuilder<'a>) -> VarBuilder<'a> {
    let vb = vb.pp("backbone").pp(match names {
        FpnNames::Torchvision => "body",
        FpnNames::OpenMmlab => "timm_model",
    });
    let stem = |joint: &str| {
        let weight = format!("blocks{joint}0.0.ghost2.primary_conv.0.weight");
        let branch = format!("blocks{joint}0.0.ghost2.primary_rpr_conv.0.conv.weight");
        vb.contains_tensor(&weight) || vb.contains_tensor(&branch)
    };
    if stem("_") && !stem(".") {
        // A renamed builder sees whole names and adds its own prefix once more: so from the root.
        let root = vb.root().rename_f(|name| name.replacen(".blocks.", ".blocks_", 1));
        vb.prefix().split('.').fold(root, |vb, part| vb.pp(part))
    } else {
        vb
    }
}

/// Convolution `i` of a tower, and its norm; `vb` is where the head lies.
pub(super) fn tower<'a>(
    names: FpnNames,
    branch: Branch,
    i: usize,
    vb: &VarBuilder<'a>,
) -> (VarBuilder<'a>, VarBuilder<'a>) {
    match names {
        FpnNames::Torchvision => {
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
        FpnNames::OpenMmlab => {
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
pub(super) fn predictor<'a>(
    names: FpnNames,
    branch: Branch,
    vb: &VarBuilder<'a>,
) -> VarBuilder<'a> {
    match (names, branch) {
        (FpnNames::Torchvision, Branch::Classes) => vb.pp(sequence(branch)).pp("cls_logits"),
        (FpnNames::Torchvision, Branch::Boxes) => vb.pp(sequence(branch)).pp("bbox_reg"),
        (FpnNames::OpenMmlab, Branch::Classes) => vb.pp("retina_cls"),
        (FpnNames::OpenMmlab, Branch::Boxes) => vb.pp("retina_reg"),
    }
}

/// The bias of the class scores, which tells how many there are.
pub(super) fn class_bias(names: FpnNames, separable: bool) -> String {
    let part = if separable { "pointwise." } else { "" };
    match names {
        FpnNames::Torchvision => format!("head.classification_head.cls_logits.{part}bias"),
        FpnNames::OpenMmlab => format!("bbox_head.retina_cls.{part}bias"),
    }
}

fn sequence(branch: Branch) -> &'static str {
    match branch {
        Branch::Classes => "classification_head",
        Branch::Boxes => "regression_head",
    }
}
