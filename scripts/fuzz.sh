#!/usr/bin/env bash
# Fuzzes what comes from outside with libFuzzer and AddressSanitizer, each target for so many
# seconds, from the seeds of fuzz_seeds.py and whatever was found before. An input that crashes lies
# in fuzz/artifacts/TARGET/ then.
#
# The compiler is the stable one: RUSTC_BOOTSTRAP lets it take the flags that `cargo +nightly fuzz`
# would give it, which works here too.
#
# Command: scripts/fuzz.sh                         a minute each
#          scripts/fuzz.sh --seconds 1200 picture  twenty minutes of one
#          scripts/fuzz.sh --seconds 5 --no-asan   what CI does
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60 kind=asan sanitizer="-Zsanitizer=address"
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=$2; shift 2 ;;
        --no-asan) kind=plain sanitizer=""; shift ;;
        -*) sed -n '2,12p' "$0"; exit 2 ;;
        *) break ;;
    esac
done
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(weights picture coco label_map hub plan)

python3 scripts/fuzz_seeds.py
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares $sanitizer"
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
target_dir=fuzz/target/$kind
(cd fuzz && cargo build --locked --release --target "$host" --target-dir "../$target_dir" "${bins[@]}")

status=0
for target in "${targets[@]}"; do
    mkdir -p "fuzz/artifacts/$target"
    log=fuzz/artifacts/$target.log
    echo "== $target"
    # A megabyte of input is enough, and two gigabytes of memory must be. Memory that can't be had is
    # an answer that the programs must take.
    if ! ASAN_OPTIONS=allocator_may_return_null=1 "$target_dir/$host/release/$target" \
        "fuzz/corpus/$target" -artifact_prefix="fuzz/artifacts/$target/" -max_total_time="$seconds" \
        -rss_limit_mb=4096 -malloc_limit_mb=2048 -timeout=20 -print_final_stats=1 >"$log" 2>&1; then
        tail -40 "$log"
        status=1
    fi
    grep -E 'stat::number_of_executed_units|stat::peak_rss_mb|cov:' "$log" | tail -3
done
exit $status
