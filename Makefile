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

.PHONY: help setup system probes demo test check test-root setup-kernels test-kernels test-each-kernel bench proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/system $(VENV)/.installed probes ## install what is missing, build the virtual environment and the probes

demo: setup ## a story in under a minute: a clean install, the same with a thief, and what the guard says (root)
	@PYTHONPATH=tests $(BIN)/python -m $(DEMO)

test: setup check ## everything: check, then the tests that need root, then each kernel of the matrix once
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory test-root test-each-kernel; else $(not_run); fi

check: setup ## style, types, import contract, unit tests: no root needed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -m 'not root' tests/unit

test-root: setup ## the tests that load probes and refuse acts (root)
	PRATIQUE_MUST_RUN=1 timeout --kill-after=10 1800 $(BIN)/pytest -m root tests

test-kernels: setup setup-kernels ## boot every kernel of tests/kernels/matrix.toml in every way; one table (root)
	PRATIQUE_KERNELS=all $(kernel_tests)

test-each-kernel: setup setup-kernels
	$(kernel_tests)

kernel_tests = PRATIQUE_MUST_RUN=1 timeout --kill-after=10 2400 $(BIN)/pytest -m kernels -s tests/kernels

bench: setup ## what the guard costs, paired with the bare command; writes docs/benchmarks.md (root)
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

proto: setup ## regenerate agent/pratique/api from proto/
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=agent --pyi_out=agent proto/pratique/api/v1/*.proto

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

not_run = echo; echo "Not root: these tests did not run (sudo make test-root runs them):"; \
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
	else \
		echo "Missing, and not to be installed from here (no root, or no apt-get): $$missing" >&2; \
	fi
endef

# The emulator and what makes a root file system: only for the tests in booted kernels.
KERNEL_NEEDS := qemu-system-x86=qemu-system-x86_64 mmdebstrap=mmdebstrap e2fsprogs=mke2fs

setup-kernels: ; @$(MAKE) --no-print-directory $(STAMPS)/kernels NEEDS="$(KERNEL_NEEDS)"

$(STAMPS)/kernels:
	$(install_missing)

$(VENV)/.installed: pyproject.toml hatch_build.py | $(STAMPS)/system
	@test -x $(BIN)/python || { \
		python=$$($(find_python)); \
		[ -n "$$python" ] || { echo "No Python 3.11 or newer with venv found." >&2; exit 1; }; \
		"$$python" -m venv $(VENV); \
	}
	@# `pip install --group` came with pip 25.1: this works with older ones.
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.txt
	PRATIQUE_SKIP_PROBES=1 $(BIN)/pip install --quiet --disable-pip-version-check -e . -r $(VENV)/dev.txt
	@touch $@

probes: | $(STAMPS)/system
	@if command -v clang >/dev/null; then $(MAKE) --no-print-directory -s -C probes; \
	else echo "No clang: the probes are not compiled, and nothing can be guarded." >&2; fi
