# Everything a person or a machine does with this checkout. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
STAMPS := .cache/make
# The story of `make demo`, and what the benchmark is asked (`make bench BENCH="--rounds 11"`).
DEMO := lab.demo
BENCH :=
FUZZ :=

.PHONY: help setup system probes demo test check test-server test-browser test-rootless test-root scenarios races \
	real-first-runs setup-browser setup-kernels parity test-kernels test-each-kernel test-machines screenshots vendor \
	bench bench-daemon bench-collector fuzz storm proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/system $(VENV)/.installed probes ## install what is missing, build the virtual environment and the probes

demo: setup ## a story in under a minute: a clean install, the same with a thief, and what the guard says
	@PYTHONPATH=tests $(BIN)/python -m $(DEMO)

test: setup ## everything: collector, pages in a browser, without privilege, in booted kernels, as root
	@if [ "$$(id -u)" != 0 ]; then $(MAKE) --no-print-directory check test-rootless; $(not_run); else $(as_root); fi

# Packages first, one after the other: two installers would meet. A kernel is emulated by one thread: the other
# processor does the rest meanwhile.
define as_root
	export PRATIQUE_MUST_RUN=1; $(MAKE) --no-print-directory setup-browser setup-kernels; $(postgres); \
	$(MAKE) --no-print-directory test-each-kernel >.cache/kernels.log 2>&1 & kernels=$$!; \
	failed=0; $(MAKE) --no-print-directory check test-server test-browser test-rootless || failed=$$?; \
	wait $$kernels || failed=$$?; cat .cache/kernels.log; [ $$failed = 0 ]; \
	$(MAKE) --no-print-directory test-root
endef

check: setup ## style, types, import contract, unit tests: no root needed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -m 'not root and not services' tests/unit tests/server

test-server: setup ## the collector on a PostgreSQL that is really started, and killed in mid-work
	@$(postgres)
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 900 $(BIN)/pytest -m services --timeout 300 tests/server

test-root: setup ## the tests that load probes and refuse acts (root)
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 1800 $(BIN)/pytest -m "root and not many" tests

scenarios: setup ## play every scenario with the guard off, on and auditing; writes docs/scenarios.md (root)
	PYTHONPATH=tests $(BIN)/python -m scenarios --page

real-first-runs: setup ## some thirty real packages, installed and first run under the daemon: fails where one is refused (root; fetches)
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 1800 $(BIN)/pytest -m many -v tests/root/test_real_first_runs.py

test-rootless: setup ## the tests that guard without privilege (anybody; root becomes a throw-away user)
	timeout --kill-after=10 900 $(BIN)/pytest -m rootless tests/rootless

races: setup ## the races against the supervisor in full: 20 000 tries each
	PRATIQUE_TRIES=20000 PRATIQUE_PATIENCE=600 timeout --kill-after=10 3600 $(BIN)/pytest -m rootless tests/rootless/test_races.py

parity: setup ## every scenario for each tier of rootless, by a user without privilege (root; PARITY="ID …" for some)
	for tier in 1 2 3 4; do PYTHONPATH=tests PRATIQUE_LAB_USER=$$(id -u nobody) PRATIQUE_ROOTLESS_TIER=$$tier \
	$(BIN)/python -m scenarios --backend rootless --guard enforce $(PARITY) || exit 1; done

test-kernels: setup setup-kernels ## boot every kernel of tests/kernels/matrix.toml in every way; writes docs/parity.md (root)
	PYTHONPATH=tests $(BIN)/python -m kernels

test-machines: setup setup-kernels ## the three machines of vagrant/, booted, provisioned and walked through (root, a quarter of an hour)
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 3600 $(BIN)/pytest -m kernels tests/machines

test-each-kernel: setup setup-kernels
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 7200 $(BIN)/pytest -m kernels -s tests/kernels

test-browser: setup setup-browser ## the review pages in the distribution's Chromium
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 1800 $(BIN)/pytest tests/web

screenshots: setup ## pictures of the review pages, from the story of a fleet, into docs/screens
	PYTHONPATH=tests $(BIN)/python -m fleet.screens

vendor: setup ## fetch htmx and uPlot again, and refuse what is not what was pinned
	PYTHONPATH=tests $(BIN)/python -m vendored fetch

bench: setup ## what the guard costs, paired with the bare command (root: also writes docs/benchmarks.md)
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

storm: setup ## one real theft among 200,000 opens and 20,000 forks: found, counted, lost, memory (root)
	PYTHONPATH=tests $(BIN)/python -m bench.theft

bench-daemon: setup ## what the daemon costs a host: idle, start, first import, restart; writes docs/daemon.md (root)
	PYTHONPATH=tests $(BIN)/python -m bench.daemon

