"""Layers that today's networks are made of, beyond those of the source document."""
