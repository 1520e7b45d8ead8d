# ./dev bench: what a request costs beside nginx, what the record bears, what pages cost.

help_bench() {
	cat <<-'END'
	usage: ./dev bench [--quick] [--long] [--peer] [--markdown] [ROW]...
	       ./dev bench record [--quick] [--long] [--markdown] [ROW]...
	       ./dev bench surfaces [--quick] [--markdown] [ROW]...
	       ./dev bench ui [--rows N] [--quick] [--markdown] [ROW]...

	Builds build-release/signet and prints the table of docs/performance.md: Signet's cost as a ratio to nginx's proxy_pass, both
	measured in one run. Exit status 0 only if every bar holds. Some eight minutes on a quiet machine.

	  record       what the record bears: 10,000 requests a second into journal and SQLite, a ClickHouse that is away, bytes on
	               disk (20 and 30 s; --long: 5 and 10 minutes)
	  surfaces     what Messages and Responses cost beside chat, passed through and translated; prompts of 100 KB and 1 MB beside
	               nginx; an idle translated stream. Some eight minutes
	  ui           what pages cost at 1,000,000 rows (--rows N: another number): lists, filters, counts, charts, words, one
	               inference, the first load, and ten readers beside the API. The rows are made once, in some minutes, and
	               kept in build-rows/ for twelve hours
	  --quick      two short rounds a row: for development, not to be quoted
	  --long       also the soak rows: 1,000,000 requests, and a stream of ten minutes
	  --peer       also TensorZero 2026.6 with its log off (from .venv)
	  --markdown   the table once more, as it stands in docs/performance.md
	  ROW          only rows whose name has this word, such as: streamed, signed, start

	Each row counts completed and correct answers only; a wrong answer fails its row.
	END
}

dev_bench() {
	local which=bench
	case ${1:-} in record | surfaces | ui) which=$1; shift ;; esac
	setup_for build run bench
	case "$which $*" in *--peer* | record*) setup_for test ;; esac
	step "building build-release" build_release
	"bench_$which" "$@"
}

bench_tool() {
	[ build-release/bench-tool -nt tests/bench/tool.c ] || cc -O2 -Wall -Wextra -Werror -o build-release/bench-tool tests/bench/tool.c
	echo build-release/bench-tool
}

bench_surfaces() {
	python3 tests/bench/surfaces.py --signet build-release/signet --tool "$(bench_tool)" "$@"
}

bench_bench() {
	local tool signer=build-release/sample-signer.wasm
	tool=$(bench_tool)
	examples/signers/hmac/build.sh $signer
	python3 tests/bench/bench.py --signet build-release/signet --tool "$tool" --signer $signer "$@"
}

bench_record() {
	python3 tests/bench/record.py --signet build-release/signet "$@"
}

bench_ui() {
	NINJA_TARGETS=bench-rows step "building bench-rows" build_release
	python3 tests/bench/ui.py --signet build-release/signet --rows-tool build-release/bench-rows "$@"
}
