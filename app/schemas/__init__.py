"""Wire contracts: what callers send and get. Request models refuse unknown fields; nothing here knows a table."""
