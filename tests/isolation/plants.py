"""Mutations of one thing at a time: a policy that lets everybody pass, a condition taken out, a check of rights gone.

Each kind is found where it stands: policies in the catalogue of the database, conditions in the statements that
requests send, declarations on the mounted routes, checks in the source of the application.
"""

import ast
import importlib
import inspect
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from fastapi.routing import APIRoute

from app.db.session import Login
from app.domain.actor import Actor
from app.routers import clients, organizations
from app.routers.edge import query
from tests.isolation.conditions import Condition, conditions, opened
from tests.isolation.passes import rewritten
from tests.isolation.routes import Key, routes_of
from tests.world import World


@dataclass(frozen=True, slots=True)
class Policy:
    """One clause of one policy, or all policies of a table where `name` is empty."""

    table: str
    name: str
    clause: str
    before: str
    login: Login | None

    def __str__(self) -> str:
        return f"policy {self.table}.{self.name} {self.clause}" if self.name else f"policies of {self.table}"


_POLICIES: Final = """
select c.relname::text as table, p.polname::text as name, pg_get_expr(p.polqual, p.polrelid) as using,
  pg_get_expr(p.polwithcheck, p.polrelid) as check, p.polroles[1]::regrole::text as role
from pg_policy p join pg_class c on c.oid = p.polrelid
where c.relnamespace = 'baton'::regnamespace and not c.relispartition order by 1, 2
"""


async def policies(world: World) -> list[Policy]:
    """Return every clause of every policy that says more than `true`, and every table's row security as a whole."""
    found: list[Policy] = []
    rows = await world.admin.fetch(_POLICIES)
    for row in rows:
        login = None if row["name"].startswith("sandbox") else Login(row["role"].removeprefix("baton_"))
        for clause, before in (("using", row["using"]), ("with check", row["check"])):
            if before not in {None, "true"}:
                found.append(Policy(row["table"], row["name"], clause, before, login))
    return found + [Policy(table, "", "", "", None) for table in sorted({row["table"] for row in rows})]


@asynccontextmanager
async def policy_planted(world: World, planted: Policy) -> AsyncGenerator[None]:
    """Let a clause hold for every row."""
    table = f"baton.{planted.table}"
    there, back = f"alter table {table} disable row level security", f"alter table {table} enable row level security"
    if planted.name:
        change = f"alter policy {planted.name} on {table} {planted.clause}"
        there, back = f"{change} (true)", f"{change} ({planted.before})"
    await world.admin.execute(there)
    try:
        yield
    finally:
        await world.admin.execute(back)


@dataclass(slots=True)
class Where:
    """One condition, wherever it is sent; by the reads and attacks of `routes`, and by the deeds."""

    key: tuple[str, str]
    statement: str
    routes: set[Key] = field(default_factory=set)
    by_deeds: bool = False

    def __str__(self) -> str:
        return f"where {self.key[1]}   after: …{self.key[0][-60:]}"


_WHOSE: Final = ("sides", "visibility", "proposed_by")
_NAMES: Final = {"external_id"}


def says_whose(one: Condition) -> bool:
    """Return whether a condition compares whose a row is, or what it hangs on, with a parameter.

    One on `id` alone says which object is asked for: what says whose it must be stands beside it.
    """
    if one.text.startswith("(l.created_at, l.id)"):
        return False  # goes on after the last row of a page
    return one.compares_a_parameter and any(
        name in _WHOSE or (name.endswith("_id") and name not in _NAMES) for name in one.columns
    )


@dataclass
class Sent:
    """The statements that requests send, by the route that is asked while they are sent."""

    wheres: dict[tuple[str, str], Where] = field(default_factory=dict)
    route: Key | None = None

    def take(self, sql: str) -> str:
        """Note a statement on its way."""
        for one in conditions(sql):
            if says_whose(one):
                where = self.wheres.setdefault(one.key, Where(one.key, sql))
                if self.route is not None:
                    where.routes.add(self.route)
                else:
                    where.by_deeds = True
        return sql


@contextmanager
def where_planted(planted: Where) -> Generator[None]:
    """Take one condition out of every statement in which it stands."""

    @lru_cache(maxsize=4096)
    def without(sql: str) -> str:
        return opened(sql, [one for one in conditions(sql) if one.key == planted.key])

    with rewritten(without):
        yield


