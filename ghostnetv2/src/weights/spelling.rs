//! Names that are timm's but for how they are written: such files need no conversion.

use std::borrow::Cow;

/// What wraps around a whole network in training: several GPUs, `torch.compile`.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// A branch of GhostNetV3.
const BRANCH: &str = "_rpr_";

/// Names that are no weights: PyTorch's batch counters, and what counters of operations leave.
const IGNORED: [&str; 3] = ["num_batches_tracked", "total_ops", "total_params"];

/// Whether a tensor may be left over.
pub(super) fn is_ignored(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    IGNORED.contains(&last)
}

/// A name as timm has it: without wrappers; the batch-norm of a branch is `bn1`, where the authors'
/// release of GhostNetV3 has `bn`.
pub(super) fn timms(name: &str) -> Cow<'_, str> {
    let mut inner = name;
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| inner.strip_prefix(wrapper)) {
        inner = rest;
    }
    match inner.find(BRANCH).map(|at| inner.split_at(at)) {
        Some((before, branch)) if branch.contains(".bn.") => {
            Cow::Owned(format!("{before}{}", branch.replacen(".bn.", ".bn1.", 1)))
        }
        _ => Cow::Borrowed(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_become_timms() {
        let branch = "blocks.1.0.ghost1.primary_rpr_conv.2";
        for (name, expected) in [
            ("module.conv_stem.weight".into(), "conv_stem.weight".into()),
            ("_orig_mod.module.bn1.bias".into(), "bn1.bias".into()),
            (format!("{branch}.bn.weight"), format!("{branch}.bn1.weight")),
            (format!("module.{branch}.conv.weight"), format!("{branch}.conv.weight")),
            ("head.bn.weight".to_string(), "head.bn.weight".to_string()),
        ] {
            assert_eq!(timms(&name), expected);
        }
    }

    #[test]
    fn counters_are_no_weights() {
        assert!(is_ignored("bn1.num_batches_tracked") && is_ignored("total_ops"));
        assert!(!is_ignored("bn1.weight") && !is_ignored("num_batches_tracked.weight"));
    }
}
