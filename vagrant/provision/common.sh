# What the three machines have in common; read by the others, as root.
#   SOURCE  the checkout, or a wheel of it   PREFIX     where the programs go
#   STATE   where the collector keeps data   COLLECTOR  by which name or address hosts reach it
set -euo pipefail
SOURCE=${SOURCE:-/vagrant}
PREFIX=${PREFIX:-/opt/pratique}
STATE=${STATE:-/var/lib/pratique-collector}
COLLECTOR=${COLLECTOR:-collector}
MISSING=()
export DEBIAN_FRONTEND=noninteractive

# needs PACKAGE COMMAND...: the package is missing unless the command works.
needs() {
	"${@:2}" >/dev/null 2>&1 || MISSING+=("$1")
}

fetch() {
	[ ${#MISSING[@]} -eq 0 ] && return
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${MISSING[@]}"
}

# What a checkout is built with; a wheel holds the probes already.
needs_to_build() {
	[ -d "$SOURCE" ] || return 0
	needs clang clang --version
	needs llvm llvm-strip --version
	needs bpftool test -x /usr/sbin/bpftool
	needs make make --version
	needs libbpf-dev test -e /usr/include/bpf/bpf_helpers.h
	needs libc6-dev test -e /usr/include/stdio.h
}

# install EXTRAS PROGRAM: Pratique in an environment of its own, and one program of it for everybody.
install_pratique() {
	needs python3 python3 --version
	needs python3-venv python3 -m ensurepip --version
	fetch
	[ -x "$PREFIX/bin/python" ] || python3 -m venv "$PREFIX"
	"$PREFIX/bin/pip" install --quiet --disable-pip-version-check "$SOURCE[$1]"
	ln -sf "$PREFIX/bin/$2" "/usr/local/bin/$2"
}

# service NAME: start the unit on standard input, now and at every boot.
service() {
	cat >"/etc/systemd/system/$1.service"
	systemctl daemon-reload
	systemctl enable --quiet --now "$1"
}
