"""The mutants of the core packages, and the sample that is drawn from them.

A mutant's identity is its function, operator and source line, not a line number.  The sample
is ranked by a hash of the identity, so a change elsewhere keeps the sample as it is.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from parso.python.tree import Keyword
from parso.tree import NodeOrLeaf

SUBJECTS: Final = (
    "twisted_msg/wire",
    "twisted_msg/rooms",
    "twisted_msg/log",
    "twisted_msg/session",
    "twisted_msg/delivery.py",
    "twisted_msg/rows.py",
    "twisted_msg/web/inside.py",
    "twisted_msg/web/api/exchange.py",
    "twisted_msg/web/api/following.py",
    "twisted_msg/web/api/reading.py",
)
"""What is mutated: folders and modules."""

REPLACED: Final = (
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_FloorDiv",
    "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Mul",
    "ReplaceBinaryOperator_Mod_FloorDiv",
    "ReplaceBinaryOperator_LShift_RShift",
    "ReplaceBinaryOperator_RShift_LShift",
    "ReplaceBinaryOperator_BitAnd_BitOr",
    "ReplaceBinaryOperator_BitOr_BitAnd",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Invert",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "AddNot",
    "ExceptionReplacer",
    "NumberReplacer",
    "RemoveDecorator",
    "ZeroIterationForLoop",
)
"""cosmic-ray's operators in use.  For a binary operator or a comparison it has one mutant for
each other operator; most of those fail at once or mean the same, so the one that is nearest
stays.  Its operators for variables need a name for each place and are left out."""

DECLARING: Final = ("abstractmethod", "implementer", "overload", "override", "final")
"""Decorators that tools read and that change nothing of what is run."""


class RemoveStatement(Operator):
    """Replaces a statement that acts by `pass`: a call, a change of what is kept, an early end.

    cosmic-ray has no such operator, and a forgotten call is the commonest fault of a server.
    An assignment to a local name is left alone: its next use would fail at once.
    """

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[tuple[int, int], ...]]:
        """Return where `mutate` changes something."""
        if node.type == "simple_stmt" and in_function(node) and acts(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        """Replace the statement."""
        first = node.children[0].get_first_leaf()
        node.children[0] = Keyword("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """Return no examples: only cosmic-ray's own tests use them."""
        return ()


def acts(statement: NodeOrLeaf) -> bool:
    """Return whether a statement does something that a test could miss."""
    if statement.type == "expr_stmt":
        target, sign = statement.children[:2]
        return target.type != "name" or sign.get_code().strip() not in ("=", ":")
    return statement.type in ("atom_expr", "await", "del_stmt", "raise_stmt") or (
        statement.type == "keyword" and statement.value == "return"
    )


OPERATORS: Final[dict[str, Operator]] = {
    **{name: cosmic_ray.plugins.get_operator(f"core/{name}")() for name in REPLACED},
    "RemoveStatement": RemoveStatement(),
}


class Mutant(NamedTuple):
    """One fault at one place."""

    module: str
    where: str
    """The class and function."""
    operator: str
    text: str
    """The source lines of the place, in one line."""
    nth: int
    """Which of those that are alike in all of the above."""
    occurrence: int
    """Which of the operator's mutants in this module, as cosmic-ray counts."""
    lines: tuple[int, int]
    """The first and the last line that a test runs if it runs the mutant."""
    imported: bool
    """Whether the place runs as the module is imported, before any test."""

    @property
    def identity(self) -> str:
        """What stays the same when other code changes."""
        return "\t".join((self.module, self.where, self.operator, self.text, str(self.nth)))

    @property
    def package(self) -> str:
        """The row of the report."""
        parts = Path(self.module).parts[1:]
        return "web" if parts[0] in ("web", "rows.py") else parts[0].removesuffix(".py")

    def source(self) -> str:
        """Return the module's source with the fault in it; as it is if there is no operator."""
        if not self.operator:
            return code(self.module)
        mutated = mutate_code(code(self.module), OPERATORS[self.operator], self.occurrence)
        assert mutated is not None, self
        return str(mutated)

    def change(self) -> tuple[str, str]:
        """Return the lines that the mutant changes, and their new text, each as one line."""
        sides: dict[str, list[str]] = {"- ": [], "+ ": []}
        for line in difflib.ndiff(code(self.module).splitlines(), self.source().splitlines()):
            if line[:2] in sides:
                sides[line[:2]].append(line[2:])
        return in_one_line(" ".join(sides["- "])), in_one_line(" ".join(sides["+ "]))

    def diff(self) -> str:
        """Return the change as people read it."""
        return "\n".join(
            difflib.unified_diff(
                code(self.module).splitlines(),
                self.source().splitlines(),
                self.module,
                f"{self.where}: {self.operator}",
                n=2,
                lineterm="",
            )
        )


