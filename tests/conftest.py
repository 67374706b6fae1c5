"""What holds for every test."""

from hypothesis import settings

# A test never fails for being slow: how fast something is, benchmarks say.
settings.register_profile("pratique", deadline=None)
settings.load_profile("pratique")
