#!/usr/bin/env bash
# The CUDA compiler from PyPI's wheels, for machines without a GPU or an installed toolkit:
#   scripts/cuda_toolchain.sh [--full] [DIR]      DIR: target/cuda-toolchain
# That is CUDA 13.0's compiler, to compile kernels and to type-check `--features cuda`; with --full
# the libraries too (2 GB) and a stand-in for the driver, to build and link programs. And, for
# sm_70, the run-time compiler of CUDA 12.9 and its assembler: CUDA 13 dropped Volta, and the
# wheels of CUDA 12 have no nvcc.
# Prints the lines that set the environment: eval "$(scripts/cuda_toolchain.sh)".
set -euo pipefail
cd "$(dirname "$0")/.."

full=
if [ "${1:-}" = --full ]; then
    full=full
    shift
fi
mkdir -p "${1:-target/cuda-toolchain}"
dir=$(cd "${1:-target/cuda-toolchain}" && pwd)

fail() {
    printf 'cuda_toolchain: %s\n' "$*" >&2
    exit 1
}

# Downloads wheels into DIR/NAME, all or nothing: unpack NAME PACKAGE==VERSION...
unpack() {
    local name=$1 part="$dir/$1.part"
    shift
    [ -e "$dir/$name/.complete" ] && return
    rm -rf "$part" "${dir:?}/$name"
    mkdir -p "$part/wheels"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$part/wheels" "$@" >&2 ||
        fail "pip could not download $* (no network, or a mirror without them);" \
            "install a CUDA toolkit yourself, or go on without the feature \`cuda\`"
    local wheel
    for wheel in "$part"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$part/unpacked"
    done
    rm -r "$part/wheels"
    touch "$part/unpacked/.complete"
    mv "$part/unpacked" "$dir/$name"
    rmdir "$part"
}

command -v python3 >/dev/null || fail "needs python3 with pip"
unpack wheels13 nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
    nvidia-cuda-runtime==13.0.96
unpack wheels12 nvidia-cuda-nvrtc-cu12==12.9.86 nvidia-cuda-nvcc-cu12==12.9.86
root="$dir/wheels13/nvidia/cu13"
chmod +x "$root"/bin/* "$root"/nvvm/bin/* "$dir"/wheels12/nvidia/cuda_nvcc/bin/*
"$root/bin/nvcc" --version >/dev/null || fail "$root/bin/nvcc does not run on this machine"

if [ -n "$full" ]; then
    unpack libraries13 nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-cccl==13.0.85 \
        nvidia-curand==10.4.0.35 nvidia-cublas==13.1.0.3
    cp -R --no-clobber "$dir"/libraries13/nvidia/cu13/. "$root"/
    # What linkers look for: libraries without a version, and a driver.
    for library in "$root"/lib/*.so.*; do
        ln -sf "$(basename "$library")" "${library%%.so.*}.so"
    done
    mkdir -p "$root/lib/stubs"
    # Every function says that there is no device.
    grep -oE '\bcu[A-Z][A-Za-z0-9_]*' "$root/include/cuda.h" | sort -u |
        sed 's/.*/int &(void) { return 100; }/' |
        ${CC:-cc} -w -shared -fPIC -Wl,-soname,libcuda.so.1 -x c - -o "$root/lib/stubs/libcuda.so.1"
    ln -sf libcuda.so.1 "$root/lib/stubs/libcuda.so"
fi
[ -e "$root/lib64" ] || ln -s lib "$root/lib64"

cat <<END
export CUDA_HOME='$root' CUDA_PATH='$root' CUDA_ROOT='$root' NVCC='$root/bin/nvcc'
export PATH='$root/bin':"\$PATH" CUDARC_CUDA_VERSION=13000
export LIBRARY_PATH='$root/lib:$root/lib/stubs'\${LIBRARY_PATH:+:\$LIBRARY_PATH}
export CUDA_12='$dir/wheels12/nvidia'
END
