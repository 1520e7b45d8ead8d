# ./dev mutate: how many small faults the tests would notice.

help_mutate() {
	cat <<-'END'
	usage: ./dev mutate [SEED] [N] [-j WORKERS] [--floor FLOOR]... [--suite SUITE]... [--budget SECONDS] [--again] [--list]

	Makes N (default 300) small faults in src/, spread over the floors by their size and drawn by SEED (default 1): a comparison
	flipped, && for ||, a condition negated, a call or an assignment dropped, 0 returned for -1, a constant off by one, + for -.
	All go into one build (build-mutate/, sanitizers and injection points as in build-asan), where an environment variable says
	which one is active. The tests run once without any, which tells which of them pass which mutant; then each mutant meets the
	tests that pass it, unit tests first, until one fails. What no test notices is printed with its line, so that the missing
	test can be found, and a table gives the rate of each floor. The same seed takes the same mutants of the same code.
	A test that fails without any mutant is named and left out, the others of its file judge; one that fails only now and then
	must see a mutant twice.

	  -j N          mutants judged side by side (default: the cores; these tests wait a lot, so twice as many do no harm)
	  --floor F     only the mutants in src/F (they are the same as in a whole run)
	  --suite S     only these suites: unit (always), http, faults, compat
	  --budget S    of each mutant's tests only the quickest, S seconds of them; without it all (a mutant that lives meets them all)
	  --again       only the mutants that lived in the last run of this seed, number and code: after tests were added
	  --list        only says which mutants the seed takes

	A mutant that changes nothing observable goes to tests/mutate/equivalent.txt, with its reason. A run of 300 takes an hour
	or more. The result is kept in build-mutate/result-SEED-N.txt.
	END
}

dev_mutate() {
	setup_for build run test
	step "building build-asan" build_asan # its compile_commands.json says how each file is read
	step "preparing the engines" engines/build.sh build-mutate/engines
	.venv/bin/python tools/dev/mutate "$@"
}
