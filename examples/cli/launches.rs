//! Classifiers on a GPU as few launches.

use candle::{DType, Device, Result, Tensor};
use ghostnetv2::GhostNet;
#[cfg(feature = "cuda")]
use {
    ghostnetv2::gpu::CudaPlan,
    std::sync::{Arc, Mutex, PoisonError},
};

/// Shapes that stay laid out: those of full batches and of a last one.
#[cfg(feature = "cuda")]
const KEPT: usize = 2;

/// A network that is laid out on a GPU for each shape of inputs that it meets.
#[derive(Debug)]
pub struct Launches {
    net: GhostNet,
    device: Device,
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "there is no such device"))]
    dtype: DType,
    #[cfg(feature = "cuda")]
    plans: Mutex<Vec<([usize; 4], Arc<CudaPlan>)>>,
}

impl Launches {
    /// Of a network whose weights are on the CPU, for a GPU that keeps weights and maps in `dtype`.
    pub fn new(net: GhostNet, device: Device, dtype: DType) -> Self {
        Self {
            net,
            device,
            dtype,
            #[cfg(feature = "cuda")]
            plans: Mutex::default(),
        }
    }

    /// Where inputs should be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// `[B, 3, H, W]` → `[B, classes]`.
    ///
    /// # Errors
    /// An input that the network can't take, or what the device says.
    #[cfg(feature = "cuda")]
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let shape: [usize; 4] = x.dims4()?.into();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = match plans.iter().find(|(known, _)| *known == shape) {
            Some((_, plan)) => plan.clone(),
            None => {
                let plan = Arc::new(self.net.cuda_plan(shape, self.dtype, &self.device)?);
                plans.insert(0, (shape, plan.clone()));
                plans.truncate(KEPT);
                plan
            }
        };
        drop(plans);
        plan.forward(x)
    }

    /// As with the feature `cuda`; without it there is no such device.
    ///
    /// # Errors
    /// As there.
    #[cfg(not(feature = "cuda"))]
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.net.forward(x)
    }
}
