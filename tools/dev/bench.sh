# ./dev bench: what a request costs beside nginx.

help_bench() {
	cat <<-'END'
	usage: ./dev bench [--quick] [--long] [--peer] [--markdown] [ROW]...

	Builds build-release/signet and prints the table of docs/performance.md: Signet's cost as a ratio to nginx's proxy_pass, both
	measured in one run. Exit status 0 only if every bar holds. Some eight minutes on a quiet machine.

	  --quick      two short rounds a row: for development, not to be quoted
	  --long       also the soak rows: 1,000,000 requests, and a stream of ten minutes
	  --peer       also TensorZero 2026.6 with its log off (from .venv)
	  --markdown   the table once more, as it stands in docs/performance.md
	  ROW          only rows whose name has this word, such as: streamed, signed, start

	Each row counts completed and correct answers only; a wrong answer fails its row.
	END
}

dev_bench() {
	setup_for build run bench
	case " $* " in *" --peer "*) setup_for test ;; esac
	step "building build-release" build_release
	local tool=build-release/bench-tool signer=build-release/sample-signer.wasm
	[ $tool -nt tests/bench/tool.c ] || cc -O2 -Wall -Wextra -Werror -o $tool tests/bench/tool.c
	examples/signers/hmac/build.sh $signer
	python3 tests/bench/bench.py --signet build-release/signet --tool $tool --signer $signer "$@"
}
