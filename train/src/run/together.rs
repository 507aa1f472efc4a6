//! What the ranks of a run do together: the mean of their gradients.

use crate::Error;
use crate::network::Named;
use candle::{DType, Result, Tensor, Var};
use ghostnetv2::training::Ranks;
use std::sync::Arc;

/// One of several ranks, or the only one.
#[derive(Clone, Debug)]
pub(super) struct Together(pub(super) Option<Arc<dyn Ranks>>);

impl Together {
    /// Which one of how many.
    pub(super) fn rank(&self) -> (usize, usize) {
        self.0.as_ref().map_or((0, 1), |ranks| (ranks.rank(), ranks.count()))
    }

    /// Whether this is the one that writes files.
    pub(super) fn leads(&self) -> bool {
        self.rank().0 == 0
    }

    /// What the loss of a part of this weight is multiplied by, so that the mean over all ranks is
    /// the loss of the whole batch.
    pub(super) fn factor(&self, weight: f64) -> f64 {
        let Some(ranks) = &self.0 else { return 1.0 };
        let mut sum = [weight];
        ranks.sum(&mut sum);
        if sum[0] > 0.0 { weight * ranks.count() as f64 / sum[0] } else { 1.0 }
    }

    /// Makes losses and gradients their means over all ranks, and numbers of pictures their sums.
    /// A parameter has a gradient if it has one on any rank.
    pub(super) fn average(
        &self,
        (loss, images): (&mut f64, &mut usize),
        gradients: &mut Named<Tensor>,
        parameters: &Named<Var>,
    ) -> Result<()> {
        let Some(ranks) = &self.0 else { return Ok(()) };
        let mut head = vec![*loss, *images as f64];
        let has = |name| f64::from(u8::from(gradients.contains_key(name)));
        head.extend(parameters.keys().map(has));
        ranks.sum(&mut head);
        let count = ranks.count() as f64;
        (*loss, *images) = (head[0] / count, head[1] as usize);
        let reached: Vec<_> =
            parameters.iter().zip(&head[2..]).filter(|(_, n)| **n > 0.0).collect();

        let mut values = Vec::new();
        for ((name, parameter), _) in &reached {
            match gradients.get(*name) {
                Some(gradient) => {
                    values.extend(gradient.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
                }
                None => values.resize(values.len() + parameter.elem_count(), 0.0),
            }
        }
        ranks.sum(&mut values);
        let mut rest = values.as_slice();
        for ((name, parameter), _) in reached {
            let (own, others) = rest.split_at(parameter.elem_count());
            rest = others;
            let mean: Vec<f32> = own.iter().map(|sum| (sum / count) as f32).collect();
            let mean = Tensor::from_vec(mean, parameter.shape(), parameter.device())?;
            gradients.insert(name.clone(), mean.to_dtype(parameter.dtype())?);
        }
        Ok(())
    }

    /// Refuses to go on where ranks are at different steps: they see different folders.
    pub(super) fn must_agree(&self, step: u64) -> std::result::Result<(), Error> {
        let Some(ranks) = &self.0 else { return Ok(()) };
        let mut all = vec![0f64; ranks.count()];
        all[ranks.rank()] = step as f64;
        ranks.sum(&mut all);
        if all.iter().all(|other| *other == step as f64) {
            return Ok(());
        }
        Err(Error::Configuration(format!(
            "the ranks resume after different numbers of steps, {all:?}: --out must be the same \
             folder for all of them"
        )))
    }
}
