# ./dev package: a Debian package of this distribution, made with dpkg-deb alone.

help_package() {
	cat <<-'END'
	usage: ./dev package [--version V]

	Builds build-package/signet and build-package/signet_V_ARCH.deb: the files of ./dev install below /usr, the configuration
	/etc/signet/signet.toml, the user and group signet, /var/lib/signet, the unit signet.service. It runs on the distribution
	that it was built on; its dependencies are those of the program (dpkg-shlibdeps).

	  --version V   the package's version (default: Signet's, and the distribution: 0.1.0+deb12)

	./dev test roots installs, starts, upgrades and purges it in a root of its own.
	END
}

# As the release, with what a plain machine lacks linked in.
build_package() {
	local parsers=${XDG_CACHE_HOME:-$HOME/.cache}/signet/yyjson-$(cc -dumpmachine)
	[ -e "$parsers/libyyjson.a" ] || step "building yyjson as a static library" package_yyjson "$parsers"
	build_in build-package --buildtype=release -Ddebug=true -Db_lto=true -Dparsers="$parsers"
}

# Debian's libyyjson-dev has no static library, so its source package is compiled: apt checks it against the archive's key.
# Nothing of apt's own state is used or changed, and root is not needed.
package_yyjson() ( # DIR
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	mkdir -p "$dir/lists/partial" "$dir/parts" "$dir/preferences" "$dir/cache/archives/partial" "$dir/source"
	chmod -R a+rX "$dir"
	package_yyjson_source >"$dir/source.list"
	options=(-o "Dir::Etc::SourceList=$dir/source.list" -o "Dir::Etc::SourceParts=$dir/parts" -o "Dir::State::Lists=$dir/lists"
		-o "Dir::Cache=$dir/cache" -o APT::Sandbox::User= -o Acquire::Languages=none)
	apt-get "${options[@]}" update
	cd "$dir/source"
	apt-get "${options[@]}" source --download-only --tar-only yyjson
	tar -xf yyjson_*.orig.tar.* --strip-components=1
	cc -O2 -fPIC -fno-omit-frame-pointer -ffunction-sections -fdata-sections -c src/yyjson.c -o yyjson.o
	ar rcs libyyjson.a yyjson.o
	install -D -m 644 src/yyjson.h "$1/yyjson.h"
	install -m 644 libyyjson.a "$1/libyyjson.a"
)

package_yyjson_source() {
	local line key
	. /etc/os-release
	if [ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ]; then
		line=$(setup_trixie_source)
	else
		for key in "/usr/share/keyrings/$ID-archive-keyring.gpg" ""; do [ -e "$key" ] && break; done
		line=$(apt-cache policy libyyjson-dev | awk -v key="${key:+ [signed-by=$key]}" '
			$2 ~ /^https?:/ {split($3, at, "/"); print "deb" key, $2, at[1], at[2]; exit}')
	fi
	[ -n "$line" ] || { echo "no package list here has libyyjson-dev, so its source is not known" >&2; return 1; }
	echo "deb-src${line#deb}"
}

package_version() {
	local version; version=$(sed -n "s/^ *version : '\(.*\)',.*/\1/p" meson.build)
	. /etc/os-release
	case ${ID:-} in
	debian) echo "$version+deb${VERSION_ID:-}" ;;
	*) echo "$version+${ID:-linux}${VERSION_ID:-}" ;;
	esac
}

dev_package() {
	local version=""
	while [ $# -gt 0 ]; do
		case $1 in
		--version) version=${2:?--version needs a version}; shift ;;
		--version=*) version=${1#*=} ;;
		*) help_package >&2; exit 2 ;;
		esac
		shift
	done
	command -v dpkg-deb >/dev/null || die "package: this system has no dpkg-deb; ./dev install --destdir D lays out the files for another kind of package"
	setup_for build package
	build_package
	package_deb "${version:-$(package_version)}"
}

package_deb() { # VERSION
	local version=$1 root=build-package/deb arch file
	arch=$(dpkg --print-architecture)
	file=build-package/signet_${version}_$arch.deb
	rm -rf "$root"
	mkdir -p "$root/DEBIAN"
	chmod 755 "$root" "$root/DEBIAN"
	install_files /usr "$root"
	install -D -m 640 packaging/signet.toml "$root/etc/signet/signet.toml"
	install -m 755 packaging/debian/postinst packaging/debian/prerm packaging/debian/postrm "$root/DEBIAN/"
	echo /etc/signet/signet.toml >"$root/DEBIAN/conffiles"
	sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" \
		-e "s/@DEPENDS@/$(package_depends "$root/usr/bin/signet")/" packaging/debian/control >"$root/DEBIAN/control"
	(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
	dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
	rm -rf "$root"
	echo "$file"
}

# What dpkg-shlibdeps reads from the program; it insists on a debian/control.
package_depends() ( # PROGRAM
	program=$PWD/$1
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	mkdir "$dir/debian"
	printf 'Source: signet\n\nPackage: signet\nArchitecture: any\n' >"$dir/debian/control"
	cd "$dir"
	dpkg-shlibdeps -O "$program" 2>/dev/null | sed -n 's/^shlibs:Depends=//p'
)
