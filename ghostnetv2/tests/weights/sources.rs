//! Names, folders and files.

use crate::files::{serialized, tensors};
use candle::{DType, Device};
use ghostnetv2::weights::ModelSource;
use ghostnetv2::{Config, Error};
use std::fs;
use std::path::Path;

fn folder(config_json: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let weights = serialized(&tensors(&Config::v2(0.75), 3), DType::F16);
    fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    fs::write(folder.path().join("config.json"), config_json).unwrap();
    folder
}

fn open(path: &Path) -> Result<ghostnetv2::weights::Checkpoint, Error> {
    ModelSource::parse(path.to_str().unwrap())?.open_local()
}

#[test]
fn a_folder_in_timms_form() {
    let config = r#"{"architecture": "ghostnetv2_100", "num_classes": 3,
        "model_args": {"width": 0.75}, "label_names": ["a", "b", "c"],
        "pretrained_cfg": {"input_size": [3, 64, 64]}}"#;
    let folder = folder(config);
    let checkpoint = open(folder.path()).unwrap();
    assert_eq!(checkpoint.config().unwrap(), Config::v2(0.75));
    assert!(checkpoint.ghostnet(None, &Device::Cpu).is_ok());
    let timm = checkpoint.timm_config().unwrap();
    assert_eq!(timm.label_names().unwrap().unwrap().len(), 3);
    assert_eq!(timm.pretrained_cfg()["input_size"][1], 64);

    // A file finds the config.json beside it, and the same network.
    let file = open(&folder.path().join("model.safetensors")).unwrap();
    assert_eq!(file.config().unwrap(), Config::v2(0.75));
}

#[test]
fn a_file_beside_some_other_config_json() {
    let folder = folder(r#"{"name": "an npm package"}"#);
    let file = open(&folder.path().join("model.safetensors")).unwrap();
    assert!(file.timm_config().is_none());
    assert_eq!(file.config().unwrap(), Config::v2(0.75));
    assert!(matches!(open(folder.path()).unwrap().config(), Err(Error::Config { .. })));
}

#[test]
fn contradictions_are_refused() {
    let folder = folder(
        r#"{"architecture": "ghostnetv2_100", "num_classes": 4,
                            "model_args": {"width": 0.75}}"#,
    );
    let error = open(folder.path()).unwrap().ghostnet(None, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("num_classes 4") && error.contains("has 3"), "{error}");
    fs::write(folder.path().join("config.json"), "{\"architecture\": ").unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("not a JSON object"), "{error}");
    fs::remove_file(folder.path().join("config.json")).unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Io { .. })));
}

#[test]
fn unknown_names_say_what_there_is() {
    for name in ["resnet50", "ghostnetv2_050", "no/such/folder", ""] {
        let error = ModelSource::parse(name).unwrap_err();
        assert!(matches!(error, Error::UnknownModel { .. }), "{name}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("ghostnetv2_100"), "{text}");
    }
}

#[cfg(feature = "hub")]
#[test]
fn names_of_the_hub() {
    let parse = |text| ModelSource::parse(text).unwrap();
    assert_eq!(parse("ghostnetv2_130"), parse("hf:timm/ghostnetv2_130.in1k"));
    assert_eq!(parse("ghostnetv2_130.in1k"), parse("hf:timm/ghostnetv2_130.in1k"));
    assert!(matches!(parse("hf:org/repo@v1.0"), ModelSource::Hub(_)));
    for wrong in ["hf:", "hf:repo", "hf:../x/y", "hf:org/repo@../.."] {
        assert!(matches!(ModelSource::parse(wrong), Err(Error::Hub(_))), "{wrong}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_without_reading() {
    for path in ["/dev/zero", "/dev/null"] {
        let error = ModelSource::path(path.into()).unwrap().open_local().unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
    }
}
