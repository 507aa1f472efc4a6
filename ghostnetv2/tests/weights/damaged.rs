//! Files that are cut, padded, hostile, or not weights at all.

use crate::files::{raw, serialized, tensors};
use candle::{DType, Device, Tensor};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, PlanOptions};
use safetensors::Dtype;

fn error(bytes: &[u8]) -> Error {
    Checkpoint::from_bytes("w.safetensors", bytes.to_vec(), None).expect_err("was accepted")
}

#[test]
fn every_cut_of_a_small_file_is_refused() {
    let whole = raw("conv_stem.weight", Dtype::F32, &[2, 1], &[0; 8]);
    assert!(Checkpoint::from_bytes("w", whole.clone(), None).is_ok());
    for len in 0..whole.len() {
        let text = error(&whole[..len]).to_string();
        assert!(text.starts_with("w.safetensors"), "{len}: {text}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(error(&longer), Error::Safetensors { .. }));
}

#[test]
fn hostile_headers_are_refused() {
    let file = |header: &str| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes
    };
    let overlap = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                      "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let overflow =
        r#"{"a":{"dtype":"F32","shape":[9223372036854775807,2,2],"data_offsets":[0,4]}}"#;
    let span = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}"#;
    let backwards = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#;
    for header in [overlap, overflow, span, backwards, "[]", "{", "{\"a\":1}", "\u{feff}{}"] {
        let mut bytes = file(header);
        bytes.extend([0; 4]);
        assert!(
            matches!(error(&bytes), Error::Safetensors { .. } | Error::Format { .. }),
            "{header}"
        );
    }
    for length in [u64::MAX, 1 << 40, 100_000_001] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        assert!(matches!(error(&bytes), Error::Safetensors { .. }));
    }
    let mut not_text = 2u64.to_le_bytes().to_vec();
    not_text.extend([0xff, 0xfe]);
    assert!(matches!(error(&not_text), Error::Safetensors { .. }));
}

#[test]
fn values_must_be_numbers_and_variances_not_negative() {
    let mut tensors = tensors(&Config::v2(0.25), 3);
    let set = |tensors: &mut crate::files::Tensors, name: &str, value: f32| {
        let tensor = Tensor::full(value, tensors[name].shape(), &Device::Cpu).unwrap();
        tensors.insert(name.into(), tensor);
    };
    set(&mut tensors, "bn1.bias", f32::NAN);
    set(&mut tensors, "classifier.bias", f32::INFINITY);
    set(&mut tensors, "blocks.0.0.ghost1.primary_conv.1.running_var", -1e-3);
    let file = serialized(&tensors, DType::F32);
    let checkpoint = Checkpoint::from_bytes("w.safetensors", file, None).unwrap();
    let (shape, options) = ([1, 3, 64, 64], PlanOptions::default());
    for error in [
        checkpoint.ghostnet(None, &Device::Cpu).map(drop).unwrap_err(),
        checkpoint.plan(None, &shape, &options).map(drop).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.starts_with("w.safetensors"), "{text}");
        for expected in ["bn1.bias: 4 of 4", "classifier.bias: 3 of 3", "1.running_var: negative"] {
            assert!(text.contains(expected), "{text}");
        }
    }
    assert!(matches!(checkpoint.tensor("bn1.bias"), Err(Error::Values { .. })));
    assert!(checkpoint.tensor("bn1.weight").unwrap().is_some());
    assert!(checkpoint.tensor("bn2.weight").unwrap().is_none());
}

#[test]
fn one_bad_value_among_many_is_found_in_every_type() {
    // Longer than what is read or converted at once.
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::F64] {
        for place in [0, 511, 512, 30_000, 70_000] {
            let mut values = vec![1f32; 70_001];
            values[place] = f32::NAN;
            let tensor = Tensor::from_vec(values, 70_001, &Device::Cpu).unwrap();
            let file = serialized(&[("a".to_owned(), tensor)].into(), dtype);
            let checkpoint = Checkpoint::from_bytes("w", file, None).unwrap();
            let text = checkpoint.tensor("a").unwrap_err().to_string();
            assert!(text.contains("a: 1 of 70001"), "{dtype:?} {place}: {text}");
        }
    }
}

#[test]
fn every_type_reads_the_same_from_disk_and_from_memory() {
    let values: Vec<f32> = (0..70_001).map(|i| (i % 2001) as f32 - 1000.0).collect();
    let tensor = Tensor::from_vec(values.clone(), 70_001, &Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for dtype in [DType::F32, DType::F16, DType::F64] {
        let bytes = serialized(&[("a".to_owned(), tensor.clone())].into(), dtype);
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        let in_memory = Checkpoint::from_bytes("w", bytes, None).unwrap();
        for checkpoint in [in_memory, Checkpoint::open(&path, None).unwrap()] {
            let read = checkpoint.tensor("a").unwrap().unwrap();
            assert_eq!(read.to_vec1::<f32>().unwrap(), values, "{dtype:?}");
        }
    }
}

#[test]
fn a_file_that_is_cut_after_it_was_opened_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let whole = serialized(&tensors(&Config::v2(0.25), 3), DType::F32);
    std::fs::write(&path, &whole).unwrap();
    let checkpoint = Checkpoint::open(&path, None).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = checkpoint.plan(None, &[1, 3, 64, 64], &PlanOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn only_floats_are_weights() {
    let text = error(&raw("bn1.weight", Dtype::I64, &[1], &[0; 8])).to_string();
    assert!(text.contains("bn1.weight") && text.contains("I64"), "{text}");
    assert!(matches!(error(&raw("a", Dtype::F8_E4M3, &[2], &[0; 2])), Error::Dtype { .. }));
    // PyTorch's counters are the one exception.
    let counters = raw("bn1.num_batches_tracked", Dtype::I64, &[], &[0; 8]);
    assert_eq!(Checkpoint::from_bytes("w", counters, None).unwrap().names().count(), 0);
}
