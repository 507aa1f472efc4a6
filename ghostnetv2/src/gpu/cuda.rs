//! Programs on a CUDA device.

use super::{Argument, Geometry, Launch, Machine, Product, Program, Region};
use crate::ops::cuda::{MODULES, config, suffix};
use candle::cuda_backend::CudaDType;
use candle::cuda_backend::WrapErr;
use candle::cuda_backend::cudarc::cublas::sys as cublas;
use candle::cuda_backend::cudarc::driver::{
    CudaEvent, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr,
    PushKernelArg, sys,
};
use candle::{
    CudaDevice, CudaStorage, DType, Device, Error, Result, Shape, Storage, Tensor, WithDType, bail,
};
use half::{bf16, f16};
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A network for one input shape on one GPU: batch-norm folded, steps fused, memory laid out once.
/// See [`GhostNet::cuda_plan`](crate::GhostNet::cuda_plan).
///
/// A call writes the same memory as the one before: calls from several threads take turns.
pub struct CudaPlan {
    program: Program,
    device: CudaDevice,
    dtype: DType,
    memory: Mutex<Memory>,
}

impl CudaPlan {
    /// Uploads the weights of a program in `dtype`, and makes room for its maps.
    ///
    /// # Errors
    /// A device that is no GPU, a type other than f32, f16 and bf16, or what the device says.
    pub fn new(program: Program, dtype: DType, device: &Device) -> Result<Self> {
        let device = device.as_cuda_device()?.clone();
        let memory = match dtype {
            DType::F32 => Memory::F32(Typed::new(&program, &device, |x| x)?),
            DType::F16 => Memory::F16(Typed::new(&program, &device, f16::from_f32)?),
            DType::BF16 => Memory::Bf16(Typed::new(&program, &device, bf16::from_f32)?),
            other => bail!("a plan for a GPU in {other:?}: expected f32, f16 or bf16"),
        };
        Ok(Self { program, device, dtype, memory: Mutex::new(memory) })
    }

    /// What it does in a forward pass.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The first output: class scores `[B, classes]` in f32.
    ///
    /// # Errors
    /// An input of another shape than it was made for, or what the device says.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let first = self.forward_all(x)?.into_iter().next();
        first.ok_or_else(|| Error::Msg("a plan without outputs".into()))
    }

    /// All outputs, in f32.
    ///
    /// # Errors
    /// As [`CudaPlan::forward`].
    pub fn forward_all(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let device = Device::Cuda(self.device.clone());
        let x = x.to_device(&device)?.to_dtype(self.dtype)?.contiguous()?;
        if x.elem_count() != self.program.input().len {
            bail!("{:?}: a plan for a GPU takes the shape that it was made for only", x.dims())
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = match &mut *memory {
            Memory::F32(typed) => typed.run(&self.program, &x),
            Memory::F16(typed) => typed.run(&self.program, &x),
            Memory::Bf16(typed) => typed.run(&self.program, &x),
        }?;
        outputs.into_iter().map(|y| y.to_dtype(DType::F32)).collect()
    }

    /// Records all steps as one CUDA graph: calls after this launch that.
    ///
    /// # Errors
    /// What the device says.
    pub fn capture(&self) -> Result<()> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *memory {
            Memory::F32(typed) => typed.capture(&self.program),
            Memory::F16(typed) => typed.capture(&self.program),
            Memory::Bf16(typed) => typed.capture(&self.program),
        }
    }
}

impl fmt::Debug for CudaPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaPlan").field("dtype", &self.dtype).finish_non_exhaustive()
    }
}

enum Memory {
    F32(Typed<f32>),
    F16(Typed<f16>),
    Bf16(Typed<bf16>),
}

/// A type that maps are stored in, as cuBLAS calls it.
trait Stored: CudaDType + DeviceRepr + WithDType {
    const KIND: cublas::cudaDataType;
}

impl Stored for f32 {
    const KIND: cublas::cudaDataType = cublas::cudaDataType::CUDA_R_32F;
}

