"""What managers of Python packages share. It is no manager itself: each has a folder of its own beside this one."""
