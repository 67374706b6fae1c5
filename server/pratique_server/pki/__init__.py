"""Certificates: who issues them is behind one small interface, so that an organisation's own authority can."""
