"""The posterior as tidy frames."""