@cache
def code(module: str) -> str:
    """Return a module's source."""
    return Path(module).read_text("utf-8")


def in_one_line(text: str) -> str:
    """Return a text with every white space as one blank."""
    return " ".join(text.split())


def modules() -> list[str]:
    """Return the paths of all modules to mutate, from the folder of the checkout."""
    found: list[Path] = []
    for subject in map(Path, SUBJECTS):
        found += sorted(subject.rglob("*.py")) if subject.is_dir() else [subject]
    return [str(path) for path in found]


def mutants(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module."""
    source = code(module).splitlines()
    nodes = list(ast_nodes(get_ast(code(module))))
    alike: Counter[tuple[str, ...]] = Counter()
    for name, operator in OPERATORS.items():
        places = ((node, place) for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (node, (start, end)) in enumerate(places):
            text = in_one_line(" ".join(source[start[0] - 1 : end[0]]))
            if in_annotation(node) or "TYPE_CHECKING" in text:
                continue
            if name == "RemoveDecorator" and any(word in text for word in DECLARING):
                continue
            kind = (definition(node), name, text)
            yield Mutant(
                module,
                *kind,
                alike[kind],
                occurrence,
                (header(node, start), end[0]),
                not in_function(node),
            )
            alike[kind] += 1


def sample(seed: int, size: int, candidates: Iterable[Mutant]) -> list[Mutant]:
    """Return `size` mutants that the seed decides; a larger sample holds every smaller one."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}\t{mutant.identity}".encode()).digest()

    return sorted(candidates, key=rank)[:size]


# -- where a node stands ---------------------------------------------------------


def above(node: NodeOrLeaf) -> Iterator[tuple[NodeOrLeaf, NodeOrLeaf]]:
    """Yield each parent with the child that leads to the node."""
    while node.parent is not None:
        yield node.parent, node
        node = node.parent


def in_annotation(node: NodeOrLeaf) -> bool:
    """Return whether a node is part of an annotation, which is never evaluated."""
    return any(
        (parent.type == "tfpdef" and child is parent.children[2])
        or (parent.type == "annassign" and child is parent.children[1])
        or (parent.type == "funcdef" and child is parent.annotation)
        for parent, child in above(node)
    )


def in_function(node: NodeOrLeaf) -> bool:
    """Return whether a node runs when a function is called, and not at the import."""
    return any(
        parent.type in ("funcdef", "lambdef") and child is parent.children[-1]
        for parent, child in above(node)
    )


def definition(node: NodeOrLeaf) -> str:
    """Return the names of the classes and functions around a node."""
    around = [node, *(parent for parent, _ in above(node))]
    names = [each.name.value for each in around if each.type in ("classdef", "funcdef")]
    return ".".join(reversed(names))


def header(node: NodeOrLeaf, start: tuple[int, int]) -> int:
    """Return the first line of a node's statement, of a compound one that of its last keyword."""
    for each in (node, *(parent for parent, _ in above(node))):
        if each.type in ("simple_stmt", "except_clause"):
            return int(each.start_pos[0])
        if each.type.endswith("_stmt") and each.type not in ("expr_stmt", "return_stmt"):
            keywords = [
                child.start_pos[0]
                for child in each.children
                if child.type == "keyword" and child.start_pos <= start
            ]
            if keywords:
                return int(max(keywords))
    return start[0]
