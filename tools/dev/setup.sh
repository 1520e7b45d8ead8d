# ./dev setup: what a fresh Debian 12, Debian 13 or Ubuntu 24.10+ lacks. Each need has its packages; what is there is left
# alone, and asking when all is there takes well under a second.

RUST_MIN=1.95 # Wasmtime 48

PACKAGES_build="gcc libc6-dev make cmake pkg-config meson ninja-build ca-certificates libuv1-dev libboost-context-dev
	libssl-dev libsqlite3-dev libmimalloc-dev zlib1g-dev libzstd-dev libbrotli-dev libyyjson-dev libllhttp-dev"
PACKAGES_run="clang lld python3 curl"
PACKAGES_test="libcmocka-dev sqlite3 clang-tidy clang-format python3-venv openssl git wget zsh fish mandoc"
PACKAGES_bench="nginx wrk binutils python3"
PACKAGES_fuzz="llvm"
PACKAGES_package="binutils dpkg-dev"
PACKAGES_roots="debootstrap"
PACKAGES_agents=""

help_setup() {
	cat <<-'END'
	usage: ./dev setup [build|run|test|fuzz|bench|package|roots|agents]...

	Installs what is missing for these needs (default: build, run and test) and says what. `run`, `test` and the others call it
	themselves, so you rarely have to.

	  Debian, Ubuntu packages    apt-get, as root or through sudo
	  yyjson, llhttp             on Debian 12 from trixie, by a private package list that is gone afterwards
	  Rust 1.95 or newer         found through rustup or as a package; if there is neither, you are told how to get it
	  Python packages            .venv/ in the checkout (tests only)
	  Node packages              node_modules/ in ui/ (the web application) and beside each tests/*/package.json (tests only); those
	                             of Claude Code and Codex (800 MB) only for the need "agents"
	END
}

dev_setup() {
	[ $# -gt 0 ] || set -- build run test
	setup_for "$@"
	say "nothing is missing for: $*"
}

# setup_for NEED…
setup_for() {
	local need all=()
	for need in "$@"; do
		case $need in build | run | test | fuzz | bench | package | roots | agents) all+=("$need") ;; *) die "setup: unknown need \"$need\"" ;; esac
	done
	setup_packages "${all[@]}"
	for need in "${all[@]}"; do
		case $need in
		build) setup_rust ;;
		fuzz) setup_sanitizers ;;
		agents) setup_node_packages tests/agents ;;
		test) setup_rust_wasm; setup_sanitizers; setup_venv; setup_node; setup_chromium ;;
		esac
	done
}

setup_packages() {
	local need wanted="" missing="" package special=""
	for need in "$@"; do local list="PACKAGES_$need"; wanted+=" ${!list}"; done
	if ! command -v dpkg-query >/dev/null; then
		command -v meson >/dev/null && pkg-config --exists libuv openssl sqlite3 yyjson libllhttp && return 0
		die "this system has no apt. Install what these Debian packages hold, then try again:$wanted"
	fi
	local have; have=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ')"
	for package in $wanted; do
		case "$have" in *" $package "*) continue ;; esac
		case $package in
		libyyjson-dev) pkg-config --exists yyjson 2>/dev/null || special+=" $package" ;;
		libllhttp-dev) pkg-config --exists libllhttp 2>/dev/null || special+=" $package" ;;
		pkg-config | gcc) command -v "$package" >/dev/null || missing+=" $package" ;;
		*) missing+=" $package" ;;
		esac
	done
	if [[ " $* " == *" test "* || " $* " == *" run "* ]] && ! { command -v node && command -v npm; } >/dev/null; then missing+=" nodejs npm"; fi
	[ -n "$missing$special" ] || return 0
	say "missing:$missing$special"
	step "reading the package lists" as_root apt-get update
	for package in $special; do
		if apt_has "$package"; then missing+=" $package"; special=${special/ $package/}; fi
	done
	if [ -n "$missing" ]; then apt_install $missing; fi
	if [ -n "$special" ]; then setup_from_trixie $special; fi
}

apt_has() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [0-9]'; }

apt_install() {
	step "installing $# package$([ $# -eq 1 ] || echo s)" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Debian 12 lacks yyjson and llhttp. Debian 13's packages need nothing newer than what 12 has; they are taken with a package
# list of their own, in a temporary directory: the system's sources and pins are never touched, so there is nothing to clean up
# but that directory.
setup_from_trixie() {
	. /etc/os-release
	[ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ] ||
		die "no package gives$(printf ' %s' "$@") here. On Ubuntu: sudo add-apt-repository universe; other systems: build them from source (pkg-config names: yyjson, libllhttp)"
	(
		dir=$(mktemp -d)
		trap 'rm -rf "$dir" 2>/dev/null || as_root rm -rf "$dir"' EXIT
		trap 'exit 130' INT TERM
		mkdir -p "$dir/lists/partial" "$dir/parts" "$dir/preferences"
		chmod -R a+rX "$dir"
		chmod 755 "$dir"
		setup_trixie_source >"$dir/trixie.list"
		options=(-o "Dir::Etc::SourceList=$dir/trixie.list" -o "Dir::Etc::SourceParts=$dir/parts"
			-o "Dir::State::Lists=$dir/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
			-o APT::Get::Upgrade-By-Source-Package=false) # llhttp's source is node-undici's: leave that alone
		step "reading Debian 13's package list" as_root apt-get "${options[@]}" update
		others=$(apt-get "${options[@]}" -s install --no-install-recommends "$@" | awk '/^(Inst|Remv) / && $2 !~ /^lib(yyjson|llhttp)/ {print $2}')
		[ -z "$others" ] || die "refusing to install $*: it would also change $others"
		step "installing $* from Debian 13" as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get "${options[@]}" install -y --no-install-recommends "$@"
	)
}

# One line of sources.list for trixie at the mirror that this system already uses.
setup_trixie_source() {
	local uri key=/usr/share/keyrings/debian-archive-keyring.gpg
	uri=$({ cat /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } | awk '
		/^URIs:/ {uri = $2} /^Suites:/ && / bookworm( |$)/ {print uri; exit}')
	[ -n "$uri" ] || uri=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
		sed -n 's/ *\[[^]]*\]//; s/^deb  *\([^ ]*\)  *bookworm .*/\1/p' | head -n 1)
	[ -n "$uri" ] || uri=http://deb.debian.org/debian
	echo "deb$([ ! -e $key ] || echo " [signed-by=$key]") $uri trixie main"
}

