"""Does a kata notice small mistakes? Its reference with one change each, which must not pass."""

import ast
import dataclasses
import random
from collections.abc import Iterable, Iterator, Sequence

from grader.catalog import REFERENCE, Kata
from grader.engines.base import Engine
from grader.errors import CatalogError, GraderError
from grader.grading import Task, grade_all, new_seed
from grader.submission import Submission, collect
from grader.verdict import Outcome, Verdict

#: So many of a kata's mutants must be noticed, and so many are tried unless told.
ENOUGH = 0.9
COUNT = 60
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
#: A command line's own declaration: how a wrong call is answered is nothing that katas promise.
_COMMAND_LINE = frozenset({"ArgumentParser", "add_argument", "add_parser", "add_subparsers"})


@dataclasses.dataclass(frozen=True)
class Mutant:
    """The reference with one expression or statement changed."""

    file: str
    line: int
    before: str
    after: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: `{self.before}` → `{self.after}`"


@dataclasses.dataclass(frozen=True)
class Tried:
    """One mutant and what became of it."""

    kata: Kata
    mutant: Mutant
    verdict: Verdict | GraderError

    @property
    def survived(self) -> bool:
        return isinstance(self.verdict, Verdict) and self.verdict.outcome is Outcome.PASSED

    @property
    def trouble(self) -> bool:
        return isinstance(self.verdict, GraderError) or self.verdict.outcome is Outcome.TROUBLE


def mutants(kata: Kata) -> list[Mutant]:
    """`COUNT` of the reference's mutants, always the same ones for the same reference."""
    files = collect(kata, kata.answer(REFERENCE)).files
    every = [mutant for name, content in sorted(files.items()) if name.endswith(".py")
             for mutant in _mutants_of(name, content)]  # fmt: skip
    if not every:
        raise CatalogError(f"{kata.name}: the reference has no Python to mutate")
    chosen = random.Random(kata.name).sample(every, min(COUNT, len(every)))
    return sorted(chosen, key=lambda mutant: (mutant.file, mutant.line, mutant.after))


def attempt(katas: Iterable[Kata], engine: Engine, jobs: int) -> Iterator[Tried]:
    """Grades every kata's mutants once; they come as they are done."""
    tasks, known = [], {}
    for kata in katas:
        right = collect(kata, kata.answer(REFERENCE)).files
        for mutant in mutants(kata):
            submission = Submission({**right, mutant.file: mutant.content})
            known[kata.name, str(mutant)] = mutant
            tasks.append(Task(kata, submission, new_seed(), str(mutant)))
    for task, verdict in grade_all(engine, tasks, jobs):
        yield Tried(task.kata, known[task.kata.name, task.label], verdict)


def killed(tried: Sequence[Tried]) -> int:
    """How many of the mutants were noticed."""
    return sum(not one.survived and not one.trouble for one in tried)


def _mutants_of(name: str, content: bytes) -> Iterator[Mutant]:
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, after in _changes(ast.parse(content)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        mutated = content[:begin] + after.encode() + content[end:]
        try:
            ast.parse(mutated)
        except SyntaxError:
            continue
        before = " ".join(content[begin:end].decode().split())
        yield Mutant(name, node.lineno, before, " ".join(after.split()), mutated)


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Every node that has a mutation, and the text that takes its place."""
    for node in _nodes(tree):
        for changed in _variants(node):
            text = ast.unparse(ast.fix_missing_locations(changed))
            binds = isinstance(changed, ast.stmt | ast.Constant | ast.Call)
            yield node, text if binds else f"({text})"


def _nodes(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Expressions and statements that do something: no annotations, decorators, texts."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.JoinedStr) or not isinstance(child, ast.AST):
                continue
            if any(_declares(part) for part in (child, getattr(child, "value", None))):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _nodes(child)


def _declares(node: object) -> bool:
    """Whether it is a call that declares a part of a command line."""
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", "")) in _COMMAND_LINE


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _variants(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    match node:
        case ast.Compare(left, ops, comparators):
            for place, op in enumerate(ops):
                swapped: list[ast.cmpop] = [*ops]
                swapped[place] = _SWAPS[type(op)]()  # type: ignore[call-overload]
                yield ast.Compare(left, swapped, comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(_SWAPS[type(op)](), values)  # type: ignore[arg-type]
        case ast.BinOp(left, op, right) if type(op) in _SWAPS:
            yield ast.BinOp(left, _SWAPS[type(op)](), right)  # type: ignore[arg-type]
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Call(func, args, keywords):
            for left_out in keywords:
                if left_out.arg:
                    rest = [keyword for keyword in keywords if keyword is not left_out]
                    yield ast.Call(func, args, rest)
        case ast.Expr(ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign():
            yield ast.Pass()
        case ast.Return(ast.expr() as value) if not _is_none(value):
            yield ast.Return(None)
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
