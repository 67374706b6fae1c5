#!/bin/bash
# The collector: takes in what hosts saw, and serves the review pages on loopback.
here=$(dirname "${BASH_SOURCE[0]}")
[ -e "$here/common.sh" ] || here=/vagrant/vagrant/provision
. "$here/common.sh"

OWNER=pratique-collector
PRATIQUE_SKIP_PROBES=1 install_pratique server,hunt pratique-server
id "$OWNER" >/dev/null 2>&1 || useradd --system --home-dir "$STATE" --shell /usr/sbin/nologin "$OWNER"
install --directory --mode 0700 --owner "$OWNER" --group "$OWNER" "$STATE"
service pratique-collector <<UNIT
[Unit]
Description=Pratique collector
After=network.target

[Service]
ExecStart=$PREFIX/bin/pratique-server serve --data $STATE --name $COLLECTOR --ui ${UI:-127.0.0.1:7480}
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

cat <<NEXT
The collector is here. Make somebody who may decide, and a token for each host:
  sudo -u $OWNER pratique-server user add ada --role admin --password --data $STATE
  sudo -u $OWNER pratique-server token create --data $STATE
NEXT
