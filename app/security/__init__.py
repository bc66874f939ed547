"""Keys, tokens, client secrets and cursors: pure computation on arguments. No HTTP, no database, no settings."""