fuzz: setup ## every parser of bytes from the wire, ten minutes of processor time each (FUZZ="--seconds 60 columns" for some)
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ)

bench-collector: setup ## what the collector carries, and how fast it answers; writes docs/collector.md
	PYTHONPATH=tests $(BIN)/python -m fleet.bench $(BENCH)

proto: setup ## lock what was added to proto/, refuse what breaks, and regenerate agent/pratique/api/v1
	PYTHONPATH=tests $(BIN)/python -m wire_lock
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=agent --pyi_out=agent --grpc_python_out=agent proto/pratique/api/v1/*.proto

clean: ## remove what was built, but the virtual environment
	@rm -rf .cache build dist probes/build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# --- how setup does it --------------------------------------------------------------------------

# package ↔ the file or command that shows it is there; found by looking, so other distributions work, too.
NEEDS := clang=clang llvm=llvm-strip bpftool=bpftool gcc=gcc make=make git=git curl=curl \
	libc6-dev=/usr/include/stdio.h libbpf-dev=/usr/include/bpf/bpf_helpers.h libbpf1=libbpf.so.1

missing = for need in $(NEEDS); do \
	thing=$${need\#*=}; \
	case $$thing in \
		/*) test -e $$thing;; \
		*.so.*) PATH=$$PATH:/sbin:/usr/sbin ldconfig -p | grep -Fw "$$thing" >/dev/null;; \
		*) PATH=$$PATH:/usr/sbin command -v $$thing >/dev/null;; \
	esac || echo $${need%%=*}; \
	done; \
	test -n "$$($(find_python))" || echo python3-venv

# The interpreter itself, not a shim in front of it: a shim adds twenty processes to each start.
find_python = for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import ensurepip, sys, venv; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)' \
		2>/dev/null && break; \
	done || true

postgres = ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	echo "Installing: postgresql"; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	postgresql >/dev/null; }

not_run = echo; echo "Not root: these did not run, nor the collector, browser and kernel tests (sudo make test runs them):"; \
	$(BIN)/pytest -m root --collect-only -q tests | sed -n 's/^/  /p'

# The stamp is laid only when nothing is missing, so a machine that was short of something is asked again.
$(STAMPS)/system:
	$(install_missing)

define install_missing
	@mkdir -p $(@D)
	@missing=$$($(missing)); missing=$${missing//$$'\n'/ }; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
	if [ -z "$$missing" ]; then touch $@; \
	elif command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
		$$as_root apt-get update -qq; \
		apt-cache policy bpftool | grep "Candidate: [0-9]" >/dev/null || missing=$${missing/bpftool/linux-tools-common}; \
		echo "Installing: $$missing"; \
		DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
		touch $@; \
	elif [ "$$(id -u)" != 0 ]; then \
		echo "Not root: the rootless backend is set up. The hooks backend would need root, and: $$missing" >&2; \
	else \
		echo "Missing, and not to be installed from here (no apt-get): $$missing" >&2; \
	fi
endef

# The emulator and what makes a root file system: only for the tests in booted kernels.
KERNEL_NEEDS := qemu-system-x86=qemu-system-x86_64 mmdebstrap=mmdebstrap e2fsprogs=mke2fs

BROWSER_NEEDS := chromium=chromium

setup-browser: ; @$(MAKE) --no-print-directory $(STAMPS)/browser NEEDS="$(BROWSER_NEEDS)"

setup-kernels: ; @$(MAKE) --no-print-directory $(STAMPS)/kernels NEEDS="$(KERNEL_NEEDS)"

$(STAMPS)/kernels $(STAMPS)/browser:
	$(install_missing)

$(VENV)/.installed: pyproject.toml hatch_build.py | $(STAMPS)/system
	@test -x $(BIN)/python || { \
		python=$$($(find_python)); \
		[ -n "$$python" ] || { echo "No Python 3.11 or newer with venv found." >&2; exit 1; }; \
		"$$python" -m venv $(VENV); \
	}
	@# `pip install --group` came with pip 25.1: this works with older ones.
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.txt
	PRATIQUE_SKIP_PROBES=1 $(BIN)/pip install --quiet --disable-pip-version-check -e '.[uplink,server,hunt]' -r $(VENV)/dev.txt
	@touch $@

# Who is not root cannot load probes: then they need not be built either.
probes: | $(STAMPS)/system
	@if [ "$$(id -u)" != 0 ] && [ ! -e $(STAMPS)/system ]; then :; \
	elif command -v clang >/dev/null; then $(MAKE) --no-print-directory -s -C probes; \
	else echo "No clang: the probes are not compiled; only the rootless backend can guard." >&2; fi
