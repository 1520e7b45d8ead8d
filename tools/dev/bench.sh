# ./dev bench
help_bench() { :; }
dev_bench() { die "not yet"; }
