//! Whole models through [`ModelSource`]: two files, of which one may be missing.

use candle::Device;
use candle_nn::{VarBuilder, VarMap};
use ghostnetv2::hub::Hub;
use ghostnetv2::weights::{Checkpoint, ModelSource};
use ghostnetv2::{Config, Error, GhostNet};

use crate::fixture::{Cache, Model};
use crate::server::{Answer, Server};

const CONFIG: &str = r#"{"architecture": "ghostnetv2_100", "num_classes": 3,
                         "model_args": {"width": 0.25}}"#;

/// The file of a small network.
fn weights() -> Vec<u8> {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, candle::DType::F32, &Device::Cpu);
    GhostNet::new(&Config::v2(0.25), 3, vb).expect("a network");
    let data = variables.data().lock().expect("no other user");
    let tensors = data.iter().map(|(name, variable)| (name, variable.as_tensor()));
    safetensors::serialize(tensors, None).expect("a file")
}

fn open(with_config: bool, with_weights: bool) -> Result<Checkpoint, Error> {
    let weights = weights();
    let server = Server::start(move |request, _| {
        let contents = match request.target.rsplit('/').next() {
            Some("config.json") if with_config => CONFIG.as_bytes(),
            Some("model.safetensors") if with_weights => &weights,
            _ => return Answer::new(404),
        };
        Model { contents: contents.to_vec(), ..Model::new() }.answer(request)
    });
    let cache = Cache::new();
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    ModelSource::parse("hf:org/repo").expect("a repository").open(&hub, &mut ())
}

#[test]
fn weights_and_configuration() {
    let checkpoint = open(true, true).expect("both files");
    assert_eq!(checkpoint.config().expect("a GhostNet"), Config::v2(0.25));
    assert_eq!(checkpoint.timm_config().and_then(|config| config.num_classes()), Some(3));
    assert!(checkpoint.ghostnet(None, &Device::Cpu).is_ok());
}

#[test]
fn weights_alone_tell_the_network_too() {
    let checkpoint = open(false, true).expect("the weights");
    assert!(checkpoint.timm_config().is_none());
    assert!(checkpoint.ghostnet(None, &Device::Cpu).is_ok());
}

#[test]
fn missing_weights_are_the_error() {
    for with_config in [true, false] {
        let error = open(with_config, false).expect_err("no weights");
        assert!(matches!(&error, Error::Hub(error) if error.is_not_found()), "{error}");
        assert!(error.to_string().contains("model.safetensors"), "{error}");
    }
}
