# Every target is a line or two; what it does in detail stands in tests/scripts/.
.PHONY: help demo test judges faults bench stories fmt
help: ## this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1\t/p' Makefile
demo: ## one switch and five agencies on this machine, told as a story; with PostgreSQL where it is installed
	$(if $(wildcard /usr/lib/postgresql/*/bin/initdb),tests/scripts/postgres.sh) cargo run --locked --release -- demo
test: ## everything a change has to pass; installs what it needs
	tests/scripts/test.sh
judges: ## outside clients and verifiers judge the switch
	tests/scripts/judges.sh
faults: ## the long fault tests
	tests/scripts/faults.sh
bench: ## the switch beside nginx, haproxy and a bare hub, in one run
	tests/scripts/tools.sh nginx haproxy
	cargo run --locked --release -p benches -- --svg target/bench.svg
stories: ## the examples, each one a story, told aloud
	cargo test --locked -p examples -- --nocapture --test-threads=1
fmt: ## format the code
	cargo fmt --all
