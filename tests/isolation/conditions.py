"""Finds the conditions of a statement as it is sent: what WHERE and ON join by AND, at every depth."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[A-Za-z_][A-Za-z_0-9]*|\$\d+|[()]|[^\s]")
_ENDS: Final = frozenset(
    [
        "group",
        "order",
        "limit",
        "for",
        "returning",
        "union",
        "except",
        "having",
        "window",
        "join",
        "left",
        "right",
        "full",
        "cross",
        "inner",
        "where",
        "on",
        "from",
    ]
)
"""Words that end a clause of conditions at its own depth."""
_NESTS: Final = {"(": True, "case": True, ")": False, "end": False}
_COLUMN: Final = re.compile(r"\b(?:[a-z_]+\.)?([a-z_]+)\b(?!\s*\()")
_PLACE: Final = re.compile(r"\$\d+")
_SPACE: Final = re.compile(r"\s+")
_HEAD: Final = 70


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: where it stands, its text, and what stands before its clause, which tells it from others."""

    start: int
    end: int
    text: str
    head: str

    @property
    def columns(self) -> frozenset[str]:
        """Return the names in it."""
        return frozenset(_COLUMN.findall(_without_texts(self.text)))

    @property
    def words(self) -> frozenset[str]:
        """Return the words in it, those of functions included."""
        return frozenset(re.findall(r"[a-z_]+", _without_texts(self.text).lower()))

    @property
    def compares_a_parameter(self) -> bool:
        """Return whether it compares with what the caller is or gave; without, it joins rows to rows."""
        return "$" in self.text and "select" not in self.words

    @property
    def key(self) -> tuple[str, str]:
        """Return what is the same wherever the condition is sent, however its parameters are numbered."""
        return self.head, plain(self.text)


def plain(text: str) -> str:
    """Return a text with one space between words and parameters without their numbers."""
    return _PLACE.sub("$", _SPACE.sub(" ", text)).strip()


def _without_texts(text: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "''", text)


@dataclass(slots=True)
class _Clause:
    head: str
    part: int
    between: bool = False


@lru_cache(maxsize=4096)
def conditions(sql: str) -> tuple[Condition, ...]:
    """Return the conditions of a statement in the order in which their clauses end."""
    reading = _Reading(sql)
    for match in _TOKEN.finditer(sql):
        reading.take(match[0].lower(), match.start(), match.end())
    reading.end(len(sql))
    return tuple(reading.found)


class _Reading:
    """A statement on its way from its first word to its last; per depth, the clause that is open there."""

    def __init__(self, sql: str) -> None:
        self.found: list[Condition] = []
        self._sql = sql
        self._depths: list[_Clause | None] = [None]
        self._previous = ""

    def take(self, word: str, start: int, after: int) -> None:
        """Read one word."""
        clause = self._depths[-1]
        if word in _NESTS:
            self._nest(start, deeper=_NESTS[word])
        elif word in {"where", "on"} and not _is_no_clause(word, self._sql, after):
            self.end(start)
            head = plain(self._sql[max(0, start - 400) : start])[-_HEAD:]
            self._depths[-1] = _Clause(head, after)
        elif clause is not None and word in {"and", "between"}:
            if word == "and" and not clause.between:
                self._add(clause, start)
                clause.part = after
            clause.between = word == "between"
        elif word in _ENDS and not (word == "from" and self._previous == "distinct"):
            self.end(start)
        self._previous = word

    def _nest(self, at: int, *, deeper: bool) -> None:
        if deeper:
            self._depths.append(None)
        elif len(self._depths) > 1:
            self.end(at)
            self._depths.pop()

    def end(self, at: int) -> None:
        """End the clause that is open at this depth, if there is one."""
        clause = self._depths[-1]
        if clause is not None:
            self._add(clause, at)
            self._depths[-1] = None

    def _add(self, clause: _Clause, at: int) -> None:
        text = self._sql[clause.part : at]
        start = clause.part + len(text) - len(text.lstrip())
        if text.strip():
            self.found.append(Condition(start, start + len(text.strip()), text.strip(), clause.head))


def _is_no_clause(word: str, sql: str, after: int) -> bool:
    """Return whether this is the ON of an upsert or of DISTINCT ON."""
    following = sql[after : after + 12].lstrip().lower()
    return word == "on" and (following.startswith(("conflict", "(")))


def opened(sql: str, which: Collection[Condition]) -> str:
    """Return the statement with these conditions true for every row, each parameter still there with its type."""
    for one in sorted(which, key=lambda one: one.start, reverse=True):
        sql = f"{sql[: one.start]}(({one.text}) or true){sql[one.end :]}"
    return sql
