"""The `lsm` backend: root, every act answered inside the kernel on the resolved object."""
