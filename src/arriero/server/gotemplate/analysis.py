"""What a template can be asked without running it, and the ways Ollama rewrites one.

Source: Ollama v0.33.0-rc2, template/template.go Identifiers, Parse and deleteNode;
thinking/template.go InferTags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .errors import TemplateError
from .nodes import (
    Action,
    Branch,
    Call,
    Command,
    Field,
    Node,
    Nodes,
    Operand,
    Pipeline,
    Text,
    Tree,
    Variable,
)

RESPONSE = "Response"
"""The field the answer goes into."""


def fields_in(tree: Tree) -> frozenset[str]:
    """Collect the names of fields and variables a template mentions, in lower case.

    Fields behind a parenthesis, as in ``(index .Messages 0).Role``, do not count, nor does what
    is inside it: Ollama does not look there either.

    Raises:
        TemplateError: a template is called without a value.
    """
    found: set[str] = set()
    for nodes in (tree.root, *tree.defined.values()):
        found.update(name.lower() for name in _names(nodes))
    return frozenset(found)


def _names(nodes: Nodes) -> Iterator[str]:
    for node in nodes.items:
        match node:
            case Action():
                yield from _names_in_pipeline(node.pipeline)
            case Branch():
                yield from _names_in_pipeline(node.pipeline)
                yield from _names(node.body)
                if node.otherwise is not None:
                    yield from _names(node.otherwise)
            case Call():
                if node.pipeline is None:
                    raise TemplateError("undefined template specified")
                yield from _names_in_pipeline(node.pipeline)
            case _:
                pass


def _names_in_pipeline(pipeline: Pipeline) -> Iterator[str]:
    for command in pipeline.commands:
        for arg in command.args:
            if isinstance(arg, Pipeline):
                yield from _names_in_pipeline(arg)
            elif isinstance(arg, (Field, Variable)):
                yield from arg.names


def with_response(tree: Tree, fields: frozenset[str]) -> Tree:
    """Add the answer at the end of a template that mentions neither it nor the messages."""
    if "messages" in fields or "response" in fields:
        return tree
    at = len(tree.text)
    field = Field(at, (RESPONSE,))
    action = Action(at, Pipeline(at, (Command(at, (field,)),)))
    return replace(tree, root=Nodes((*tree.root.items, action)))


def up_to_response(tree: Tree) -> Tree:
    """Drop what follows the first ``.Response``, where the model is to go on writing."""
    return replace(tree, root=_Cutter().nodes(tree.root))


class _Cutter:
    def __init__(self) -> None:
        self._found = False

    def nodes(self, nodes: Nodes) -> Nodes:
        kept: list[Node] = []
        for node in nodes.items:
            if self._found:
                break
            left = self._node(node)
            if left is not None:
                kept.append(left)
        return Nodes(tuple(kept))

    def _node(self, node: Node) -> Node | None:
        if isinstance(node, Action):
            pipeline = self._pipeline(node.pipeline)
            return None if pipeline is None else replace(node, pipeline=pipeline)
        if isinstance(node, Branch):
            body = self.nodes(node.body)
            otherwise = None if node.otherwise is None else self.nodes(node.otherwise)
            return replace(node, body=body, otherwise=otherwise)
        return node

    def _pipeline(self, pipeline: Pipeline) -> Pipeline | None:
        commands: list[Command] = []
        for command in pipeline.commands:
            args = [kept for arg in command.args if (kept := self._operand(arg)) is not None]
            if not args:
                # A function the answer would have gone through takes the action with it.
                return None
            commands.append(replace(command, args=tuple(args)))
        return replace(pipeline, commands=tuple(commands))

    def _operand(self, operand: Operand) -> Operand | None:
        if self._found:
            return None
        if isinstance(operand, Pipeline):
            return self._pipeline(operand)
        self._found = isinstance(operand, Field) and RESPONSE in operand.names
        return operand


def tags_around_thinking(tree: Tree) -> tuple[str, str]:
    """Guess the tags a model puts around its thoughts: the text around ``.Thinking``.

    Returns:
        The opening and the closing tag; ("", "") if the template shows none.
    """
    found = ["", ""]
    _find_tags(tree.root, in_messages=False, found=found)
    return found[0], found[1]


def _find_tags(nodes: Nodes, *, in_messages: bool, found: list[str]) -> None:
    for node in nodes.items:
        match node:
            case Action():
                _note_tags(node.pipeline, nodes, in_messages=in_messages, found=found)
            case Call() if node.pipeline is not None:
                _note_tags(node.pipeline, nodes, in_messages=in_messages, found=found)
            case Branch():
                # The nearest range decides, whatever lies around it.
                if node.word == "range":
                    in_body = _starts_field(node.pipeline, "Messages")
                else:
                    in_body = in_messages
                _note_tags(node.pipeline, nodes, in_messages=in_body, found=found)
                _find_tags(node.body, in_messages=in_body, found=found)
                if node.otherwise is not None:
                    _find_tags(node.otherwise, in_messages=in_body, found=found)
            case _:
                pass


def _note_tags(pipeline: Pipeline, nodes: Nodes, *, in_messages: bool, found: list[str]) -> None:
    if not in_messages or not _starts_field(pipeline, "Thinking"):
        return
    for at, node in enumerate((nodes.items[0], nodes.items[-1])):
        if isinstance(node, Text):
            found[at] = node.text.strip()


def _starts_field(pipeline: Pipeline, name: str) -> bool:
    """Whether a pipeline mentions a field whose path starts with a name."""
    for command in pipeline.commands:
        for arg in command.args:
            if isinstance(arg, Pipeline) and _starts_field(arg, name):
                return True
            if isinstance(arg, Field) and arg.names[0] == name:
                return True
    return False
