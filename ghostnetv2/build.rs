//! With the feature `cuda`: compiles the kernels of `src/ops/cuda` to PTX. Without it: nothing.
//!
//! The PTX is for the oldest GPU that the toolkit knows, which its driver makes the code of any
//! newer one from: the kernels need nothing newer, and a binary runs on all of them.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const KERNELS: &str = "src/ops/cuda";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    for variable in ["NVCC", "CUDA_HOME", "CUDA_PATH", "NVCC_CCBIN"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed={KERNELS}");
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let Some(nvcc) = nvcc() else {
        fail(
            "the feature `cuda` needs NVIDIA's CUDA toolkit, and no nvcc was found: install it and put \
             nvcc on PATH, or build without `--features cuda`",
        )
    };
    let files =
        std::fs::read_dir(KERNELS).into_iter().flatten().flatten().map(|entry| entry.path());
    for source in files.filter(|path| path.extension().is_some_and(|ext| ext == "cu")) {
        compile(&nvcc, &source, &out);
    }
}

/// nvcc, looked for where candle's own build looks.
fn nvcc() -> Option<PathBuf> {
    let name = if cfg!(windows) { "nvcc.exe" } else { "nvcc" };
    let own = std::env::var_os("NVCC").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let roots = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(std::env::var_os);
    let roots = roots.map(PathBuf::from).chain(["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from));
    let in_roots = roots.map(|root| root.join("bin").join(name));
    own.into_iter().chain(on_path).chain(in_roots).find(|file| file.is_file())
}

fn compile(nvcc: &Path, source: &Path, out: &Path) {
    let Some(name) = source.file_stem() else { return };
    let mut command = Command::new(nvcc);
    command.args(["--ptx", "-O3", "-std=c++17"]).arg(source);
    command.arg("-o").arg(out.join(name).with_extension("ptx"));
    if let Some(compiler) = std::env::var_os("NVCC_CCBIN") {
        command.args(["-allow-unsupported-compiler", "-ccbin"]).arg(compiler);
    }
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            fail(&format!("{} did not compile {}: {status}", nvcc.display(), source.display()))
        }
        Err(error) => fail(&format!("{} does not run: {error}", nvcc.display())),
    }
}

fn fail(reason: &str) -> ! {
    println!("cargo::error={reason}");
    exit(1)
}
