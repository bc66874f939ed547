"""The processes of one machine: embedded PostgreSQL and the parent that keeps the others running.

Standard library only: nothing here knows leads, HTTP or SQL.
"""
