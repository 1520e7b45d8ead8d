# ./dev run: the quickstart, from nothing.

help_run() {
	cat <<-'END'
	usage: ./dev run [flags of signet serve]

	Installs what is missing, builds, and starts Signet with examples/quickstart (or with your --config-file). Ctrl-C drains and
	ends it.

	  API_ENDPOINT unset   the sample developer API of examples/developer-api is started beside it, on a free port, and gets
	                       DEVICE_ID=quickstart-device and SID=quickstart-session
	  API_ENDPOINT=URL     your own developer API; DEVICE_ID, OS_TYPE and SID are yours too
	  the signer           examples/quickstart/rust_proxy/sign_bg.wasm; if there is none, the sample signer is built there
	  --bind-address A     where it listens; else 127.0.0.1:3000, or the next port that is free
	  the record           signet-data/ in the checkout: build/signet log tail shows what was asked and answered
	END
}

QUICKSTART=examples/quickstart/signet.toml

dev_run() {
	setup_for build run
	build_plain
	run_signer
	local api="" data; data=$(mktemp -d)
	trap 'rm -rf "$data"; [ -z "$api" ] || { kill "$api"; wait "$api"; } 2>/dev/null || true' EXIT
	if [ -z "${API_ENDPOINT:-}" ]; then run_developer_api "$data/port"; fi

	export SIGNET_DATA_DIR=${SIGNET_DATA_DIR:-$PWD/signet-data}
	local flags=("$@")
	case " $* " in *" --config-file"* | *" --default-config "*) ;; *) flags+=(--config-file "$QUICKSTART") ;; esac
	# Where it listens: as it is told, else 3000, else the next free one.
	local address
	address=$(run_address "${flags[@]}")
	case " $* " in *" --bind-address"*) ;; *) [ -z "$address" ] || flags+=(--bind-address "$address") ;; esac
	# In a session of its own: Ctrl-C reaches it once, through us, and a second Ctrl-C is a second one.
	setsid build/signet serve "${flags[@]}" &
	local signet=$! status=0
	trap 'kill -INT "$signet" 2>/dev/null' INT
	trap 'kill -TERM "$signet" 2>/dev/null' TERM HUP
	case " ${flags[*]} " in *" $QUICKSTART "*) run_ready "$signet" "$address" ;; esac
	# A signal to us ends `wait` early; how it ended is asked once more at the end, also of one that never came up.
	while kill -0 "$signet" 2>/dev/null; do wait "$signet" || true; done
	wait "$signet" && status=0 || status=$?
	exit "$status"
}

run_signer() {
	local wasm=examples/quickstart/rust_proxy/sign_bg.wasm
	[ ! -e "$wasm" ] || return 0
	[ -z "${API_ENDPOINT:-}" ] || say "no $wasm: building the sample signer, which only the sample developer API accepts. Place yours there."
	mkdir -p "$(dirname "$wasm")"
	examples/signers/hmac/build.sh "$wasm"
	say "built the sample signer: $wasm"
}

run_developer_api() { # FILE for its output
	python3 examples/developer-api/server.py --port 0 >"$1" &
	api=$!
	local tries=0 port=""
	until port=$(sed -n 's/^listening on //p' "$1") && [ -n "$port" ]; do
		kill -0 "$api" 2>/dev/null && [ $((tries += 1)) -lt 100 ] || die "the sample developer API did not start"
		sleep 0.05
	done
	export API_ENDPOINT=http://127.0.0.1:$port/stream/chat DEVICE_ID=${DEVICE_ID:-quickstart-device} SID=${SID:-quickstart-session}
	say "the sample developer API answers at $API_ENDPOINT"
}

run_port_is_free() { # PORT
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Of --bind-address or the variable; of the quickstart, which sets none, 127.0.0.1 and the first free port from 3000 on. Nothing: the
# file of whoever gave one says it.
run_address() { # FLAGS
	local flag before="" port
	for flag in "$@"; do
		case "$flag" in --bind-address=*) echo "${flag#*=}"; return ;; esac
		[ "$before" != --bind-address ] || { echo "$flag"; return; }
		before=$flag
	done
	[ -z "${TENSORZERO_GATEWAY_BIND_ADDRESS:-}" ] || { echo "$TENSORZERO_GATEWAY_BIND_ADDRESS"; return; }
	case " $* " in *" $QUICKSTART "*) ;; *) return ;; esac
	for port in 3000 3001 3002 3003 3004 3005; do
		! run_port_is_free "$port" || { echo "127.0.0.1:$port"; return; }
		say "port $port is taken by another program: trying $((port + 1))" >&2
	done
	echo 127.0.0.1:3000 # signet says what is wrong
}

# Whether this process listens there, not some other program that answers.
run_listens() { # PID PORT
	local port inode; port=$(printf ':%04X' "$2")
	for inode in $(awk -v port="$port" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
		! find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q . || return 0
	done
	return 1
}

# Waits until it serves and says what to try.
run_ready() { # PID ADDRESS
	local address=$2 tries=0
	until run_listens "$1" "${address##*:}" && curl -s -o /dev/null "http://localhost:${address##*:}/health"; do
		kill -0 "$1" 2>/dev/null && [ $((tries += 1)) -lt 200 ] || return 0
		sleep 0.05
	done
	cat >&2 <<-END

	Signet is up. In another terminal:

	    curl -X POST http://localhost:${address##*:}/v1/chat/completions -w '\n' -H "Content-Type: application/json" \\
	      -d '{"model": "rust-proxy", "messages": [{"role": "user", "content": "Hello, world!"}]}'

	    curl -N -X POST http://localhost:${address##*:}/v1/chat/completions -H "Content-Type: application/json" \\
	      -d '{"model": "rust-proxy", "stream": true, "messages": [{"role": "user", "content": "Hello, world!"}]}'

	In a browser, what was asked and answered: http://localhost:${address##*:}/ui
	In a terminal: build/signet log tail. Ctrl-C ends it.

	END
}
