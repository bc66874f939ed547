"""SQLModel classes declare the tables of the schema `baton`, one file an aggregate; no rules and no wire shapes."""
