//! The weights that a training starts from.

use candle::{DType, Device, Result, Shape, Tensor, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Error, Mismatch};
use heads::Seeded;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The weights that a training of a network with a head starts from; those that are not known are
/// drawn, from a seed and their names.
#[derive(Clone, Debug)]
pub enum Start {
    /// Nothing is known.
    Drawn,
    /// A classifier's, or those of another network's backbone, which become those of the backbone
    /// that lies under `prefix`: see [`Start::backbone`].
    Backbone {
        /// Such as `backbone.body`.
        prefix: String,
        /// What stands before timm's names in the checkpoint: nothing, or such as `backbone.body.`.
        from: String,
        /// Where they are.
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
    /// For a backbone that lies under `prefix`, the weights of a classifier or of the backbone of any
    /// network with a head: where its stem is, the rest is too.
    pub fn backbone(prefix: &str, checkpoint: Checkpoint) -> Self {
        let stem = checkpoint.names().find_map(|name| name.strip_suffix("conv_stem.weight"));
        let from = stem.unwrap_or_default().to_owned();
        Self::Backbone { prefix: prefix.to_owned(), from, checkpoint }
    }

    /// Looks at every weight that a network asks for, which `build` builds: what is wrong with the
    /// checkpoint comes out together, before anything else is done.
    ///
    /// # Errors
    /// [`ghostnetv2::Error::Values`] with every weight that is no number, else
    /// [`ghostnetv2::Error::Mismatch`] with everything that is missing or of another shape.
    pub fn check<M>(
        &self,
        build: impl FnOnce(VarBuilder<'static>) -> Result<M>,
    ) -> std::result::Result<(), Error> {
        let (Self::Backbone { checkpoint, .. } | Self::Whole { checkpoint, .. }) = self else {
            return Ok(());
        };
        let faults = Faults::default();
        let drawn = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let built = build(self.asked(drawn, Some(faults.clone()))).map(drop);
        let faults = std::mem::take(&mut *faults.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut mismatch, mut problems) = (Mismatch::default(), Vec::new());
        for (name, shape, fault) in faults {
            match fault {
                Fault::Missing => mismatch.missing.push(name),
                Fault::Shape(found) => mismatch.shapes.push((name, shape.into_dims(), found)),
                Fault::Unreadable(Error::Values { problems: more, .. }) => problems.extend(more),
                Fault::Unreadable(error) => return Err(error),
            }
        }
        let origin = checkpoint.origin().to_owned();
        if !problems.is_empty() {
            return Err(Error::Values { origin, problems });
        }
        if !mismatch.missing.is_empty() || !mismatch.shapes.is_empty() {
            return Err(Error::Mismatch(Box::new(Mismatch { origin, ..mismatch })));
        }
        Ok(built?)
    }

    /// What variables start as.
    ///
    /// Building with it fails at a weight of another shape than the network's, and at one that is
    /// missing from the whole.
    pub fn builder(&self, seed: u64, device: &Device) -> VarBuilder<'static> {
        self.asked(Seeded::new(seed).var_builder(DType::F32, device), None)
    }

    /// Weights as they are known, else as they are `drawn`.
    fn asked(&self, drawn: VarBuilder<'static>, faults: Option<Faults>) -> VarBuilder<'static> {
        let names = match self {
            Self::Whole { checkpoint, .. } => checkpoint.names().map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        };
        let device = drawn.device().clone();
        let backend = Beginning { start: self.clone(), names, drawn, faults };
        VarBuilder::from_backend(Box::new(backend), DType::F32, device)
    }

    /// Where the weights come from.
    fn origin(&self) -> &str {
        match self {
            Self::Drawn => "none",
            Self::Backbone { checkpoint, .. } | Self::Whole { checkpoint, .. } => {
                checkpoint.origin()
            }
        }
    }

    /// The tensor that is known of a name, if any has to be.
    fn known(&self, name: &str, shape: &Shape) -> std::result::Result<Option<Tensor>, Fault> {
        let (checkpoint, own, replaced) = match self {
            Self::Drawn => return Ok(None),
            Self::Backbone { prefix, from, checkpoint } => {
                let own = name.strip_prefix(prefix.as_str()).and_then(|own| own.strip_prefix('.'));
                let Some(own) = own else { return Ok(None) };
                (checkpoint, format!("{from}{own}"), None)
            }
            Self::Whole { checkpoint, replaced } => {
                (checkpoint, name.to_owned(), replaced.as_deref())
            }
        };
        let found = checkpoint.tensor(&own).map_err(Fault::Unreadable)?;
        match found {
            Some(tensor) if tensor.shape() == shape => Ok(Some(tensor)),
            _ if replaced.is_some_and(|layer| name.starts_with(layer)) => Ok(None),
            Some(tensor) => Err(Fault::Shape(tensor.dims().to_vec())),
            None => Err(Fault::Missing),
        }
    }
}

/// Why a weight can't be had.
#[derive(Debug)]
enum Fault {
    Missing,
    /// It has this shape.
    Shape(Vec<usize>),
    Unreadable(Error),
}

/// Each weight that can't be had, with the shape that was asked for.
type Faults = Arc<Mutex<Vec<(String, Shape, Fault)>>>;

/// Weights by their names, as networks ask for them.
struct Beginning {
    start: Start,
    /// Of the whole network's weights.
    names: BTreeSet<String>,
    drawn: VarBuilder<'static>,
    /// Notes what can't be had, and goes on with what is drawn; without, that is an error.
    faults: Option<Faults>,
}

impl SimpleBackend for Beginning {
    fn get(&self, s: Shape, name: &str, h: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let (expected, origin) = (s.dims(), self.start.origin());
        match (self.start.known(name, &s), &self.faults) {
            (Ok(Some(known)), _) => return known.to_device(dev)?.to_dtype(dtype),
            (Ok(None), _) => {}
            (Err(fault), Some(faults)) => {
                let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                faults.push((name.into(), s.clone(), fault));
            }
            (Err(Fault::Unreadable(error)), None) => return Err(candle::Error::wrap(error)),
            (Err(Fault::Missing), None) => {
                bail!("{origin}: {name}: expected {expected:?}, found none")
            }
            (Err(Fault::Shape(found)), None) => {
                bail!("{origin}: {name}: expected {expected:?}, found {found:?}")
            }
        }
        self.drawn.get_with_hints_dtype(s, name, h, dtype)
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
        let known = checkpoint(&[("stem", &[1.0, 2.0]), ("classifier", &[0.0])]);
        let start = Start::backbone("body", known);
        assert_eq!(values(&start, "body.stem").unwrap(), [1.0, 2.0]);
        assert!(values(&start, "head").is_ok());
        let error = values(&start, "body.classifier").unwrap_err().to_string();
        assert!(error.contains("body.classifier: expected [2], found [1]"), "{error}");
        let error = values(&start, "body.other").unwrap_err().to_string();
        assert!(error.contains("found none"), "{error}");
    }

    #[test]
    fn another_networks_backbone_is_found_by_its_stem() {
        let known = [("net.body.conv_stem.weight", &[1.0, 2.0][..]), ("net.body.a", &[3.0, 4.0])];
        let start = Start::backbone("encoder", checkpoint(&known));
        assert_eq!(values(&start, "encoder.conv_stem.weight").unwrap(), [1.0, 2.0]);
        assert_eq!(values(&start, "encoder.a").unwrap(), [3.0, 4.0]);
        assert!(values(&start, "encoder.b").unwrap_err().to_string().contains("found none"));
    }

    #[test]
    fn all_that_does_not_fit_is_said_together() {
        let checkpoint = checkpoint(&[("a", &[1.0]), ("b", &[f32::NAN]), ("c", &[0.0, 0.0])]);
        let start = Start::Whole { checkpoint, replaced: Some("new".into()) };
        let check = |names: &[&str]| {
            let ask = |vb: VarBuilder| names.iter().try_for_each(|name| vb.get(2, name).map(drop));
            start.check(ask).map_err(|error| error.to_string())
        };
        assert!(check(&["c", "new.weight"]).is_ok());
        let error = check(&["a", "c", "d", "e"]).unwrap_err();
        for part in ["2 missing", "d", "e", "1 of another shape", "a: expected [2], found [1]"] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
        let error = check(&["a", "b"]).unwrap_err();
        assert!(error.contains("b: 1 of 1 values are NaN"), "{error}");
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
