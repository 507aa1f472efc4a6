#!/usr/bin/env bash
# All that only a GPU can show, in one go of some minutes:
#   scripts/check_gpu.sh --build DIR   builds what it takes into DIR, where there is a CUDA toolkit; half an hour
#   scripts/check_gpu.sh DIR           runs it, on a machine with a GPU, which needs no Rust
# 1. tests: every operation and its gradients, networks in three types and as graphs, heads;
# 2. a picture's label in f32, f16 and bf16 beside that of the CPU;
# 3. the losses of the same training on the CPU, on the GPU, and there in bf16;
# 4. the tests of operations under compute-sanitizer, where that is installed;
# 5. times: latency and throughput in three types, with and without a graph.
# The tests read fixtures where they were built: the checkout must be at that path on the other
# machine too, or a link to it. Times beside PyTorch: scripts/bench_peers.py --device cuda.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'check_gpu: %s\n' "$*" >&2
    exit 1
}

build() {
    local dir=$1 name
    mkdir -p "$dir"
    # One call for all: with other packages or targets cargo would build candle's kernels anew.
    cargo build --release --locked --message-format json-render-diagnostics \
        -p ghostnetv2 -p heads -p examples --features ghostnetv2/cuda,heads/cuda,examples/cuda \
        --test ops --test model --test gpu --example classify --example train --example bench >"$dir/built.json"
    for name in ops model gpu classify train bench; do
        cp "$(grep -oE '"executable":"[^"]+"' "$dir/built.json" | cut -d'"' -f4 | grep -E "/$name(-[0-9a-f]+)?\$")" "$dir/$name"
        strip "$dir/$name"
    done
    pwd >"$dir/root"
}

if [ "${1:-}" = --build ]; then
    build "${2:?a folder}"
    exit
fi
programs=$(cd "${1:?a folder that --build has filled, or --build and one}" && pwd)
root=$(cat "$programs/root")
[ -e "$root/Cargo.toml" ] || fail "built in $root, where the tests look for fixtures: ln -s '$PWD' '$root'"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || fail "no NVIDIA GPU with a driver"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '\n== %s\n' "$*"; }
status=0
wrong() {
    printf 'WRONG: %s\n' "$*"
    status=1
}

for test in ops model gpu; do
    step "tests: $test"
    "$programs/$test" --ignored gpu --test-threads=1 || wrong "tests of $test"
done

step "labels: on the CPU, and on the GPU in f32, f16 and bf16"
# One that no rounding makes another.
classify() { "$programs/classify" --quiet --top-k 1 assets/samples/coffee.jpg "$@" | tee /dev/stderr | cut -d: -f1; }
cpu=$(classify --cpu)
for precision in f32 f16 bf16; do
    [ "$(classify --device cuda --precision $precision)" = "$cpu" ] || wrong "the label in $precision"
done

step "training: losses of steps on the CPU, on the GPU, and there in bf16"
for split in train val; do
    mkdir -p "$work/data/$split"/{a,b}
    cp assets/samples/{astronaut,coffee}.jpg "$work/data/$split/a"
    cp assets/samples/{rocket.jpg,chelsea.png} "$work/data/$split/b"
done
train() {
    local out=$1
    shift
    "$programs/train" classify --data "$work/data" --out "$work/$out" --size 96 --epochs 4 --batch-size 4 \
        --dropout 0 --print-freq 1 --quiet "$@" >/dev/null || wrong "train $*"
    { grep '"step"' "$work/$out/metrics.jsonl" || true; } | grep -o '"loss":[0-9.e-]*' | cut -d: -f2 >"$work/$out.losses" || true
}
train cpu --cpu
train gpu --device cuda
train bf16 --device cuda --amp
paste "$work"/{cpu,gpu,bf16}.losses
paste "$work"/{cpu,gpu,bf16}.losses | awk '
    function off(a, b) { return a > b ? (a - b) / b : (b - a) / a }
    NF != 3 || off($1, $2) > 0.01 || off($1, $3) > 0.1 { bad = 1 }
    END { exit bad || NR < 4 }' || wrong "losses"

if command -v compute-sanitizer >/dev/null; then
    step "operations under compute-sanitizer"
    compute-sanitizer --tool memcheck --error-exitcode 1 "$programs/ops" --ignored gpu || wrong "compute-sanitizer"
fi

step "times"
"$programs/bench" --backend cuda,cuda-graph,cuda-candle --batch 1,8,64,256 --precision f32,f16,bf16 --seconds 1 ||
    wrong "bench"
[ $status = 0 ] && echo "all as it should be"
exit $status
