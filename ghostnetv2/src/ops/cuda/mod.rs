//! Launches of the kernels beside this file, on the stream that candle works on.
//!
//! `build.rs` compiles them to PTX; candle loads each file once for a device. That they are
//! compiled with the crate and not when a program starts (by NVRTC) has two reasons: nvcc has to
//! be there anyway for candle's own, and programs that look at one picture need not compile first.

pub(super) mod batch_norm;
pub(super) mod maps;

use crate::gpu::{Geometry, Grid};
use candle::backend::BackendStorage;
use candle::cuda_backend::WrapErr;
use candle::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaView, LaunchConfig, PushKernelArg,
};
use candle::{CudaDevice, CudaStorage, DType, Layout, Result, Storage, Tensor, bail};
use half::{bf16, f16};

/// What operations that are made for a GPU alone say of a CPU, where nothing calls them.
pub(super) fn only_on_a_gpu<T>() -> Result<T> {
    bail!("a CUDA operation on a CPU")
}

/// A file of kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module {
    name: &'static str,
    ptx: &'static str,
}

macro_rules! modules {
    ($($constant:ident: $file:literal,)*) => {$(
        pub(crate) const $constant: Module = Module {
            name: concat!("ghostnetv2-", $file),
            ptx: include_str!(concat!(env!("OUT_DIR"), "/", $file, ".ptx")),
        };
    )*
    /// All files of kernels.
    pub(crate) const MODULES: &[Module] = &[$($constant),*];
    };
}

modules! {
    BATCH_NORM: "batch_norm",
    DENSE: "dense",
    DEPTHWISE: "depthwise",
    GATE: "gate",
    GHOST: "ghost",
    POOL: "pool",
    RESIZE: "resize",
    SQUEEZE_EXCITE: "squeeze_excite",
}

impl Module {
    /// Whether it has a kernel of this name.
    pub(crate) fn has(&self, kernel: &str) -> bool {
        self.ptx.contains(&format!(".entry {kernel}("))
    }

    /// The kernel of this name on a device.
    pub(crate) fn function(&self, device: &CudaDevice, kernel: &str) -> Result<CudaFunction> {
        let function = device.get_or_load_custom_func(kernel, self.name, self.ptx)?;
        Ok(function.into_cuda_function())
    }
}

/// Whether the kernels can take these tensors: on a GPU, of one type that they have.
pub(super) fn takes(tensors: &[&Tensor]) -> bool {
    let one_type = tensors.windows(2).all(|pair| pair[0].dtype() == pair[1].dtype());
    one_type && tensors.iter().all(|tensor| is_map(tensor))
}

/// Whether the kernels can take `map`, and `of_channels` in f32.
pub(super) fn takes_with(map: &Tensor, of_channels: &[&Tensor]) -> bool {
    let single = |t: &&Tensor| t.device().is_cuda() && t.dtype() == DType::F32;
    is_map(map) && of_channels.iter().all(single)
}

fn is_map(tensor: &Tensor) -> bool {
    tensor.device().is_cuda() && suffix(tensor.dtype()).is_ok()
}

/// How kernels for a type are called.
pub(crate) fn suffix(dtype: DType) -> Result<&'static str> {
    match dtype {
        DType::F32 => Ok("f32"),
        DType::F16 => Ok("f16"),
        DType::BF16 => Ok("bf16"),
        other => bail!("CUDA kernels: {other:?}: expected f32, f16 or bf16"),
    }
}

/// An argument of a kernel.
pub(super) enum Operand<'a> {
    Tensor(&'a CudaStorage, &'a Layout),
    Null,
    /// What the launch makes.
    Output,
    Int(usize),
    Float(f32),
    Geometry(Geometry),
}

