//! A GhostNet classifier in training.

use crate::network::{Autograd, Network, OnEngine};
use crate::seed::Seed;
use crate::variables::Variables;
use candle::{Module, Result, Tensor};
use candle_nn::{Init, Linear, ModuleT, VarBuilder};
use ghostnetv2::{Config, GhostNet};

/// What `classifier` reads.
const FEATURES: usize = 1280;

/// A GhostNet with dropout whose random numbers are the run's: candle's own, which can't be seeded
/// on a CPU, would make every run another one.
#[derive(Clone, Debug)]
pub struct Classifier {
    config: Config,
    classes: usize,
    dropout: f64,
    freeze_norms: bool,
}

impl Classifier {
    /// A network of `classes`, with `config.dropout`. With `freeze_norms` batch-norms use the
    /// means and variances that they have, and change neither these nor their scales and shifts.
    pub fn new(config: Config, classes: usize, freeze_norms: bool) -> Self {
        let dropout = f64::from(config.dropout);
        Self { config, classes, dropout, freeze_norms }
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether batch-norms stay as they are.
    pub fn freezes_norms(&self) -> bool {
        self.freeze_norms
    }

    /// The network in training, which gives logits `[B, classes]`.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn network(&self, variables: &Variables) -> Result<Box<dyn Network>> {
        let variables = &variables.clone().freeze_norms(self.freeze_norms);
        let vb = variables.builder();
        let classifier = classifier(self.classes, vb.pp("classifier"))?;
        if variables.on_engine() {
            let net = GhostNet::new(&self.config, self.classes, vb)?;
            let graph = |learning: &_| net.training_graph(learning);
            return Ok(Box::new(OnEngine::new(variables.vars(), graph)?));
        }
        let features = GhostNet::no_final_layer(&self.config, vb)?;
        let this = self.clone();
        let forward = move |images: &Tensor, seed: u64| {
            let features =
                features.forward_t(images, true)?.to_dtype(classifier.weight().dtype())?;
            Ok(vec![classifier.forward(&this.dropped(features, seed)?)?])
        };
        Ok(Box::new(Autograd::new(variables.vars(), forward)))
    }

    /// Without some units, chosen anew for every batch; the others are larger for it.
    fn dropped(&self, features: Tensor, seed: u64) -> Result<Tensor> {
        if self.dropout == 0.0 {
            return Ok(features);
        }
        let mut random = Seed(seed).stream("dropout", 0, 0);
        let kept = (1.0 / (1.0 - self.dropout)) as f32;
        let unit = |_| if random.chance(self.dropout) { 0.0 } else { kept };
        let mask: Vec<f32> = (0..features.elem_count()).map(unit).collect();
        features.mul(&Tensor::from_vec(mask, features.shape(), features.device())?)
    }
}

/// As PyTorch begins: uniform within the inverse root of the number of inputs.
fn classifier(classes: usize, vb: VarBuilder) -> Result<Linear> {
    let bound = 1.0 / (FEATURES as f64).sqrt();
    let start = Init::Uniform { lo: -bound, up: bound };
    let weight = vb.get_with_hints((classes, FEATURES), "weight", start)?;
    Ok(Linear::new(weight, Some(vb.get_with_hints(classes, "bias", start)?)))
}
