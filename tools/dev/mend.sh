# ./dev mend: whatever an upstream says leaves in the client's format, many times over.

help_mend() {
	cat <<-'END'
	usage: ./dev mend [SEED] [N]

	Recorded answers of upstreams, plain and streamed, with random members dropped, nulled, retyped, reordered, doubled and split:
	N (20,000) of them, drawn by SEED (1). Whatever leaves satisfies the official client's own models, strictly, or is an error
	object, and the record holds the same text and calls. Some fifteen minutes; ./dev test passes 500 of seed 1.
	END
}

dev_mend() {
	setup_for build run test
	step "building build-asan" build_asan
	say "${2:-20000} answers of seed ${1:-1}"
	SIGNET_BIN=$PWD/build-asan/signet MENDED_SEED=${1:-1} MENDED_ANSWERS=${2:-20000} \
		.venv/bin/python -m pytest -q -x -c tests/pytest.ini --rootdir tests tests/http/test_mended_answers.py -k leaves
}