/// The same, as the driver takes it.
enum Prepared<'a> {
    F32(CudaView<'a, f32>),
    F16(CudaView<'a, f16>),
    Bf16(CudaView<'a, bf16>),
    Null(u64),
    Output,
    Int(i32),
    Float(f32),
    Geometry(Geometry),
}

impl<'a> Operand<'a> {
    fn prepared(&self) -> Result<Prepared<'a>> {
        Ok(match *self {
            Self::Tensor(storage, layout) => {
                let Some((start, end)) = layout.contiguous_offsets() else {
                    bail!("CUDA kernels: expected a contiguous tensor")
                };
                match storage.dtype() {
                    DType::F32 => Prepared::F32(storage.as_cuda_slice()?.slice(start..end)),
                    DType::F16 => Prepared::F16(storage.as_cuda_slice()?.slice(start..end)),
                    DType::BF16 => Prepared::Bf16(storage.as_cuda_slice()?.slice(start..end)),
                    other => bail!("CUDA kernels: {other:?}: expected f32, f16 or bf16"),
                }
            }
            Self::Null => Prepared::Null(0),
            Self::Output => Prepared::Output,
            Self::Int(int) => Prepared::Int(crate::gpu::int(int)?),
            Self::Float(float) => Prepared::Float(float),
            Self::Geometry(geometry) => Prepared::Geometry(geometry),
        })
    }
}

/// Memory that a launch writes.
enum Output {
    F32(CudaSlice<f32>),
    F16(CudaSlice<f16>),
    Bf16(CudaSlice<bf16>),
}

impl Output {
    fn new(device: &CudaDevice, dtype: DType, len: usize) -> Result<Self> {
        #[allow(unsafe_code)]
        // SAFETY: kernels write all of their output before anything reads it.
        unsafe {
            Ok(match dtype {
                DType::F32 => Self::F32(device.alloc(len)?),
                DType::F16 => Self::F16(device.alloc(len)?),
                DType::BF16 => Self::Bf16(device.alloc(len)?),
                other => bail!("CUDA kernels: {other:?}: expected f32, f16 or bf16"),
            })
        }
    }

    fn into_storage(self, device: CudaDevice) -> CudaStorage {
        match self {
            Self::F32(slice) => CudaStorage::wrap_cuda_slice(slice, device),
            Self::F16(slice) => CudaStorage::wrap_cuda_slice(slice, device),
            Self::Bf16(slice) => CudaStorage::wrap_cuda_slice(slice, device),
        }
    }
}

/// Launches the kernel of this name for maps as `like`, and gives what it writes: `len` numbers.
/// The operands have to be what the kernel takes, in number, order and size.
pub(super) fn launch(
    (module, kernel): (Module, &str),
    like: &CudaStorage,
    grid: Grid,
    (dtype, len): (DType, usize),
    operands: &[Operand],
) -> Result<CudaStorage> {
    let device = like.device().clone();
    let mut output = Output::new(&device, dtype, len)?;
    if len == 0 || grid.is_empty() {
        return Ok(output.into_storage(device));
    }
    let prepared = operands.iter().map(Operand::prepared).collect::<Result<Vec<_>>>()?;
    let kernel = format!("{kernel}_{}", suffix(like.dtype())?);
    let function = module.function(&device, &kernel)?;
    let stream = device.cuda_stream();
    let mut builder = stream.launch_builder(&function);
    let mut written = Some(&mut output);
    for operand in &prepared {
        match operand {
            Prepared::F32(view) => builder.arg(view),
            Prepared::F16(view) => builder.arg(view),
            Prepared::Bf16(view) => builder.arg(view),
            Prepared::Null(null) => builder.arg(null),
            Prepared::Int(int) => builder.arg(int),
            Prepared::Float(float) => builder.arg(float),
            Prepared::Geometry(geometry) => builder.arg(geometry),
            Prepared::Output => match written.take() {
                Some(Output::F32(slice)) => builder.arg(slice),
                Some(Output::F16(slice)) => builder.arg(slice),
                Some(Output::Bf16(slice)) => builder.arg(slice),
                None => bail!("{kernel}: one output is all that a launch has"),
            },
        };
    }
    #[allow(unsafe_code)]
    // SAFETY: the callers, all in this folder, pass what the kernel takes: `cuda-check` runs the
    // same kernels with the same arguments. What they read are contiguous tensors of the sizes that
    // the arguments tell, and the output has as many elements as the grid writes.
    unsafe {
        builder.launch(config(grid)).w()?;
    }
    Ok(output.into_storage(device))
}

pub(crate) fn config(grid: Grid) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (grid.blocks.0, grid.blocks.1, 1),
        block_dim: (grid.threads, 1, 1),
        shared_mem_bytes: 0,
    }
}

#[allow(unsafe_code)]
// SAFETY: 13 ints in C's layout, as the kernels have them, without pointers or padding.
unsafe impl candle::cuda_backend::cudarc::driver::DeviceRepr for Geometry {}

/// Calls `f` with the memory of a tensor on a GPU.
pub(super) fn on_storage<T>(
    tensor: &Tensor,
    f: impl FnOnce(&CudaStorage, &Layout) -> Result<T>,
) -> Result<T> {
    match (&*tensor.storage_and_layout().0, tensor.layout()) {
        (Storage::Cuda(storage), layout) => f(storage, layout),
        _ => bail!("CUDA kernels: a tensor that is not on a GPU"),
    }
}
