"""A file for each program: how it fits, where its group effects are, what it says of its fit."""
