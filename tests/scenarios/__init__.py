"""Benign replicas of documented attacks, one folder each: source of the packages and `scenario.yaml`."""
