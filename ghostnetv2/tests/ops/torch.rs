//! Values and gradients of single operations beside PyTorch's: `scripts/make_op_gradients.py` has
//! the cases, and their file tells them.

use crate::formula::plain;
use candle::{DType, Device, Result, Tensor, Var};
use candle_nn::ops::{hard_sigmoid, sigmoid};
use ghostnetv2::ops::{
    Conv2dParams, ConvAlgorithm, avg_pool2x2, batch_norm_train, channel_affine, conv2d,
    depthwise_conv2d, global_avg_pool, max_pool2d, upsample_bilinear2d, upsample_nearest2d,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How far a value may be off, as a share of the largest in its tensor.
pub(crate) const OFF: f64 = 2e-5;

/// An operation on operands by formula, and what PyTorch made of it.
pub(crate) struct Case {
    pub(crate) numbers: Value,
    expected: HashMap<String, Tensor>,
}

/// All cases of the file.
pub(crate) fn cases() -> Vec<Case> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/op_gradients.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let about = &metadata.metadata().as_ref().unwrap()["about"];
    let about: Value = serde_json::from_str(about).unwrap();
    let tensors = candle::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    let case = |numbers: &Value| {
        let prefix = format!("{}/", numbers["name"].as_str().unwrap());
        let own = tensors.iter().filter_map(|(name, tensor)| {
            name.strip_prefix(&prefix).map(|name| (name.to_string(), tensor.clone()))
        });
        Case { numbers: numbers.clone(), expected: own.collect() }
    };
    about["cases"].as_array().unwrap().iter().map(case).collect()
}

impl Case {
    pub(crate) fn name(&self) -> &str {
        self.numbers["name"].as_str().unwrap()
    }

    pub(crate) fn op(&self) -> &str {
        self.numbers["op"].as_str().unwrap()
    }

    /// A list of numbers, or a number twice.
    pub(crate) fn pair(&self, key: &str) -> (usize, usize) {
        let list = self.list(&self.numbers[key]);
        (list[0], list[list.len() - 1])
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.numbers[key].as_f64().unwrap()
    }

    fn list(&self, value: &Value) -> Vec<usize> {
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        value.as_array().map_or_else(|| vec![number(value)], |l| l.iter().map(number).collect())
    }

    /// Shape of an operand, if the operation has it.
    pub(crate) fn shape(&self, operand: &str) -> Option<Vec<usize>> {
        self.numbers["operands"].get(operand).map(|shape| self.list(shape))
    }

    /// An operand by formula.
    pub(crate) fn operand(&self, operand: &str) -> Result<Tensor> {
        let values = plain(&format!("{}/{operand}", self.name()), self.shape(operand).unwrap())?;
        let number = |key: &str| self.numbers.get(key).and_then(Value::as_f64);
        match (operand, number("scale"), number("levels")) {
            ("x", Some(scale), _) => values * scale,
            ("x", _, Some(levels)) => (values * levels)?.floor(),
            _ => Ok(values),
        }
    }

    /// What a loss multiplies a tensor by: `y`, or `again/OPERAND` for its second use.
    pub(crate) fn outer(&self, key: &str, like: &Tensor) -> Result<Tensor> {
        plain(&format!("{}/{key}", self.name()), like.shape())
    }

    /// What PyTorch has, less `without`.
    pub(crate) fn check(&self, key: &str, found: &Tensor, without: Option<&Tensor>) -> Result<()> {
        let mut expected = self.expected[key].clone();
        if let Some(without) = without {
            expected = (expected - without)?;
        }
        assert_eq!(found.dims(), expected.dims(), "{}: {key}", self.name());
        let most =
            |t: &Tensor| t.abs()?.to_dtype(DType::F64)?.flatten_all()?.max(0)?.to_scalar::<f64>();
        let found = found.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let (off, size) = (most(&(found - &expected)?)?, most(&expected)?.max(1.0));
        assert!(off <= OFF * size, "{}: {key} is {off:e} off, of {size}", self.name());
        Ok(())
    }

