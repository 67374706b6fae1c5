# What the three machines have in common; read by the others.
#   SOURCE  the checkout              PREFIX  where the programs go
#   STATE   where the collector keeps its data
set -euo pipefail
SOURCE=${SOURCE:-/vagrant}
PREFIX=${PREFIX:-/opt/pratique}
STATE=${STATE:-/var/lib/pratique-collector}
export DEBIAN_FRONTEND=noninteractive

# The packages that are missing, by the file each brings; nothing is installed where all are there.
packages() {
	local missing=()
	for each in "$@"; do
		[ -e "${each#*=}" ] || missing+=("${each%%=*}")
	done
	[ ${#missing[@]} -eq 0 ] || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; }
}

# Pratique with the extras that are named, in an environment of its own.
pratique() {
	packages python3=/usr/bin/python3 python3-venv=/usr/share/doc/python3-venv
	[ -x "$PREFIX/bin/python" ] || "${PYTHON:-python3}" -m venv "$PREFIX"
	"$PREFIX/bin/pip" install --quiet --disable-pip-version-check "$SOURCE[$1]"
}

# A program of the environment, for everybody.
link() {
	for each in "$@"; do
		[ "$PREFIX" != /opt/pratique ] || ln -sf "$PREFIX/bin/$each" "/usr/local/bin/$each"
	done
}

# Whether this machine runs services.
has_systemd() {
	[ -d /run/systemd/system ]
}
