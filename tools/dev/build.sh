# ./dev build, asan, tsan, fmt, clean.

help_build() {
	cat <<-'END'
	usage: ./dev build [--release]

	Builds build/signet (-O2 with debug information; assertions on). The first build compiles the Rust engines, some four
	minutes on two cores; they are kept in ~/.cache/signet and every later checkout links at once.

	  --release   build-release/signet: assertions off, what ./dev bench measures and packages ship

	Sources are found, not listed: add a file under src/ and build again.
	END
}
help_asan() { echo "usage: ./dev asan    builds build-asan/signet with AddressSanitizer, UBSan and the injection points of tests/faults"; }
help_tsan() { echo "usage: ./dev tsan    builds build-tsan/signet with ThreadSanitizer and the injection points of tests/faults"; }
help_fmt() { echo "usage: ./dev fmt [--check]    formats src, tests and examples with clang-format; --check only lists what differs"; }
help_clean() {
	echo "usage: ./dev clean [--all]    removes build*/; --all also .venv, node_modules and signet-data (engines stay in ~/.cache/signet)"
}

# build_in DIR [meson options]: configures if needed and compiles the program. (`meson test` compiles the unit tests: one that
# does not compile must not stop those who only want the program.)
build_in() {
	local dir=$1 list
	shift
	engines/build.sh "$dir/engines"
	ui_build || return 1
	[ ! -e "$UI_OUT/files.c" ] || set -- "-Dui=$PWD/$UI_OUT" "$@"
	list=$( (find src tests/unit tests/fuzz -name '*.c' 2>/dev/null; cat meson.build meson_options.txt; cat "$UI_OUT/.sum" 2>/dev/null; echo "$@") | LC_ALL=C sort | sha256sum)
	if [ ! -f "$dir/build.ninja" ]; then
		CC=${BUILD_CC:-${CC:-cc}} meson setup "$dir" -Dengines="$PWD/$dir/engines" "$@" >"$dir/setup.log" 2>&1 || { cat "$dir/setup.log"; return 1; }
	elif [ "$list" != "$(cat "$dir/.list" 2>/dev/null)" ]; then
		meson setup --reconfigure "$dir" "$@" >"$dir/setup.log" 2>&1 || { cat "$dir/setup.log"; return 1; }
	fi
	echo "$list" >"$dir/.list"
	ninja -C "$dir" --quiet ${NINJA_TARGETS-signet} | { grep -v '^ninja: no work to do' || true; }
}

build_plain() { build_in build; }
build_release() { build_in build-release --buildtype=release -Ddebug=true -Db_lto=true; }
build_asan() { build_in build-asan -Db_sanitize=address,undefined -Dfaults=true; }
build_tsan() { build_in build-tsan -Db_sanitize=thread -Dfaults=true; }
# (CC only reaches meson: the engines' cache is shared by all builds, and another CC would make cargo build them anew.)
build_fuzz() { BUILD_CC=clang NINJA_TARGETS=$(printf 'fuzz_%s ' "$@") build_in build-fuzz -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=true -Dfaults=true; }

dev_build() {
	setup_for build
	if [ "${1:-}" = --release ]; then build_release; else build_plain; fi
}
dev_asan() { setup_for build; build_asan; }
dev_tsan() { setup_for build; build_tsan; }

dev_fmt() {
	command -v clang-format >/dev/null || setup_for test
	if [ "${1:-}" = --check ]; then
		local file differ=0
		for file in $(c_files src tests examples engines); do
			clang-format "$file" | cmp -s - "$file" || { echo "$file: not formatted (./dev fmt)"; differ=1; }
		done
		return "$differ"
	else
		c_files src tests examples engines | xargs -r clang-format -i
	fi
}

dev_clean() {
	rm -rf build build-*/ ui/dist
	if [ "${1:-}" = --all ]; then
		rm -rf .venv .cache signet-data
		find tests ui -name node_modules -type d -prune -exec rm -rf {} +
	fi
}