    fn applied(
        &self,
        operands: &BTreeMap<&str, Tensor>,
        algorithm: ConvAlgorithm,
    ) -> Result<Option<Tensor>> {
        let x = &operands["x"];
        let y = match self.op() {
            "conv" => {
                let (weight, stride) = (&operands["weight"], self.pair("stride").0);
                let (padding, groups) = (self.pair("padding"), self.pair("groups").0);
                let dilation = self.number("dilation") as usize;
                let y = if groups > 1 && dilation == 1 {
                    depthwise_conv2d(x, weight, (stride, stride), padding, algorithm)?
                } else {
                    let params = Conv2dParams { stride, padding, dilation, groups };
                    conv2d(x, weight, params, algorithm)?
                };
                y.broadcast_add(&operands["bias"].reshape((1, (), 1, 1))?)?
            }
            "batch-norm" => {
                let (weight, bias) = (&operands["weight"], &operands["bias"]);
                batch_norm_train(x, weight, bias, self.number("epsilon"))?.0
            }
            "affine" => channel_affine(x, &operands["weight"], &operands["bias"])?,
            "relu" => x.relu()?,
            "sigmoid" => sigmoid(x)?,
            "hard-sigmoid" => hard_sigmoid(x)?,
            "gate" => {
                let (.., h, w) = x.dims4()?;
                x.mul(&upsample_nearest2d(&operands["gate"], (h, w))?)?
            }
            "nearest" => upsample_nearest2d(x, self.pair("to"))?,
            "bilinear" => upsample_bilinear2d(x, self.pair("to"), false)?,
            "bilinear-corners" => upsample_bilinear2d(x, self.pair("to"), true)?,
            "avg-pool" => avg_pool2x2(x)?,
            "global-pool" => global_avg_pool(x)?,
            "max-pool" => {
                let stride = self.pair("stride").0;
                max_pool2d(x, self.pair("kernel"), stride, self.pair("padding"))?
            }
            "group-norm" => return Ok(None), // heads have it
            other => panic!("{}: nothing here is called {other}", self.name()),
        };
        Ok(Some(y))
    }
}

#[test]
fn candle_operations_are_pytorchs() -> Result<()> {
    for algorithm in [ConvAlgorithm::Kernels, ConvAlgorithm::CandleOps] {
        compare(algorithm, &Device::Cpu, DType::F32)?;
    }
    Ok(())
}

/// In double precision, for which there are no kernels: what Metal computes too.
#[test]
fn ordinary_candle_operations_are_pytorchs() -> Result<()> {
    compare(ConvAlgorithm::CandleOps, &Device::Cpu, DType::F64)
}

#[test]
#[cfg(feature = "cuda")]
#[ignore = "needs a GPU"]
fn gpu_operations_are_pytorchs() -> Result<()> {
    compare(ConvAlgorithm::Kernels, &Device::new_cuda(0)?, DType::F32)
}

/// All cases with operands on this device, in this type.
fn compare(algorithm: ConvAlgorithm, device: &Device, dtype: DType) -> Result<()> {
    let placed = |t: Tensor| t.to_device(device)?.to_dtype(dtype);
    let mut compared = 0;
    for case in cases() {
        let names = ["x", "weight", "bias", "gate"].into_iter().filter(|n| case.shape(n).is_some());
        let var = |name| Var::from_tensor(&placed(case.operand(name)?)?);
        let vars = names.map(|name| Ok((name, var(name)?)));
        let vars = vars.collect::<Result<BTreeMap<_, _>>>()?;
        let operands = vars.iter().map(|(name, var)| (*name, var.as_tensor().clone())).collect();
        let Some(y) = case.applied(&operands, algorithm)? else { continue };
        case.check("y", &y, None)?;
        let mut loss = y.mul(&placed(case.outer("y", &y)?)?)?.sum_all()?;
        for (name, operand) in &operands {
            let again = placed(case.outer(&format!("again/{name}"), operand)?)?;
            loss = (loss + operand.mul(&again)?.sum_all()?)?;
        }
        let gradients = loss.backward()?;
        for (name, operand) in &operands {
            case.check(&format!("grad/{name}"), gradients.get(operand).unwrap(), None)?;
        }
        compared += 1;
    }
    assert!(compared > 40, "{compared} cases");
    Ok(())
}
