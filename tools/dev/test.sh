# ./dev test: every suite runs, whatever the others did; one closing line counts.

help_test() {
	cat <<-'END'
	usage: ./dev test [--unit] [--http] [--tsan] [SUITE]... [-k FILTER]

	Builds with AddressSanitizer and UBSan (build-asan) and passes every test. The closing line is `N passed, N failed`; the exit
	status is 0 only if nothing failed and something passed.

	  suites    unit       C, one file per source file (meson, cmocka)
	            checks     floors (includes), docs (names and links), spec_lines, format
	            tidy       clang-tidy; files that passed before and did not change are skipped
	            http       the binary against mock upstreams, with the official clients
	            compat     the same request to TensorZero 2026.6 and to Signet
	            node       the official Node client
	            faults     injected failures, kill -9, full disks
	            clickhouse its server (ClickHouse's engine in a Python process): rows, faults, TensorZero's rows beside Signet's
	            pairs      every client over every provider's format (http has its short form; only when named)
	            kills      kill -9, 20 rounds on each store (alone only)
	            browser    the web UI in Chromium, against the real binary (its short form; SIGNET_BROWSER_LONG=1: the whole)
	            browser-rows  the same over 200,000 rows in SQLite, with what a list and a live tail take (only when named)
	            packages   command line, manual page, completions, unit, compose files, the guide's steps
	            readme     every command block of README.md and README.zh-CN.md
	            agents     whole sessions of Claude Code and Codex over Signet, before a mock (installs 800 MB; only when named)
	            roots      the Debian package and the Dockerfile's lines in bare Debian roots (root, debootstrap; only when named)
	  --unit    unit alone          --http   http, compat, node, faults and clickhouse alone
	  --tsan    unit and http with ThreadSanitizer (build-tsan) instead
	  -k WORD   only tests whose name has WORD
	END
}

TEST_DIR=build-asan NO_PROGRESS_S=300
TIDY_PID="" TEST_PASSED=0 TEST_FAILED=0 TEST_SKIPPED=0 TEST_FILTER="" TEST_LINES=()

dev_test() {
	local suites=() begin=$SECONDS suite
	while [ $# -gt 0 ]; do
		case $1 in
		--unit) suites+=(unit) ;;
		--http) suites+=(http compat node faults clickhouse) ;;
		--tsan) TEST_DIR=build-tsan ;;
		-k) shift; TEST_FILTER=${1:?-k needs a word} ;;
		unit | checks | tidy | http | compat | node | faults | clickhouse | pairs | kills | packages | readme | browser | browser-rows | roots | agents) suites+=("$1") ;;
		*) die "test: \"$1\" is no suite (see ./dev test --help)" ;;
		esac
		shift
	done
	if [ ${#suites[@]} -gt 0 ]; then :; elif [ $TEST_DIR = build-tsan ]; then suites=(unit http); else
		suites=(checks unit http compat node faults clickhouse browser packages readme tidy)
	fi
	setup_for build run test
	if [ $TEST_DIR = build-tsan ]; then step "building $TEST_DIR" build_tsan; else step "building $TEST_DIR" build_asan; fi
	case " ${suites[*]} " in *" http "* | *" browser "* | *" readme "*) step "building build" build_plain ;; esac # crashes, ./dev run
	export SIGNET_BIN=$PWD/$TEST_DIR/signet
	mkdir -p "$TEST_DIR/results"
	case " ${suites[*]} " in *" tidy "*) [ ${#suites[@]} -eq 1 ] || begin_tidy ;; esac
	for suite in "${suites[@]}"; do
		local from=$SECONDS
		echo "== $suite"
		"suite_$suite" || true
		echo "-- $suite: $((SECONDS - from)) s"
	done
	echo
	printf '%s\n' "${TEST_LINES[@]}"
	echo "all of it: $((SECONDS - begin)) s"
	[ "$TEST_SKIPPED" -eq 0 ] || echo "$TEST_SKIPPED skipped (each with its reason above)"
	echo "$TEST_PASSED passed, $TEST_FAILED failed"
	[ "$TEST_FAILED" -eq 0 ] && [ "$TEST_PASSED" -gt 0 ]
}

# count SUITE PASSED FAILED [SKIPPED]
count() {
	TEST_PASSED=$((TEST_PASSED + $2)) TEST_FAILED=$((TEST_FAILED + $3)) TEST_SKIPPED=$((TEST_SKIPPED + ${4:-0}))
	TEST_LINES+=("$(printf '%-12s %5d passed %5d failed' "$1" "$2" "$3")")
}

# one NAME COMMAND…: a check that passes or fails as a whole
one() {
	local name=$1
	shift
	if "$@"; then count "$name" 1 0; else echo "FAILED: $name"; count "$name" 0 1; fi
}

# watched PATH COMMAND…: a suite that makes no progress ends red, and says in which test
watched() { python3 tools/dev/watched.py "$NO_PROGRESS_S" "$@"; }

suite_unit() {
	local log=$TEST_DIR/meson-logs/testlog.txt names=() lost=0 file name passed failed broken status=0
	rm -f "$log"
	# Built here and with -k: a test that does not compile or link is one failure, not the end of all.
	# What is older than its sources tells of another tree: a build that failed is one failure of its own.
	ninja -C "$TEST_DIR" --quiet -k 0 all || { echo "FAILED: not everything could be built"; lost=1; }
	for file in tests/unit/test_*"$TEST_FILTER"*.c; do
		[ -e "$file" ] || return 0
		name=$(basename "$file" .c)
		if [ "$TEST_DIR/$name" -nt "$file" ]; then names+=("$name"); else echo "FAILED: $name was not built"; lost=$((lost + 1)); fi
	done
	if [ ${#names[@]} -gt 0 ]; then
		UBSAN_OPTIONS=print_stacktrace=1 meson test -C "$TEST_DIR" --no-rebuild --print-errorlogs "${names[@]}" || status=$?
	fi
	passed=$(grep -c '^\[       OK \]' "$log" 2>/dev/null) || passed=0
	failed=$(grep '^\[  FAILED  \] [a-zA-Z_]' "$log" 2>/dev/null | sort -u | wc -l)
	# a program that crashed or timed out says nothing in cmocka's words
	broken=$(sed -n 's/^\(Fail\|Timeout\|Unexpected Pass\): *\([0-9]*\).*/\2/p' "$log" 2>/dev/null | awk '{n += $1} END {print n + 0}')
	[ "$failed" -ge "$broken" ] || failed=$broken
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	count unit "$passed" $((failed + lost))
}

suite_checks() {
	[ -n "$TEST_FILTER" ] && return 0
	one floors python3 tests/floors/check.py
	one rows python3 tests/floors/one_place.py
	one docs python3 tests/docs/check.py
	[ ! -e tests/spec_lines/check.py ] || one spec_lines python3 tests/spec_lines/check.py
	one format dev_fmt --check
}

# Beside the other suites, which wait more than they compute: while the file "gentle" is there it takes what they leave.
begin_tidy() {
	[ -z "$TEST_FILTER" ] || return 0
	touch "$TEST_DIR/results/gentle"
	python3 tools/dev/tidy.py "$TEST_DIR" >"$TEST_DIR/results/tidy.log" 2>&1 &
	TIDY_PID=$!
	trap 'kill "$TIDY_PID" 2>/dev/null || true' EXIT
}

tidy_ends() {
	local status=0
	rm -f "$TEST_DIR/results/gentle"
	wait "$TIDY_PID" || status=$?
	trap - EXIT
	cat "$TEST_DIR/results/tidy.log"
	return $status
}

suite_tidy() {
	[ -n "$TEST_FILTER" ] && return 0
	if [ -n "${TIDY_PID}" ]; then one clang-tidy tidy_ends; else one clang-tidy python3 tools/dev/tidy.py "$TEST_DIR"; fi
}

suite_http() { suite_pytest http; }
suite_compat() { suite_pytest compat; }
suite_faults() { suite_pytest faults; }
suite_clickhouse() { suite_pytest clickhouse; }
suite_node() { suite_pytest node; }
# Not with the others: they kill three and ten times.
suite_kills() {
	local TEST_FILTER=kill9
	export SIGNET_KILLS=20
	suite_pytest clickhouse
	suite_pytest faults
	unset SIGNET_KILLS
}
suite_packages() { suite_pytest packages; }
suite_pairs() { SIGNET_PAIRS=all suite_pytest http/pairs; }
suite_agents() { setup_for agents; suite_pytest agents; }
suite_roots() { setup_for roots; suite_pytest roots; }
suite_readme() { suite_pytest readme; }

suite_browser() { run_browser browser "*.test.mjs"; }
# The release binary: times are judged here.
suite_browser-rows() {
	step "building build-release" build_release
	NINJA_TARGETS=bench-rows step "building bench-rows" build_release
	SIGNET_UI_BIN=$PWD/build-release/signet run_browser browser-rows all_rows.mjs
}

# run_browser SUITE FILES
run_browser() {
	local log=$TEST_DIR/results/$1.log short=1 status=0
	[ -z "$TEST_FILTER" ] || return 0
	[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || { echo "skipped: there is no Chromium (./dev setup test)"; TEST_SKIPPED=$((TEST_SKIPPED + 1)); return 0; }
	[ -z "${SIGNET_BROWSER_LONG:-}" ] || short=0
	: >"$log"
	SIGNET_BROWSER_SHORT=$short watched "$log" node --test --test-reporter=spec --test-concurrency=1 tests/browser/$2 >"$log" 2>&1 || status=$?
	sed -n 's/^# \(.*[0-9].*\)/    \1/p' "$log"
	[ "$status" -eq 0 ] || sed -n '/failing tests/,$p' "$log"
	local passed failed
	passed=$(sed -n 's/^ℹ pass //p' "$log") failed=$(sed -n 's/^ℹ fail //p' "$log")
	[ "$status" -eq 0 ] || [ "${failed:-0}" -gt 0 ] || failed=1
	count "$1" "${passed:-0}" "${failed:-0}"
}

suite_pytest() {
	local suite=$1 xml=$TEST_DIR/results/$1.xml at=$TEST_DIR/results/$1.at status=0 parallel=()
	ls "tests/$suite"/test_*.py >/dev/null 2>&1 || return 0
	rm -rf "$xml" "$at"
	mkdir -p "$at"
	# Files side by side: these tests wait more than they compute. Faults measure what is left of a disk and when a process was
	# killed, so they stay two; the readme's share one checkout.
	case $suite in
	readme) ;;
	http | compat | http/pairs) parallel=(-n 4 --dist loadfile) ;;
	*) parallel=(-n 2 --dist loadfile) ;;
	esac
	SIGNET_PROGRESS=$PWD/$at watched "$at" .venv/bin/python -m pytest -q -rs -c tests/pytest.ini --rootdir tests "${parallel[@]}" --junitxml "$PWD/$xml" ${TEST_FILTER:+-k "$TEST_FILTER"} "tests/$suite" || status=$?
	if [ "$status" -eq 5 ]; then return 0; fi # nothing matched the filter
	local counts=(0 1 0)
	[ ! -f "$xml" ] || read -ra counts < <(python3 - "$xml" <<-'END'
		import sys, xml.etree.ElementTree as tree
		suites = list(tree.parse(sys.argv[1]).getroot().iter("testsuite"))
		n = lambda key: sum(int(s.get(key, 0)) for s in suites)
		bad = n("failures") + n("errors")
		print(n("tests") - bad - n("skipped"), bad, n("skipped"))
		END
	)
	[ "$status" -eq 0 ] || [ "${counts[1]}" -gt 0 ] || counts[1]=1
	count "$suite" "${counts[@]}"
}
