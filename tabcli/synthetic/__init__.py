"""TODO synthetic."""
