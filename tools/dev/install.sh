# ./dev install: the program and what belongs to it, as packages lay it out.

help_install() {
	cat <<-'END'
	usage: ./dev install [--prefix P] [--destdir D]

	Builds build-package/signet (as --release, with yyjson and llhttp linked in, so that it runs on a plain machine of this
	distribution) and copies what a user meets:

	  P/bin/signet
	  P/share/man/man1/signet.1.gz                 made from the program's own tables of commands and flags,
	  P/share/bash-completion/completions/signet   as are these
	  P/share/zsh/vendor-completions/_signet       (P/share/zsh/site-functions unless P is /usr)
	  P/share/fish/vendor_completions.d/signet.fish
	  P/lib/systemd/system/signet.service          starts P/bin/signet with /etc/signet/signet.toml as user signet
	  P/share/doc/signet/                          licence, changelog, examples/signet.toml

	  --prefix P    default /usr/local
	  --destdir D   everything goes below D (for packages); the files name P all the same

	Nothing is started, no user is made and /etc is left alone: the last lines say what the unit needs. ./dev package makes a
	Debian package that does the rest.
	END
}

dev_install() {
	local prefix=/usr/local destdir=""
	while [ $# -gt 0 ]; do
		case $1 in
		--prefix) prefix=${2:?--prefix needs a directory}; shift ;;
		--prefix=*) prefix=${1#*=} ;;
		--destdir) destdir=${2:?--destdir needs a directory}; shift ;;
		--destdir=*) destdir=${1#*=} ;;
		*) help_install >&2; exit 2 ;;
		esac
		shift
	done
	case $prefix in /*) ;; *) die "install: --prefix wants an absolute directory, not \"$prefix\"" ;; esac
	[ "$prefix" = / ] || prefix=${prefix%/}
	setup_for build package
	build_package
	install_files "$prefix" "$destdir"
	[ -n "$destdir" ] || cat >&2 <<-END
	Installed below $prefix. To run it as a service:
	    useradd --system --home-dir /var/lib/signet --shell /usr/sbin/nologin signet
	    install -D -m 640 -g signet $prefix/share/doc/signet/examples/signet.toml /etc/signet/signet.toml
	    systemctl daemon-reload && systemctl enable --now signet
	END
}

# install_files PREFIX DESTDIR
install_files() {
	local prefix=$1 root=$2$1 program=build-package/signet made zsh=site-functions
	[ "$prefix" != /usr ] || zsh=vendor-completions
	made=$(mktemp -d)
	"$program" completions man >"$made/commands"
	sed -e "s/@VERSION@/$("$program" version | awk 'NR == 1 {print $2}')/" -e "/^@COMMANDS@\$/{r $made/commands
		d}" packaging/signet.1.in | gzip -9n >"$made/signet.1.gz"
	"$program" completions bash >"$made/signet"
	"$program" completions zsh >"$made/_signet"
	"$program" completions fish >"$made/signet.fish"
	sed "s|@PREFIX@|$prefix|g" packaging/signet.service >"$made/signet.service"
	strip -o "$made/program" "$program"
	install -D -m 755 "$made/program" "$root/bin/signet"
	install -D -m 644 "$made/signet.1.gz" "$root/share/man/man1/signet.1.gz"
	install -D -m 644 "$made/signet" "$root/share/bash-completion/completions/signet"
	install -D -m 644 "$made/_signet" "$root/share/zsh/$zsh/_signet"
	install -D -m 644 "$made/signet.fish" "$root/share/fish/vendor_completions.d/signet.fish"
	install -D -m 644 "$made/signet.service" "$root/lib/systemd/system/signet.service"
	install -D -m 644 packaging/signet.toml "$root/share/doc/signet/examples/signet.toml"
	install -D -m 644 packaging/copyright "$root/share/doc/signet/copyright"
	gzip -9n <CHANGELOG.md >"$made/changelog.gz"
	install -D -m 644 "$made/changelog.gz" "$root/share/doc/signet/changelog.gz"
	rm -rf "$made"
}
