#!/bin/sh
# Builds the Rust engines once per machine, toolchain and lock file, and puts the library, engines.h and the
# headers of Wasmtime's C API into the directory given. Usage: engines/build.sh OUT_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/signet
flags="--release --locked"
key=$( (cat "$here/Cargo.lock"; sed -n '/^\[dep/,$p' "$here/Cargo.toml"; rustc -V; echo "$flags") | sha256sum | cut -c1-16)
target=$cache/engines-$key
lib=$target/release/libsignet_engines.a
stamp=$target/.built-from
mkdir -p "$target" "$out"

# Checkouts share the target directory, so that only the first one pays for the dependencies. Cargo does not
# see that another checkout has replaced the library: the stamp says from which sources it was made.
exec 9>"$target/.signet-lock"
flock 9
made() { cat "$here"/src/*.rs | sha256sum | cut -c1-64; stat -c '%Y %s' "$lib" 2>/dev/null || true; }
if [ "$(made)" != "$(cat "$stamp" 2>/dev/null)" ]; then touch "$here/src/lib.rs"; fi
(cd "$here" && CARGO_TERM_COLOR=never cargo build $flags --target-dir "$target" 2>&1) | sed -u 's/^/engines: /' >&2
made >"$stamp"

headers=$(ls -dt "$target"/release/build/wasmtime-c-api-impl-*/out/include | head -n 1)
if ! cmp -s "$lib" "$out/libsignet_engines.a"; then cp "$lib" "$out/libsignet_engines.a"; fi
# Which of Wasmtime's functions are declared depends on the features (conf.h): other features, other headers.
if ! cmp -s "$headers/wasmtime/conf.h" "$out/include/wasmtime/conf.h"; then rm -rf "$out/include"; cp -r "$headers" "$out/include"; fi
if ! cmp -s "$here/engines.h" "$out/include/engines.h"; then cp "$here/engines.h" "$out/include/engines.h"; fi
