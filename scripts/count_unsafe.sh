#!/usr/bin/env bash
# Counts the `unsafe` of each crate, and fails where there should be none. That every block says
# why it is sound is clippy's to check (undocumented_unsafe_blocks).
#
# Command: scripts/count_unsafe.sh
set -euo pipefail
cd "$(dirname "$0")/.."

count() { # of a pattern in the Rust files below folders, comments left out
    local pattern=$1
    shift
    { grep -rhE "$pattern" --include='*.rs' "$@" || true; } | grep -cvE '^\s*//' || true
}

status=0
printf '%-22s %8s %8s %8s\n' "crate" "blocks" "fns" "impls"
for crate in engine/src ghostnetv2/src heads/src train/src examples cuda-check/src cuda-driver/src fuzz/fuzz_targets; do
    blocks=$(count 'unsafe \{' "$crate")
    functions=$(count 'unsafe (extern "C" )?fn' "$crate")
    impls=$(count 'unsafe impl' "$crate")
    printf '%-22s %8s %8s %8s\n' "$crate" "$blocks" "$functions" "$impls"
    case $crate in
        engine/src | cuda-check/src | cuda-driver/src | ghostnetv2/src) ;;
        *) [ $((blocks + functions + impls)) -eq 0 ] || { echo "$crate: expected none"; status=1; } ;;
    esac
done
# On a CPU the backbone has none: all of it launches CUDA kernels.
elsewhere=$(count 'unsafe (\{|impl|fn)' $(find ghostnetv2/src -name '*.rs' ! -path '*cuda*'))
[ "$elsewhere" -eq 0 ] || { echo "ghostnetv2: $elsewhere outside of CUDA's files, expected none"; status=1; }
exit $status
