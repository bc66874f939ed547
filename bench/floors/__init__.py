"""The floors: the least programs that move the same bytes and touch the same rows, and do nothing else."""
