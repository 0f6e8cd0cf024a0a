"""Parse a template.

Source: Go 1.26, text/template/parse/parse.go, for the grammar and the error texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from .errors import TemplateError
from .gotext import quote, unquote
from .lexer import Kind, Token, tokens_of
from .nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Leave,
    Nil,
    Node,
    Nodes,
    Operand,
    Pipeline,
    Tree,
    Variable,
)
from .nodes import Text as TextNode
from .numerals import read_character, read_number

MAX_NESTING = 60
"""How deep actions and parentheses may lie in each other. Go allows any depth until its stack
ends; real templates stay below ten."""

_STARTS = frozenset(
    (
        Kind.BOOL,
        Kind.CHARACTER,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.RAW_STRING,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    )
)
"""Kinds an operand may begin with, besides the word `nil`."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class _Ending:
    """An ``{{end}}`` or ``{{else}}`` met while reading nodes."""

    def __init__(self, word: Literal["end", "else"]) -> None:
        self.word = word

    def __str__(self) -> str:
        return f"{{{{{self.word}}}}}"


def parse_tree(text: str, functions: Collection[str]) -> Tree:
    """Parse a template.

    Args:
        text: The template.
        functions: Names of the functions it may call.

    Raises:
        TemplateError: it does not parse.
    """
    # Go reads bytes that are not UTF-8 as U+FFFD; half a character is the like.
    return _Parser(_SURROGATE.sub("\ufffd", text), functions).parse()


