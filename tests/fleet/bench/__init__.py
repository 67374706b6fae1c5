"""What one collector carries: acknowledged events per second, bytes on disk, answers from a large store."""
