# The web application: installed, built and made a C file that the binary holds (build-ui/).

UI_NODE_MIN=20.19 # Vite 8
UI_OUT=build-ui

help_screenshots() {
	cat <<-'END'
	usage: ./dev screenshots [--only WORD] [--out DIR]

	Starts build/signet with a day of recorded traffic and takes a picture of every page: light, dark, in Chinese, 390 pixels wide,
	filled and empty. They go to docs/screenshots: look at them.
	END
}

dev_screenshots() {
	setup_for build run test
	case "$(cat /etc/os-release 2>/dev/null)" in
	*debian*) for font in fonts-inter fonts-wqy-microhei fonts-noto-color-emoji; do
		dpkg-query -W "$font" >/dev/null 2>&1 || apt_install "$font"
	done ;;
	esac
	build_plain
	node tests/browser/screenshots.mjs "$@"
}

# Whether node and npm can build it. A node of its own is taken where the system's is older (Debian 12 has 18).
ui_node() {
	command -v node >/dev/null && command -v npm >/dev/null || return 1
	version_at_least "$(node --version | tr -d v)" "$UI_NODE_MIN" && return 0
	local dir=${XDG_CACHE_HOME:-$HOME/.cache}/signet/node
	if [ ! -x "$dir/node_modules/.bin/node" ]; then
		case $(uname -m) in x86_64) set -- x64 ;; aarch64) set -- arm64 ;; *) return 1 ;; esac
		mkdir -p "$dir"
		step "Node $(node --version) is too old for the web application: fetching one beside it" \
			npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund "node-linux-$1@22.12.0" || return 1
		mkdir -p "$dir/node_modules/.bin"
		ln -sf "../node-linux-$1/bin/node" "$dir/node_modules/.bin/node"
	fi
	PATH=$dir/node_modules/.bin:$PATH
}

# Builds it if its sources changed. Without its packages the binary is built all the same, and says at /ui what is missing.
ui_build() {
	local sum; sum=$(cd ui && find . -type f -not -path './node_modules/*' -not -path './dist/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
	if [ "$sum" != "$(cat $UI_OUT/.sum 2>/dev/null)" ]; then
		if ! ui_node || ! ui_install; then
			say "the web application is left out: it needs Node $UI_NODE_MIN or newer, npm and its packages (./dev setup run)"
			return 0
		fi
		step "building the web application" npm run --silent --prefix ui build || return 1
		ui_embed ui/dist "$UI_OUT"
		echo "$sum" >$UI_OUT/.sum
	fi
}

ui_install() {
	local stamp; stamp=$(cat ui/package.json ui/package-lock.json | sha256sum)
	[ "$stamp" != "$(cat ui/node_modules/.stamp 2>/dev/null)" ] || return 0
	step "installing the web application's packages" npm ci --prefix ui --ignore-scripts --no-audit --no-fund
	echo "$stamp" >ui/node_modules/.stamp
}

# ui_embed FROM TO: TO/files.c with every file of FROM, packed but for index.html.
ui_embed() {
	local from=$1 to=$PWD/$2 file n=0 name rows="" sum
	rm -rf "$to"
	mkdir -p "$to/files"
	printf '/* Made by tools/dev/ui.sh. */\n#include "api/ui.h"\n\n' >"$to/files.c"
	while IFS= read -r file; do
		name=${file#"$from"/}
		sum=$(sha256sum <"$file" | cut -c1-16)
		if [ "$name" = index.html ]; then cp "$file" "$to/files/$n"; else gzip -9 -n -c "$file" >"$to/files/$n"; fi
		cat >>"$to/files.c" <<-END
		__asm__(".pushsection .rodata\n.global signet_ui_${n}, signet_ui_${n}_end\nsignet_ui_$n:\n.incbin \"$to/files/$n\"\nsignet_ui_${n}_end:\n.popsection\n");
		extern const char signet_ui_$n[], signet_ui_${n}_end[];
		END
		rows+="	{ \"$name\", signet_ui_$n, signet_ui_${n}_end, $(stat -c %s "$file"), \"\\\"$sum\\\"\" },"$'\n'
		n=$((n + 1))
	done < <(find "$from" -type f | LC_ALL=C sort)
	printf '\nconst struct ui_file ui_files[] = {\n%s	{ 0 },\n};\n' "$rows" >>"$to/files.c"
}
