"""Loops of the worker process. Any number of processes may run them against one database; none keeps state."""
