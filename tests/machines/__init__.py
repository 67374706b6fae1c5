"""The three machines of `vagrant/`, booted: each made by its script, then walked through as the README does."""
