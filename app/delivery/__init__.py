"""Everything that leaves Baton over HTTP: where it may go, and the one client that sends it."""
