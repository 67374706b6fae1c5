"""What host agent and collector share: the messages of the wire, and how they are packed and bounded."""
