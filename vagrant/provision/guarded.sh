# A machine whose installs are guarded; joins the collector when there is a token.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh" 2>/dev/null || . /vagrant/vagrant/provision/common.sh
packages clang=/usr/bin/clang llvm=/usr/bin/llvm-strip bpftool=/usr/sbin/bpftool make=/usr/bin/make \
	libbpf-dev=/usr/include/bpf/bpf_helpers.h libc6-dev=/usr/include/stdio.h nodejs=/usr/bin/node npm=/usr/bin/npm
pratique uplink
link pratique
"$PREFIX/bin/pratique" doctor || true
if [ -n "${PRATIQUE_TOKEN:-}" ]; then
	"$PREFIX/bin/pratique" enroll "https://${COLLECTOR:-collector}:7444"
else
	echo "Not enrolled: a token comes from the collector, then: pratique enroll https://${COLLECTOR:-collector}:7444 --token TOKEN"
fi
