"""TODO onboarding."""
