# ./dev run
help_run() { :; }
dev_run() { die "not yet"; }
