"""Use cases by noun: load, decide, apply. They never commit, never build a response, and do not call each other."""
