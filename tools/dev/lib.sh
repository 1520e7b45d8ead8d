# What the commands of ./dev share.

say() { echo "dev: $*" >&2; }
die() { echo "dev: $*" >&2; exit 1; }

# step TEXT COMMAND…: runs it quietly, with a line at the start, one each 15 s, and its time; the log's end if it fails.
step() {
	local text=$1 begin=$SECONDS log pid beat status=0
	shift
	log=$(mktemp)
	say "$text ..."
	"$@" >"$log" 2>&1 &
	pid=$!
	(while sleep 15; do say "$text: $((SECONDS - begin)) s, still at it: $(tail -n 1 "$log" | cut -c1-90)"; done) &
	beat=$!
	wait "$pid" || status=$?
	{ kill "$beat" && wait "$beat"; } 2>/dev/null || true
	if [ "$status" -ne 0 ]; then
		tail -n 30 "$log" | sed 's/^/    /' >&2
		say "$text: failed after $((SECONDS - begin)) s (whole output: $log)"
		return "$status"
	fi
	rm -f "$log"
	[ $((SECONDS - begin)) -lt 2 ] || say "$text: done in $((SECONDS - begin)) s"
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root: run as root, or install sudo: $*"
	fi
}

# version_at_least HAVE WANT
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# c_files [DIR…]: the project's own C files
c_files() { find "${@:-src}" -name '*.[ch]' -not -path '*/node_modules/*' 2>/dev/null | LC_ALL=C sort; }
