"""The database: one transaction handle, named statements, and the one function that writes what was decided."""
