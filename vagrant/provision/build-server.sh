#!/bin/bash
# The build server: every install of a job is guarded, and a refusal fails the job.
. "$(dirname "${BASH_SOURCE[0]}")/guarded.sh" 2>/dev/null || . /vagrant/vagrant/provision/guarded.sh
