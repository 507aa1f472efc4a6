//! Compiles the kernels as C++ for this machine. Where that can't be, tests say so and skip.

use std::path::Path;

const KERNELS: &str = "../ghostnetv2/src/ops/cuda";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(host_kernels)");
    println!("cargo::rerun-if-changed={KERNELS}");
    println!("cargo::rerun-if-changed=host");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").include(KERNELS).include("host").file("host/host.cpp");
    // Products and sums are rounded one by one, as candle's operations are; a kernel may be slow.
    build.opt_level(2).flag_if_supported("-ffp-contract=off").warnings(false);
    let compiled = Path::new(KERNELS).is_dir().then(|| build.try_compile("host_kernels"));
    match compiled {
        Some(Ok(())) => println!("cargo::rustc-cfg=host_kernels"),
        Some(Err(error)) => {
            let error = error.to_string();
            let reason = error.lines().next().unwrap_or_default();
            println!(
                "cargo::warning=the CUDA kernels are not checked, as C++ does not compile: {reason}"
            );
        }
        None => println!("cargo::warning=the CUDA kernels are not checked: {KERNELS} is missing"),
    }
}
