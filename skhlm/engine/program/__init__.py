"""All that knows Stan: data block, runs of the program, what it wrote."""
