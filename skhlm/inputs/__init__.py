"""X, y and weights as the user gives them, and what their columns and levels are."""
