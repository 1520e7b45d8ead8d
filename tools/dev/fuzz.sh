# ./dev fuzz: every fuzzer for a while, two at a time.

help_fuzz() {
	cat <<-'END'
	usage: ./dev fuzz [SECONDS] [NAME]...

	Builds tests/fuzz with clang (AddressSanitizer, UBSan, libFuzzer) in build-fuzz and runs each fuzzer for SECONDS (60), two
	side by side. What is found stays in build-fuzz/finds/NAME/: run build-fuzz/fuzz_NAME FILE to see it again. The seeds are in
	tests/fuzz/corpus/NAME; what grows from them, in build-fuzz/corpus/NAME.
	END
}

dev_fuzz() {
	local seconds=60 names=() file name failed=0
	if [[ "${1:-}" =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
	setup_for build run fuzz
	if [ $# -gt 0 ]; then names=("$@"); else
		for file in tests/fuzz/fuzz_*.c; do name=$(basename "$file" .c); names+=("${name#fuzz_}"); done
	fi
	build_fuzz "${names[@]}"
	say "${#names[@]} fuzzers, $seconds s each, two at a time: about $(((${#names[@]} + 1) / 2 * seconds)) s"
	mkdir -p build-fuzz/finds build-fuzz/logs
	export -f fuzz_one
	printf '%s\n' "${names[@]}" | xargs -P 2 -I NAME bash -c 'fuzz_one NAME '"$seconds" || true
	printf '%-24s %12s %8s %10s  %s\n' fuzzer runs cover corpus result
	for name in "${names[@]}"; do
		cat "build-fuzz/logs/$name.row"
		grep -q ' ok$' "build-fuzz/logs/$name.row" || failed=1
	done
	return "$failed"
}

fuzz_one() { # NAME SECONDS
	local name=$1 seconds=$2 dir=build-fuzz log=build-fuzz/logs/$1.log result=ok
	mkdir -p "$dir/corpus/$name" "$dir/finds/$name"
	local seeds=(); [ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
	local dict=(); [ ! -f "tests/fuzz/$name.dict" ] || dict=("-dict=tests/fuzz/$name.dict")
	"$dir/fuzz_$name" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="$dir/finds/$name/" "${dict[@]}" "$dir/corpus/$name" "${seeds[@]}" >"$log" 2>&1 || result="FOUND (see $log)"
	awk -v name="$name" -v result="$result" '
		/stat::number_of_executed_units/ {runs = $2}
		/ cov: / {for (i = 1; i < NF; i++) {if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corp = $(i + 1)}}
		END {printf "%-24s %12s %8s %10s  %s\n", name, runs, cov, corp, result}' "$log" >"$dir/logs/$name.row"
}
