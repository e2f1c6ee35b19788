"""The tree map: no Stan, no family."""