impl Stored for f16 {
    const KIND: cublas::cudaDataType = cublas::cudaDataType::CUDA_R_16F;
}

impl Stored for bf16 {
    const KIND: cublas::cudaDataType = cublas::cudaDataType::CUDA_R_16BF;
}

/// All that a program needs on the device.
struct Typed<T> {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    maps: CudaSlice<T>,
    /// Read by address only.
    _weights: CudaSlice<T>,
    _biases: CudaSlice<f32>,
    kernels: HashMap<&'static str, CudaFunction>,
    graph: Option<Graph>,
    /// Where maps, weights and biases begin, for as long as these live.
    addresses: [u64; 3],
    /// When the last work on these was done: candle's stream is another one on each thread.
    done: CudaEvent,
}

/// A recorded program.
struct Graph(CudaGraph);

#[allow(unsafe_code)]
// SAFETY: a graph belongs to its context, not to a thread; the plan's lock lets one at a time use it.
unsafe impl Send for Graph {}

impl<T: Stored> Typed<T> {
    fn new(program: &Program, device: &CudaDevice, store: impl Fn(f32) -> T) -> Result<Self> {
        let weights: Vec<T> = program.weights().iter().map(|&weight| store(weight)).collect();
        let mut kernels = HashMap::new();
        for step in program.steps() {
            let super::Step::Launch(Launch { kernel, .. }) = step else { continue };
            if !kernels.contains_key(kernel) {
                let name = format!("{kernel}_{}", suffix(T::DTYPE)?);
                let Some(module) = MODULES.iter().find(|module| module.has(&name)) else {
                    bail!("there is no kernel {name}")
                };
                kernels.insert(*kernel, module.function(device, &name)?);
            }
        }
        #[allow(unsafe_code)]
        // SAFETY: every step writes its output before another reads it, and the input is copied
        // before the first.
        let mut maps = unsafe { device.alloc::<T>(program.map_len())? };
        let (weights, biases) =
            (device.clone_htod(&weights)?, device.clone_htod(program.biases())?);
        let stream = device.cuda_stream();
        let addresses = [
            maps.device_ptr_mut(&stream).0,
            weights.device_ptr(&stream).0,
            biases.device_ptr(&stream).0,
        ];
        let (device, done) = (device.clone(), stream.record_event(None).w()?);
        Ok(Self {
            device,
            stream,
            maps,
            _weights: weights,
            _biases: biases,
            kernels,
            graph: None,
            addresses,
            done,
        })
    }

    fn run(&mut self, program: &Program, x: &Tensor) -> Result<Vec<Tensor>> {
        let (storage, layout) = x.storage_and_layout();
        let (Storage::Cuda(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        else {
            bail!("an input that could not be read on the device")
        };
        let from = storage.as_cuda_slice::<T>()?.slice(start..end);
        let Region { start, len } = program.input();
        self.stream.wait(&self.done).w()?;
        self.stream.memcpy_dtod(&from, &mut self.maps.slice_mut(start..start + len)).w()?;
        match &self.graph {
            Some(Graph(graph)) => graph.launch().w()?,
            None => program.run(&mut Walk(self))?,
        }
        let output = |(region, shape): &(Region, Vec<usize>)| {
            let Region { start, len } = *region;
            let y = self.stream.clone_dtod(&self.maps.slice(start..start + len)).w()?;
            let storage = CudaStorage::wrap_cuda_slice(y, self.device.clone());
            Ok(tensor(storage, shape))
        };
        let outputs = program.outputs().iter().map(output).collect::<Result<_>>()?;
        self.done = self.stream.record_event(None).w()?;
        Ok(outputs)
    }

    fn capture(&mut self, program: &Program) -> Result<()> {
        self.stream.wait(&self.done).w()?;
        // Once outside, so that cuBLAS has made what it makes at first.
        program.run(&mut Walk(self))?;
        self.stream.synchronize().w()?;
        let stream = self.stream.clone();
        stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).w()?;
        let done = program.run(&mut Walk(self));
        let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        let graph = stream.end_capture(flags).w()?;
        done?;
        let Some(graph) = graph else { bail!("the device recorded nothing") };
        self.graph = Some(Graph(graph));
        Ok(())
    }
}

/// The steps, one by one.
struct Walk<'a, T>(&'a Typed<T>);

