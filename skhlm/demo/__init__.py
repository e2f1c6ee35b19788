"""The tour: ``python -m skhlm.demo`` compares three kinds of model on real and simulated data.

Read ``countries.py`` first; it uses nothing of the package but its public names.
"""
