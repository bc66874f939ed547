"""The benchmark: each workload on Baton and on its floor, in turn, on the same PostgreSQL."""