/// An argument as the driver takes it.
enum Prepared {
    Address(u64),
    Int(i32),
    Geometry(Geometry),
}

impl<T: Stored> Walk<'_, T> {
    fn prepared(&self, argument: &Argument) -> Prepared {
        let [maps, weights, biases] = self.0.addresses;
        let element = |base: u64, at: usize| Prepared::Address(base + (at * size_of::<T>()) as u64);
        match *argument {
            Argument::Map(at) => element(maps, at),
            Argument::Weights(at) => element(weights, at),
            Argument::Biases(at) => Prepared::Address(biases + (at * size_of::<f32>()) as u64),
            Argument::Null => Prepared::Address(0),
            Argument::Int(int) => Prepared::Int(int),
            Argument::Geometry(geometry) => Prepared::Geometry(geometry),
        }
    }
}

impl<T: Stored> Machine for Walk<'_, T> {
    fn launch(&mut self, launch: &Launch) -> Result<()> {
        let Some(function) = self.0.kernels.get(launch.kernel) else {
            bail!("the kernel {} was not loaded", launch.kernel)
        };
        let prepared: Vec<Prepared> =
            launch.arguments.iter().map(|argument| self.prepared(argument)).collect();
        let mut builder = self.0.stream.launch_builder(function);
        for argument in &prepared {
            match argument {
                Prepared::Address(address) => builder.arg(address),
                Prepared::Int(int) => builder.arg(int),
                Prepared::Geometry(geometry) => builder.arg(geometry),
            };
        }
        #[allow(unsafe_code)]
        // SAFETY: the program's regions lie within the three blocks, and its arguments are what the
        // kernel takes: `cuda-check` walks the same programs with the same kernels on the host.
        unsafe {
            builder.launch(config(launch.grid)).w()?;
        }
        Ok(())
    }

    fn product(&mut self, product: &Product) -> Result<()> {
        let Product { m, n, k, batch, .. } = *product;
        let [maps, weights, _] = self.0.addresses;
        let element = |base: u64, at: usize| base + (at * size_of::<T>()) as u64;
        let (one, zero) = (1f32, 0f32);
        let none = cublas::cublasOperation_t::CUBLAS_OP_N;
        let int = crate::gpu::int;
        let (m, n, k, pictures) = (int(m)?, int(n)?, int(k)?, int(batch)?);
        #[allow(unsafe_code)]
        // SAFETY: the program's regions lie within the blocks, and have as many elements as these
        // sizes say. cuBLAS has columns where maps have rows: it is given the transposed product
        // `x' [n, k] · weights' [k, m]`.
        unsafe {
            candle::cuda_backend::cudarc::cublas::result::gemm_strided_batched_ex(
                *self.0.device.cublas_handle().handle(),
                none,
                none,
                n,
                m,
                k,
                (&raw const one).cast(),
                element(maps, product.x) as *const c_void,
                T::KIND,
                n,
                i64::from(n) * i64::from(k),
                element(weights, product.weights) as *const c_void,
                T::KIND,
                k,
                0, // every picture has the same weights
                (&raw const zero).cast(),
                element(maps, product.y) as *mut c_void,
                T::KIND,
                n,
                i64::from(n) * i64::from(m),
                pictures,
                cublas::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
            )
            .w()?;
        }
        Ok(())
    }
}

fn tensor(storage: CudaStorage, shape: &[usize]) -> Tensor {
    let none = candle::op::BackpropOp::none();
    Tensor::from_storage(Storage::Cuda(storage), Shape::from(shape.to_vec()), none, false)
}
