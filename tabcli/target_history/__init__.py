"""TODO target_history."""
