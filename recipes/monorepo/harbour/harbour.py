"""A project of the monorepo."""
