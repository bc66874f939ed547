"""Why the embedded database cannot run: each message is one sentence for the operator, never a trace."""


class EmbeddedDatabaseError(Exception):
    """The embedded database cannot start; nothing was damaged."""


class DataDirectoryInUseError(EmbeddedDatabaseError):
    """Another process holds the data directory; `pid` is that process, or None where it left no name."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class NoPostgresError(EmbeddedDatabaseError):
    """No usable PostgreSQL binaries on this machine."""


class WrongMajorVersionError(EmbeddedDatabaseError):
    """The cluster was written by another major version than the binaries at hand."""


class StartAbandonedError(EmbeddedDatabaseError):
    """The caller gave up before the database was ready."""
