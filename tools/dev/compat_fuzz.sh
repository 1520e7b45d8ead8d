# ./dev compat-fuzz: random inputs to TensorZero and to Signet.

help_compat-fuzz() {
	cat <<-'END'
	usage: ./dev compat-fuzz [SEED] [N] [--answers N] [--configs N] [--no-reduce]

	N (20,000) random requests for /openai/v1, upstream answers (a quarter of N) and configurations (a twentieth), drawn by SEED (1),
	to TensorZero 2026.6 and to Signet before equal mocks: valid inputs with faults, single fields of every form, broken bytes. What
	differs is gathered in clusters by kind and place; each is printed once, with its smallest input unless docs/differences.md
	names it. The exit status is 1 if there is a cluster that the page does not name. --no-reduce: inputs as they were found.
	./dev test passes 1,000 requests, 200 answers and 50 configurations of seed 1.
	END
}

dev_compat-fuzz() {
	setup_for build run test
	step "building build-asan" build_asan
	SIGNET_BIN=$PWD/build-asan/signet .venv/bin/python tests/compat/fuzz_run.py "$@"
}
