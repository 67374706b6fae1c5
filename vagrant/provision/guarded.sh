# A machine whose installs are guarded: Pratique, node, and the line to the collector when there is a token.
install_guard() {
	needs_to_build
	needs libbpf1 sh -c 'ldconfig -p | grep -q libbpf.so.1'
	needs nodejs node --version
	needs npm npm --version
	install_pratique uplink pratique
	pratique doctor || true
}

join_collector() {
	if [ -n "${PRATIQUE_TOKEN:-}" ]; then
		pratique enroll "https://$COLLECTOR:7444"
	else
		echo "Not enrolled: take a token from the collector, then: pratique enroll https://$COLLECTOR:7444 --token TOKEN"
	fi
}
