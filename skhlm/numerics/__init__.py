"""Algorithms on arrays that know nothing of the model."""
