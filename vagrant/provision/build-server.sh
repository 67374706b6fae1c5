#!/bin/bash
# The build server: jobs say `pratique run --` before what installs, and a refusal fails the job.
here=$(dirname "${BASH_SOURCE[0]}")
[ -e "$here/common.sh" ] || here=/vagrant/vagrant/provision
. "$here/common.sh"
. "$here/guarded.sh"

install_guard
join_collector
