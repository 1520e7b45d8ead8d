# ./dev test
help_test() { :; }
dev_test() {
	setup_for build run test
	build_asan
	meson test -C build-asan --print-errorlogs
}
