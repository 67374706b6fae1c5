"""Pratique: refuses what package code must not do, before it does it."""

__version__ = "0.1.0"
