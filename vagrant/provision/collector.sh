#!/bin/bash
# The collector: takes in what hosts saw, and serves the review pages on loopback.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh" 2>/dev/null || . /vagrant/vagrant/provision/common.sh
PRATIQUE_SKIP_PROBES=1 pratique server,hunt
link pratique-server
mkdir -p "$STATE" && chmod 0700 "$STATE"
OWNER=${OWNER:-$(id -un)}

if has_systemd; then
	OWNER=pratique-collector
	id "$OWNER" >/dev/null 2>&1 || useradd --system --home-dir "$STATE" --shell /usr/sbin/nologin "$OWNER"
	chown -R "$OWNER:" "$STATE"
	cat >/etc/systemd/system/pratique-collector.service <<UNIT
[Unit]
Description=Pratique collector
After=network.target

[Service]
ExecStart=$PREFIX/bin/pratique-server serve --data $STATE --name ${COLLECTOR:-$(hostname)} --ui ${UI:-127.0.0.1:7480}
User=$OWNER
ReadWritePaths=$STATE
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
NoNewPrivileges=yes
Restart=on-failure

[Install]
WantedBy=multi-user.target
UNIT
	systemctl daemon-reload
	systemctl enable --now pratique-collector
fi

cat <<NEXT
The collector is here. Make somebody who may decide, and a token for each host:
  sudo -u $OWNER pratique-server user add ada --role admin --password --data $STATE
  sudo -u $OWNER pratique-server token create --data $STATE
NEXT