rust_version() { rustc -V 2>/dev/null | awk '{print $2}'; }

setup_rust() {
	local have package
	have=$(rust_version || true)
	if [ -n "$have" ] && version_at_least "$have" "$RUST_MIN" && command -v cargo >/dev/null; then return 0; fi
	if [ -n "$have" ] && command -v rustup >/dev/null; then
		die "Rust $have is too old, Signet's engines need $RUST_MIN or newer: rustup update stable"
	fi
	if command -v apt-get >/dev/null; then step "looking for Rust $RUST_MIN among the packages" as_root apt-get update; fi
	for package in rustc rustc-web; do
		local offered; offered=$(apt-cache policy "$package" 2>/dev/null | awk '/Candidate:/{print $2}')
		if [[ "$offered" == [0-9]* ]] && version_at_least "$offered" "$RUST_MIN"; then
			apt_install "$package" "${package/rustc/cargo}" && hash -r && return 0
		fi
	done
	die "${have:+Rust $have is too old. }Signet's engines need Rust $RUST_MIN or newer. Get it from https://rustup.rs:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y
On Debian 12 the packages rustc-web and cargo-web of bookworm-security do as well: if apt does not offer them, add
    deb http://deb.debian.org/debian-security bookworm-security main
to /etc/apt/sources.list. Then run the same command again."
}

# The tests build a Rust signer. What is there must be of this very rustc: another one's library is no use, and Debian 12
# offers that of its rustc 1.63 beside rustc-web 1.96.
rust_wasm_works() {
	local dir status=0; dir=$(mktemp -d)
	echo 'pub fn nothing() {}' | rustc --target wasm32-unknown-unknown --crate-type lib --crate-name probe -o "$dir/probe" - 2>/dev/null || status=1
	rm -rf "$dir"
	return $status
}

setup_rust_wasm() {
	local package offered
	rust_wasm_works && return 0
	if command -v rustup >/dev/null; then
		step "adding Rust's target wasm32-unknown-unknown" rustup target add wasm32-unknown-unknown
		return
	fi
	for package in libstd-rust-web-dev-wasm32 libstd-rust-dev-wasm32; do
		offered=$(apt-cache policy "$package" 2>/dev/null | awk '/Candidate:/{print $2}')
		if [[ "$offered" == "$(rust_version)"* ]]; then apt_install "$package"; return; fi
	done
	say "no package holds Rust's target wasm32-unknown-unknown here: the test of a Rust signer is skipped (rustup has it)"
}

# clang's sanitizer runtime is a package of its own since 14; clang-tidy wants its headers.
setup_sanitizers() {
	local major; major=$(clang -dumpversion | cut -d. -f1)
	[ -z "$(find "$(clang -print-resource-dir)" -name 'libclang_rt.fuzzer*.a' -print -quit 2>/dev/null)" ] || return 0
	apt_install "libclang-rt-$major-dev"
}

# For tests/browser. Ubuntu's package is a snap, which these tests cannot use: there CHROMIUM names one that is installed.
setup_chromium() {
	[ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null && [ -d tests/browser ] || return 0
	case "$(apt-cache policy chromium 2>/dev/null | awk '/Candidate:/{print $2}')" in
	"" | "(none)" | *snap*) say "no package of Chromium here: the browser tests are skipped (CHROMIUM=path of one)" ;;
	*) apt_install chromium ;;
	esac
}

setup_venv() {
	[ -f tests/requirements.txt ] || return 0
	local stamp; stamp=$(cat tests/requirements.txt tests/clickhouse/requirements.txt | sha256sum)
	[ "$stamp" != "$(cat .venv/.stamp 2>/dev/null)" ] || return 0
	[ -x .venv/bin/pip ] || step "making .venv" python3 -m venv .venv
	step "installing the tests' Python packages into .venv" .venv/bin/pip install --disable-pip-version-check -r tests/requirements.txt
	step "installing ClickHouse's engine for the tests" .venv/bin/pip install --disable-pip-version-check --no-deps -r tests/clickhouse/requirements.txt
	echo "$stamp" >.venv/.stamp
}

setup_node() {
	local file dir
	for file in tests/*/package.json; do
		[ -f "$file" ] || continue
		dir=$(dirname "$file")
		case $dir in tests/conformance | tests/agents) continue ;; esac # ./dev conformance, ./dev test agents install them
		setup_node_packages "$dir"
	done
}

setup_node_packages() {
	local dir=$1 stamp
	stamp=$(cat "$dir"/package*.json | sha256sum)
	[ "$stamp" != "$(cat "$dir/node_modules/.stamp" 2>/dev/null)" ] || return 0
	if [ -f "$dir/package-lock.json" ]; then
		step "installing the Node packages of $dir" npm ci --prefix "$dir" --no-audit --no-fund
	else
		step "installing the Node packages of $dir" npm install --prefix "$dir" --no-audit --no-fund
	fi
	echo "$stamp" >"$dir/node_modules/.stamp"
}
