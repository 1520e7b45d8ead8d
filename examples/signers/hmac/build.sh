#!/bin/sh
# Builds the sample signer. Usage: build.sh OUT.wasm [KEY]
# KEY (at most 64 characters, letters, digits, - and _) is what the module signs with.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: build.sh OUT.wasm [KEY]" >&2
	exit 2
fi
out=$1
key=${2:-signet-sample-key}
case $key in
'' | *[!A-Za-z0-9_-]*) echo "build.sh: a key has letters, digits, - and _ only" >&2; exit 2 ;;
esac
if [ ${#key} -gt 64 ]; then echo "build.sh: a key has at most 64 characters" >&2; exit 2; fi
mkdir -p "$(dirname "$out")"
# -fno-builtin and -mbulk-memory keep clang from calling memcpy, which would be an import.
"${CLANG:-clang}" --target=wasm32 -nostdlib -ffreestanding -fno-builtin -mbulk-memory -O2 -Wall -Wextra -Werror \
	"-DSIGN_KEY=\"$key\"" -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 \
	-o "$out.new" "$here/sign.c"
mv "$out.new" "$out"
