# ./dev conformance: public suites that judge an OpenAI-compatible server, at Signet before a mock.

help_conformance() {
	cat <<-'END'
	usage: ./dev conformance [SUITE]...

	Runs llmprobe (its chat part), llm-comply (--format openai-chat) and compatcanary (--profile chat), each at the mock of
	tests/conformance alone and then at Signet before it. Red if anything is lost that the mock does not lose itself. The suites are
	pinned and installed by the first run, which needs a network; nothing afterwards does.
	END
}

setup_conformance() {
	local dir=tests/conformance stamp
	stamp=$(cat $dir/package.json $dir/requirements.txt | sha256sum)
	[ "$stamp" != "$(cat $dir/.venv/.stamp 2>/dev/null)" ] || return 0
	step "installing the suites of $dir" npm install --prefix $dir --no-audit --no-fund --no-package-lock
	[ -x $dir/.venv/bin/pip ] || python3 -m venv $dir/.venv
	step "installing the Python suite of $dir" $dir/.venv/bin/pip install --disable-pip-version-check -r $dir/requirements.txt
	echo "$stamp" >$dir/.venv/.stamp
}

dev_conformance() {
	setup_for build run test
	setup_conformance
	step "building build-asan" build_asan
	SIGNET_BIN=$PWD/build-asan/signet .venv/bin/python tests/conformance/run.py "$@"
}