class _Parser:
    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._text = text
        self._functions = functions
        self._source = tokens_of(text)
        self._tokens: list[Token] = []
        self._at = 0
        self._variables = ["$"]
        self._depth = 0
        self._range_depth = 0
        self._action_line = 0
        self._defined: dict[str, Nodes] = {}

    def parse(self) -> Tree:
        nodes: list[Node] = []
        while self._peek().kind is not Kind.EOF:
            if self._peek().kind is Kind.LEFT:
                start = self._at
                self._next()
                if _is_word(self._next_solid(), "define"):
                    self._definition()
                    continue
                self._at = start
            node = self._node()
            if isinstance(node, _Ending):
                raise self._error(f"unexpected {node}")
            nodes.append(node)
        root = Nodes(tuple(nodes))
        self._add("", root)
        return Tree(self._text, self._defined.pop(""), self._defined)

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _peek(self) -> Token:
        if self._at == len(self._tokens):
            self._tokens.append(next(self._source))
        return self._tokens[self._at]

    def _next_solid(self) -> Token:
        while (token := self._next()).kind is Kind.SPACE:
            pass
        return token

    def _peek_solid(self) -> Token:
        while self._peek().kind is Kind.SPACE:
            self._at += 1
        return self._peek()

    def _error(self, text: str) -> TemplateError:
        line = self._tokens[-1].line if self._tokens else 1
        return TemplateError(f"template: :{line}: {text}")

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind is not Kind.ERROR:
            return self._error(f"unexpected {token} in {context}")
        started = ""
        if self._action_line not in (0, token.line):
            started = f" in action started at :{self._action_line}"
            if token.text.endswith(" action"):
                started = started.removeprefix(" in action")
        return self._error(f"{token}{started}")

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_solid()
        if token.kind is not kind:
            raise self._unexpected(token, context)
        return token

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error(f"actions are nested more than {MAX_NESTING} deep")

    def _add(self, name: str, nodes: Nodes) -> None:
        known = self._defined.get(name)
        if known is None or known.is_blank:
            self._defined[name] = nodes
        elif not nodes.is_blank:
            raise self._error(f"template: multiple definition of template {quote(name)}")

    def _definition(self) -> None:
        context = "define clause"
        token = self._next_solid()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            raise self._unexpected(token, context)
        name = self._string(token)
        self._expect(Kind.RIGHT, context)
        self._separate(name, context)

    def _separate(self, name: str, context: str) -> None:
        """Read the body of another template, which sees no variables of this one."""
        outside = self._variables, self._range_depth
        self._variables, self._range_depth = ["$"], 0
        nodes, ending = self._nodes()
        self._variables, self._range_depth = outside
        if ending.word != "end":
            raise self._error(f"unexpected {ending} in {context}")
        self._add(name, nodes)

    def _nodes(self) -> tuple[Nodes, _Ending]:
        self._deeper()
        nodes: list[Node] = []
        while self._peek_solid().kind is not Kind.EOF:
            node = self._node()
            if isinstance(node, _Ending):
                self._depth -= 1
                return Nodes(tuple(nodes)), node
            nodes.append(node)
        raise self._error("unexpected EOF")

    def _node(self) -> Node | _Ending:
        token = self._next_solid()
        if token.kind is Kind.TEXT:
            return TextNode(token.at, token.text)
        if token.kind is not Kind.LEFT:
            raise self._unexpected(token, "input")
        self._action_line = token.line
        node = self._action()
        self._action_line = 0
        return node

    def _action(self) -> Node | _Ending:
        token = self._peek_solid()
        if token.kind is Kind.KEYWORD and token.text not in ("nil", "define"):
            self._next()
            return self._control(token)
        return Action(token.at, self._pipeline("command", Kind.RIGHT))

    def _control(self, token: Token) -> Node | _Ending:
        match token.text:
            case "if" | "with" | "range" as word:
                return self._branch(word)
            case "else":
                follows = self._peek_solid()
                # What follows "else if" is read as an "if" of its own.
                if not (_is_word(follows, "if") or _is_word(follows, "with")):
                    self._expect(Kind.RIGHT, "else")
                return _Ending("else")
            case "end":
                self._expect(Kind.RIGHT, "end")
                return _Ending("end")
            case "break" | "continue" as word:
                context = f"{{{{{word}}}}}"
                self._expect(Kind.RIGHT, context)
                if not self._range_depth:
                    raise self._error(f"{context} outside {{{{range}}}}")
                return Leave(token.at, word)
            case "block":
                return self._block()
            case _:
                return self._call()

    def _branch(self, word: Literal["if", "with", "range"]) -> Branch:
        known = len(self._variables)
        pipeline = self._pipeline(word, Kind.RIGHT)
        self._range_depth += word == "range"
        body, ending = self._nodes()
        self._range_depth -= word == "range"
        otherwise: Nodes | None = None
        if ending.word == "else":
            follows = self._peek()
            if word != "range" and _is_word(follows, word):
                self._next()
                self._deeper()
                otherwise = Nodes((self._branch(word),))
                self._depth -= 1
            else:
                otherwise, ending = self._nodes()
                if ending.word != "end":
                    raise self._error(f"expected end; found {ending}")
        del self._variables[known:]
        return Branch(pipeline.at, word, pipeline, body, otherwise)

    def _block(self) -> Call:
        context = "block clause"
        token = self._next_solid()
        name = self._template_name(token, context)
        pipeline = self._pipeline(context, Kind.RIGHT)
        self._separate(name, context)
        return Call(token.at, name, pipeline)

    def _call(self) -> Call:
        context = "template clause"
        token = self._next_solid()
        name = self._template_name(token, context)
        pipeline: Pipeline | None = None
        if self._peek_solid().kind is Kind.RIGHT:
            self._next()
        else:
            pipeline = self._pipeline(context, Kind.RIGHT)
        return Call(token.at, name, pipeline)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            raise self._unexpected(token, context)
        return self._string(token)

    def _string(self, token: Token) -> str:
        text = unquote(token.text)
        if text is None:
            raise self._error("invalid syntax")
        return text

    def _pipeline(self, context: str, end: Kind) -> Pipeline:
        start = self._peek_solid().at
        variables, assigns = self._declared(context)
        commands: list[Command] = []
        while (token := self._peek_solid()).kind is not end:
            if token.kind not in _STARTS and not _is_word(token, "nil"):
                self._next()
                raise self._unexpected(token, context)
            commands.append(self._command())
        self._next()
        if not commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.args[0], (Constant, Dot, Nil)):
                raise self._error(f"non executable command in pipeline stage {stage}")
        return Pipeline(start, tuple(commands), variables, assigns)

    def _declared(self, context: str) -> tuple[tuple[str, ...], bool]:
        """Read the variables a pipeline sets, if it does."""
        names: list[str] = []
        while (variable := self._peek_solid()).kind is Kind.VARIABLE:
            start = self._at
            self._next()
            follows = self._peek_solid()
            if follows.kind in (Kind.ASSIGN, Kind.DECLARE):
                self._next()
                names.append(variable.text)
                self._variables.append(variable.text)
                return tuple(names), follows.kind is Kind.ASSIGN
            if follows.kind is not Kind.CHAR or follows.text != ",":
                self._at = start
                break
            self._next()
            names.append(variable.text)
            self._variables.append(variable.text)
            if context != "range" or len(names) > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek_solid().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
                raise self._error("range can only initialize variables")
        return tuple(names), False

    def _command(self) -> Command:
        args: list[Operand] = []
        start = self._peek_solid().at
        while True:
            self._peek_solid()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._peek()
            if token.kind in (Kind.RIGHT, Kind.RIGHT_PAREN):
                break
            self._next()
            if token.kind is Kind.PIPE:
                break
            if token.kind is not Kind.SPACE:
                raise self._unexpected(token, "operand")
        if not args:
            raise self._error("empty command")
        return Command(start, tuple(args))

    def _operand(self) -> Operand | None:
        term = self._term()
        if term is None or self._peek().kind is not Kind.FIELD:
            return term
        start = self._peek().at
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(term, Field):
            return Field(start, (*term.names, *names))
        if isinstance(term, Variable):
            return Variable(start, (*term.names, *names))
        if isinstance(term, (Constant, Dot, Nil)):
            raise self._error(f"unexpected . after term {quote(str(term))}")
        return Chain(start, term, tuple(names))

    def _term(self) -> Operand | None:
        token = self._peek_solid()
        if token.kind not in _STARTS and not _is_word(token, "nil"):
            return None
        self._next()
        at, text = token.at, token.text
        match token.kind:
            case Kind.IDENTIFIER:
                if text not in self._functions:
                    raise self._error(f"function {quote(text)} not defined")
                return Function(at, text)
            case Kind.DOT:
                return Dot(at)
            case Kind.FIELD:
                return Field(at, (text[1:],))
            case Kind.VARIABLE:
                if text not in self._variables:
                    raise self._error(f"undefined variable {quote(text)}")
                return Variable(at, (text,))
            case Kind.BOOL:
                return Constant(at, text == "true", text)
            case Kind.NUMBER | Kind.CHARACTER:
                read = read_number if token.kind is Kind.NUMBER else read_character
                number = read(text)
                if isinstance(number, str):
                    raise self._error(number)
                return Constant(at, number, text)
            case Kind.LEFT_PAREN:
                self._deeper()
                pipeline = self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
                self._depth -= 1
                return pipeline
            case Kind.STRING | Kind.RAW_STRING:
                return Constant(at, self._string(token), text)
            case _:
                return Nil(at)


def _is_word(token: Token, word: str) -> bool:
    return token.kind is Kind.KEYWORD and token.text == word
