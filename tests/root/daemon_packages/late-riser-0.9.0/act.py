def act():
    """Nothing happens while it is built."""
