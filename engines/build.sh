#!/bin/sh
# Builds the Rust engines once per machine, toolchain and lock file, and puts the library and the headers of
# Wasmtime's C API into the directory given. Usage: engines/build.sh OUT_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/signet
flags="--release --locked"
key=$( (cat "$here/Cargo.lock"; sed -n '/^\[dep/,$p' "$here/Cargo.toml"; rustc -V; echo "$flags") | sha256sum | cut -c1-16)
target=$cache/engines-$key
mkdir -p "$target" "$out"
(cd "$here" && CARGO_TERM_COLOR=never cargo build $flags --target-dir "$target" 2>&1) | sed 's/^/engines: /' >&2
lib=$target/release/libsignet_engines.a
headers=$(ls -dt "$target"/release/build/wasmtime-c-api-impl-*/out/include | head -n 1)
if ! cmp -s "$lib" "$out/libsignet_engines.a"; then cp "$lib" "$out/libsignet_engines.a"; fi
if [ ! -d "$out/include" ]; then cp -r "$headers" "$out/include"; fi
