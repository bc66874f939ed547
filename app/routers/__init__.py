"""HTTP in and out: one file per resource, the edge that every route passes, and the one table of statuses.

Never holds a rule: a router calls one service and shapes its answer.
"""
