#!/usr/bin/env bash
# What can be checked of CUDA without a GPU, beside the crate cuda-check:
# 1. every kernel compiles to PTX and assembles, for sm_70, sm_80 and sm_90;
# 2. the crates type-check with `--features cuda`.
# Downloads 230 MB of wheels the first time: scripts/cuda_toolchain.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$(scripts/cuda_toolchain.sh)
eval "$environment"

kernels=ghostnetv2/src/ops/cuda
out=target/cuda-ptx
mkdir -p "$out"
for source in "$kernels"/*.cu; do
    name=$(basename "$source" .cu)
    # CUDA 13 has no sm_70: the run-time compiler of CUDA 12.9 does it.
    python3 scripts/nvrtc_compile.py "$CUDA_12/cuda_nvrtc/lib/libnvrtc.so.12" compute_70 \
        "$source" "$out/$name.70.ptx"
    "$CUDA_12/cuda_nvcc/bin/ptxas" -arch=sm_70 "$out/$name.70.ptx" -o /dev/null
    for arch in 80 90; do
        nvcc --ptx -O3 -std=c++17 -arch=compute_$arch "$source" -o "$out/$name.$arch.ptx"
        ptxas -arch=sm_$arch "$out/$name.$arch.ptx" -o /dev/null
    done
done
for arch in 70 80 90; do
    count=$(cat "$out"/*.$arch.ptx | grep -c '\.visible \.entry')
    echo "sm_$arch: $count kernels"
done

# candle's own kernels take half an hour and say nothing of this project: for the type check, in a
# folder of its own, nvcc leaves them empty.
export NVCC_OF_KERNELS=$NVCC NVCC="$PWD/scripts/nvcc_typecheck.sh"
export CUDA_COMPUTE_CAP=80 CARGO_TARGET_DIR=target/cuda-typecheck
cargo clippy --locked -p ghostnetv2 -p heads -p train -p examples --all-targets \
    --features ghostnetv2/cuda,heads/cuda,train/cuda,examples/cuda -- -D warnings
