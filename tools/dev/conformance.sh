# ./dev conformance: public suites that judge a server of OpenAI's and Anthropic's formats, at Signet before a mock.

help_conformance() {
	cat <<-'END'
	usage: ./dev conformance [SUITE]... [--behind chat|responses|messages]... [--alone]

	Runs llmprobe (chat, responses, messages, embeddings, completions), llm-comply (openai-chat, open-responses, anthropic) and
	compatcanary, each at the mock model of tests/http/lib/model alone, and then at Signet before it: with the mock's chat completions,
	its Responses and its Messages behind. Red if anything is lost that the mock does not lose itself; where the format behind is
	another one than the client's, but for what tests/conformance/lost.toml lists with its reason.
	  suites   "llmprobe", "llm-comply chat", "llm-comply responses", "llm-comply messages", "compatcanary"
	  --behind only this format behind      --alone  only the mock, and all that the suites say
	The suites are pinned and installed by the first run, which needs a network; nothing afterwards does.
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
