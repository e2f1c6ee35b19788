"""The quick fit that the tree map is calibrated at."""
