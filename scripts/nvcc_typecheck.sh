#!/usr/bin/env bash
# An nvcc for scripts/check_cuda.sh: compiles this project's kernels with the real one, which
# $NVCC_OF_KERNELS names, and makes empty files of candle's. Nothing that it made can run.
set -euo pipefail

case "$PWD $*" in
*candle-kernels*) ;;
*) exec "$NVCC_OF_KERNELS" "$@" ;;
esac

mode=
folder=.
to=
source=
while [ $# -gt 0 ]; do
    case $1 in
    --version | --list-gpu-code | --list-gpu-arch) exec "$NVCC_OF_KERNELS" "$1" ;;
    --ptx | --lib | -c) mode=$1 ;;
    --output-directory) folder=$2 && shift ;;
    -o) to=$2 && shift ;;
    *.cu) source=$1 ;;
    esac
    shift
done
case $mode in
--ptx) : >"${to:-$folder/$(basename "$source" .cu).ptx}" ;;
-c) ${CC:-cc} -c -x c /dev/null -o "$to" ;;
--lib) rm -f "$to" && ar cr "$to" ;;
*)
    echo "nvcc_typecheck: does not know what candle's kernels want" >&2
    exit 1
    ;;
esac
