//! The weights that a training starts from.

use candle::{DType, Device, Result, Shape, Tensor, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use ghostnetv2::weights::Checkpoint;
use heads::Seeded;
use std::collections::BTreeSet;

/// The weights that a training of a network with a head starts from; those that are not known are
/// drawn, from a seed and their names.
#[derive(Clone, Debug)]
pub enum Start {
    /// Nothing is known.
    Drawn,
    /// A classifier's, which become those of the backbone that lies under `prefix`.
    Backbone {
        /// Such as `backbone.body`.
        prefix: String,
        /// Under timm's names.
        checkpoint: Checkpoint,
    },
    /// The whole network's.
    Whole {
        /// Which has all of them.
        checkpoint: Checkpoint,
        /// The layer that is drawn anew, if any, because it is for other classes.
        replaced: Option<String>,
    },
}

impl Start {
    /// What variables start as.
    ///
    /// Building with it fails at a weight of another shape than the network's, and at one that is
    /// missing from the whole.
    pub fn builder(&self, seed: u64, device: &Device) -> VarBuilder<'static> {
        let names = match self {
            Self::Whole { checkpoint, .. } => checkpoint.names().map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        };
        let drawn = Seeded::new(seed).var_builder(DType::F32, device);
        let backend = Beginning { start: self.clone(), names, drawn };
        VarBuilder::from_backend(Box::new(backend), DType::F32, device.clone())
    }

    /// The tensor that is known of a name.
    fn known(&self, name: &str, shape: &Shape) -> Result<Option<Tensor>> {
        let found = match self {
            Self::Drawn => None,
            Self::Backbone { prefix, checkpoint } => {
                let own = name.strip_prefix(prefix.as_str()).and_then(|own| own.strip_prefix('.'));
                match own {
                    Some(own) => checkpoint.tensor(own).map_err(candle::Error::wrap)?,
                    None => return Ok(None),
                }
            }
            Self::Whole { checkpoint, .. } => {
                checkpoint.tensor(name).map_err(candle::Error::wrap)?
            }
        };
        match (self, found) {
            (_, Some(tensor)) if tensor.shape() == shape => Ok(Some(tensor)),
            (Self::Drawn, _) => Ok(None),
            (Self::Whole { replaced: Some(layer), .. }, _) if name.starts_with(layer) => Ok(None),
            (Self::Backbone { checkpoint, .. } | Self::Whole { checkpoint, .. }, found) => {
                let found = match &found {
                    Some(tensor) => format!("found {:?}", tensor.dims()),
                    None => "found none".into(),
                };
                bail!("{}: {name}: expected {:?}, {found}", checkpoint.origin(), shape.dims())
            }
        }
    }
}

/// Weights by their names, as networks ask for them.
struct Beginning {
    start: Start,
    /// Of the whole network's weights.
    names: BTreeSet<String>,
    drawn: VarBuilder<'static>,
}

impl SimpleBackend for Beginning {
    fn get(&self, s: Shape, name: &str, h: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        match self.start.known(name, &s)? {
            Some(known) => known.to_device(dev)?.to_dtype(dtype),
            None => self.drawn.get_with_hints_dtype(s, name, h, dtype),
        }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        bail!("{name}: a weight that may have to be drawn needs a shape")
    }

    /// Whatever can be drawn is there; a checkpoint has only what it has.
    fn contains_tensor(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn checkpoint(tensors: &[(&str, &[f32])]) -> Checkpoint {
        let tensor = |&(name, values): &(&str, &[f32])| {
            (name.to_owned(), Tensor::new(values, &Device::Cpu).unwrap())
        };
        let tensors: HashMap<_, _> = tensors.iter().map(tensor).collect();
        let bytes = safetensors::serialize(&tensors, None).unwrap();
        Checkpoint::from_bytes("test", bytes, None).unwrap()
    }

    fn values(start: &Start, name: &str) -> Result<Vec<f32>> {
        start.builder(3, &Device::Cpu).get(2, name)?.to_vec1()
    }

    #[test]
    fn a_backbone_is_known_and_the_rest_is_drawn() {
        let start = Start::Backbone {
            prefix: "body".into(),
            checkpoint: checkpoint(&[("stem", &[1.0, 2.0]), ("classifier", &[0.0])]),
        };
        assert_eq!(values(&start, "body.stem").unwrap(), [1.0, 2.0]);
        assert!(values(&start, "head").is_ok());
        let error = values(&start, "body.classifier").unwrap_err().to_string();
        assert!(error.contains("body.classifier: expected [2], found [1]"), "{error}");
        let error = values(&start, "body.other").unwrap_err().to_string();
        assert!(error.contains("found none"), "{error}");
    }

    #[test]
    fn only_the_layer_of_other_classes_is_drawn_anew() {
        let checkpoint = checkpoint(&[("head", &[1.0, 2.0]), ("classes.bias", &[0.0])]);
        let whole = |replaced: Option<&str>| Start::Whole {
            checkpoint: checkpoint.clone(),
            replaced: replaced.map(str::to_owned),
        };
        assert!(values(&whole(None), "classes.bias").is_err());
        let whole = whole(Some("classes"));
        assert!(values(&whole, "classes.bias").is_ok());
        assert_eq!(values(&whole, "head").unwrap(), [1.0, 2.0]);
        assert!(values(&whole, "neck").is_err());
    }
}