@dataclass(frozen=True, slots=True)
class Scopes:
    """The declaration of one route."""

    key: Key
    route: APIRoute

    def __str__(self) -> str:
        return f"scopes of {' '.join(self.key)}"

    @contextmanager
    def planted(self) -> Generator[None]:
        """Let every token open the route."""
        declared = self.route.declaration
        kept = declared.scopes
        object.__setattr__(declared, "scopes", frozenset())
        try:
            yield
        finally:
            object.__setattr__(declared, "scopes", kept)


@dataclass(frozen=True, slots=True)
class Administrator:
    """The dependency of one route that refuses whoever does not administer the tenant, wherever in its tree it hangs."""

    key: Key
    dependants: tuple[Any, ...]

    def __str__(self) -> str:
        return f"administrator of {' '.join(self.key)}"

    @contextmanager
    def planted(self) -> Generator[None]:
        """Let every caller pass on this route."""

        async def anybody(by: Actor) -> Actor:
            return by

        kept = [one.call for one in self.dependants]
        for one in self.dependants:
            one.call = anybody
        try:
            yield
        finally:
            for one, call in zip(self.dependants, kept, strict=True):
                one.call = call


@dataclass(frozen=True, slots=True)
class Check:
    """One check of side or role in the source: an IF that raises NotPermittedError, or a call of what raises it."""

    module: ModuleType
    function: str
    line: int
    text: str

    key = None

    def __str__(self) -> str:
        return f"check {self.module.__name__}:{self.line} {self.text}"

    @contextmanager
    def planted(self) -> Generator[None]:
        """Leave the check out of its function."""
        target: Any = self.module
        for name in self.function.split("."):
            target = getattr(target, name)
        function: FunctionType = inspect.unwrap(target)
        kept = function.__code__
        function.__code__ = _compiled(self.module, self.line, self.function.split(".")[-1], kept.co_firstlineno)
        try:
            yield
        finally:
            function.__code__ = kept


_REFUSING: Final = {
    "refuse_unless_administrator",
    "refuse_unless_own_administrator",
    "_needs_manager",
    "_needs",
    "_needs_admin",
}


def scopes(world: World) -> list[Scopes]:
    """Return every route that a scope opens."""
    found = routes_of(world.app).items()
    return [Scopes(key, route) for key, route in found if route is not None and route.declaration.scopes]


def administrators(world: World) -> list[Administrator]:
    """Return every route that depends on `administrator`."""
    found: list[Administrator] = []
    for key, route in routes_of(world.app).items():
        tree = query.flat(route.dependant) if route is not None else ()
        if held := tuple(one for one in tree if one.call in {organizations.administrator, clients.administrator}):
            found.append(Administrator(key, held))
    return found


def checks() -> list[Check]:
    """Return every check in the application's source."""
    found: list[Check] = []
    for path in sorted(Path("app").rglob("*.py")):
        text = path.read_text("utf-8")
        if "NotPermittedError(" in text or any(f"{name}(" in text for name in _REFUSING):
            module = importlib.import_module(".".join(path.with_suffix("").parts))
            found += [Check(module, *one) for one in _sites(ast.parse(text), "")]
    return found


def _sites(node: ast.AST, within: str) -> Iterator[tuple[str, int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _sites(child, f"{within}.{child.name}".lstrip("."))
        elif within and _is_check(child):
            shown = child.test if isinstance(child, ast.If) else child
            yield within, child.lineno, ast.unparse(shown)
        else:
            yield from _sites(child, within)


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and _raises_it(node.body[0])
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _name(node.value.func) in _REFUSING


def _raises_it(node: ast.Raise) -> bool:
    return isinstance(node.exc, ast.Call) and _name(node.exc.func) == "NotPermittedError"


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


class _Without(ast.NodeTransformer):
    def __init__(self, line: int) -> None:
        self._line = line

    def visit_If(self, node: ast.If) -> ast.AST:
        if node.lineno == self._line:
            node.test = ast.copy_location(ast.BoolOp(ast.And(), [ast.Constant(value=False), node.test]), node.test)
            return ast.fix_missing_locations(node)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.copy_location(ast.Pass(), node) if node.lineno == self._line else self.generic_visit(node)


def _compiled(module: ModuleType, line: int, function: str, first: int) -> CodeType:
    path = Path(module.__file__ or "")
    tree = _Without(line).visit(ast.parse(path.read_text("utf-8")))
    return next(
        code
        for code in _codes(compile(tree, str(path), "exec"))
        if code.co_name == function and code.co_firstlineno == first
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from _codes(part)


Mutation = Policy | Where | Scopes | Administrator | Check
Kinds = Mapping[str, list[Mutation]]
