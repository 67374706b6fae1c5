#!/bin/bash
# A developer's machine: installs and first runs are guarded.
. "$(dirname "${BASH_SOURCE[0]}")/guarded.sh" 2>/dev/null || . /vagrant/vagrant/provision/guarded.sh
