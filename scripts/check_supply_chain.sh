#!/usr/bin/env bash
# What the dependencies are: licences, sources and duplicates by deny.toml, known vulnerabilities by
# RustSec's advisories, and which crates have `unsafe` of our own.
#
# Installs cargo-deny into target/tools if it is not there. Advisories are fetched from
# github.com/RustSec/advisory-db; where that can't be reached, they are left out, and said to be.
#
# Command: scripts/check_supply_chain.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/count_unsafe.sh

tools=$PWD/target/tools
export PATH=$PATH:$tools/bin
if ! command -v cargo-deny >/dev/null; then
    # Unoptimised: it runs for seconds, and would be built for minutes.
    cargo install --quiet --debug --locked --root "$tools" --version "^0.20" cargo-deny
fi
for manifest in Cargo.toml fuzz/Cargo.toml; do
    cargo deny --manifest-path "$manifest" --config deny.toml check --hide-inclusion-graph licenses bans sources
done

if timeout 60 git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
    cargo deny --config deny.toml check --hide-inclusion-graph advisories
else
    echo "advisories: NOT CHECKED, github.com can't be reached from here"
fi
