"""The `hooks` backend: root, tracepoints, cgroup programs and fanotify; for kernels that refuse LSM programs."""
