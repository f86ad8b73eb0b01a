"""TODO forecasting."""
