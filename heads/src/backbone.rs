//! Where the weights of timm's backbones lie in other people's networks.

use candle_nn::VarBuilder;

/// timm's names under `vb`; those of timm's `features_only`, which joins a stage's name and number
/// by an underscore, are recognised.
pub(crate) fn timm<'a>(vb: VarBuilder<'a>) -> VarBuilder<'a> {
    let stem = |joint: &str| {
        let weight = format!("blocks{joint}0.0.ghost2.primary_conv.0.weight");
        let branch = format!("blocks{joint}0.0.ghost2.primary_rpr_conv.0.conv.weight");
        vb.contains_tensor(&weight) || vb.contains_tensor(&branch)
    };
    if !stem("_") || stem(".") {
        return vb;
    }
    // A renamed builder sees whole names and adds its own prefix once more: so from the root.
    let root = vb.root().rename_f(|name| name.replacen(".blocks.", ".blocks_", 1));
    vb.prefix().split('.').fold(root, |vb, part| vb.pp(part))
}
