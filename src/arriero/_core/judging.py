"""A call meets the content policy: before its turn, and with what came back.

What a user's function sees is a copy. What is refused stands in no error: neither its text,
nor that of an exception the function raised, which may quote it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from arriero._core.calls import RUNS_MODEL, Call
from arriero._core.completion import Tally
from arriero._core.effects import Consult, Operation
from arriero._core.events import ContentJudged
from arriero._core.failures import described
from arriero._core.http import FileBody
from arriero._core.operations import attach_parsed
from arriero._core.requesting import encoded, images_loaded
from arriero.content import Content, ContentAnswer, ContentRequest, Refuse
from arriero.errors import ContentRefused, RequestError
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.raw import RawResponse
from arriero.types.record import Record

if TYPE_CHECKING:
    from arriero._core.progress import Progress, Target

_OTHERS = frozenset({"/api/create", "/api/web_search", "/api/web_fetch", "/v1/systemone"})
"""Paths of calls that carry a user's texts, besides those that run a model."""

Stage = Literal["before", "after"]


def is_judged(call: Call[Any]) -> bool:
    """Tell whether a call carries texts. What only names models does not, nor does a file."""
    if isinstance(call.content, FileBody):
        return False
    path = call.path.partition("?")[0].rstrip("/")
    return path in RUNS_MODEL or path in _OTHERS or bool(call.content)


def judged_request(call: Call[Any], target: Target, progress: Progress) -> Operation[Call[Any]]:
    """Have a request judged, and give the call that may be made.

    Raises:
        ContentRefused: it may not.
    """
    content = target.content
    if content is None or content.before is None or not is_judged(call):
        return call
    progress.is_withheld = True
    judge = _Judge(content, call, target, progress, "before")
    call = yield from _passed(judge, content.before, call, progress)
    progress.is_withheld = False
    return call


def _passed(
    judge: _Judge, before: Callable[..., Any], call: Call[Any], progress: Progress
) -> Operation[Call[Any]]:
    call = yield from images_loaded(call)
    sent = cast("bytes", encoded(call) or b"")
    try:
        body = msgspec.json.decode(sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        judge.failed("the body is no JSON object, so it cannot be judged")
        return call
    body = cast("dict[str, Any]", body)
    kept = [body.get(name) for name in ("model", "stream")]
    asked = ContentRequest(call.name, call.model or str(kept[0] or ""), body, progress.policy)
    given: ContentRequest | None = yield from judge.verdict(before, asked)
    if given is None or given.body == msgspec.json.decode(sent):
        progress.content, progress.is_prepared = sent, True  # these very bytes were judged
        return call
    if [given.body.get(name) for name in ("model", "stream")] != kept:
        judge.failed("the function changed model or stream")
        return call
    judge.tell("redacted", body=given.body)
    if call.body is None:
        return msgspec.structs.replace(call, content=msgspec.json.encode(given.body))
    return msgspec.structs.replace(call, body=given.body)


def judged_answer(call: Call[Any], target: Target, progress: Progress, made: Any) -> Operation[Any]:
    """Have a whole answer judged, and give what the caller may have.

    Raises:
        ContentRefused: nothing.
    """
    content = target.content
    if content is None or content.after is None or not is_judged(call) or _has_no_text(made):
        return made
    judge = _Judge(content, call, target, progress, "after")
    text, thinking = _text_of(made)
    given = yield from judge.answer(made, text, thinking, is_last=True)
    if given is None:
        return made
    if isinstance(given, Record):
        given = given.model_copy()
        facts = cast("dict[str, Any]", given.__dict__)
        facts["_http"] = made.http
        facts.pop("_parsed", None)
        if "_parsed" in made.__dict__ and call.parse is not None:
            attach_parsed(call.parse, given)
    return given


class StreamJudge:
    """Judges the records of one stream, one by one, or all when they are there."""

    def __init__(self, call: Call[Any], target: Target, progress: Progress) -> None:
        assert target.content is not None
        self._judge = _Judge(target.content, call, target, progress, "after")
        self.hold = target.content.hold

    def record(self, record: Any, shown: Tally[Any], *, is_last: bool) -> Operation[list[Any]]:
        """Judge a record; give what may be given, which is added to `shown`.

        Raises:
            ContentRefused: nothing of it may.
        """
        text, thinking = _text_of(record)
        before = getattr(shown, "thinking", str)()
        given = yield from self._judge.answer(
            record, shown.text() + text, before + thinking, is_last=is_last
        )
        passed = [record if given is None else given]
        shown.add(passed)
        return passed

    def whole(self, records: list[Any], raw: Tally[Any], shown: Tally[Any]) -> Operation[list[Any]]:
        """Judge a held stream by what its records add up to; give what may be given.

        Raises:
            ContentRefused: nothing may.
        """
        thinking = getattr(raw, "thinking", str)()
        given = yield from self._judge.answer(raw.total(), raw.text(), thinking, is_last=True)
        passed = records if given is None else [given]
        shown.add(passed)
        return passed


class _Judge:
    """One function of the policy, asked about one call."""

    def __init__(
        self,
        content: Content,
        call: Call[Any],
        target: Target,
        progress: Progress,
        stage: Stage,
    ) -> None:
        self._content = content
        self._call = call
        self._target = target
        self._progress = progress
        self._stage: Stage = stage

    def answer(
        self, response: Any, text: str, thinking: str, *, is_last: bool
    ) -> Operation[Any | None]:
        """Give what stands in for `response`; None if it may be given as it is."""
        assert self._content.after is not None
        copied = response.model_copy(deep=True) if isinstance(response, Record) else response
        call = self._call
        asked = ContentAnswer(
            call.name, call.model, text, thinking, copied, call.stream, is_last,
            self._progress.policy,
        )  # fmt: skip
        given: ContentAnswer | None = yield from self.verdict(self._content.after, asked)
        if given is None:
            return None
        if type(given.response) is not type(response):
            self.failed(f"the function gave a {type(given.response).__name__} as the response")
            return None
        if given.response == response:
            return None
        self.tell("redacted")
        return given.response

    def verdict(self, function: Callable[..., Any], asked: Any) -> Operation[Any | None]:
        """Ask the function; give the changed copy, or None if all may stay as it is.

        Raises:
            ContentRefused: it refuses, or is broken.
            RequestError: it is async, and the client is not.
        """
        failure, given = "", None
        try:
            given = yield Consult(function, (asked,))
        except ContentRefused as error:
            given = Refuse(error.reason)
        except Exception as cause:  # whatever a user's function raises
            failure = f"the function raised {type(cause).__name__}"
        if isinstance(given, Refuse):
            raise self._refused(given.reason)
        if hasattr(given, "__await__"):
            cast("Any", given).close()
            raise RequestError(
                f"Content.{self._stage} is async: use AsyncClient, or a plain function"
            )
        if given is not None and type(given) is not type(asked):
            failure = f"the function gave {type(given).__name__}"
        if failure:
            self.failed(failure)
            return None
        return given

    def failed(self, reason: str) -> None:
        """Take in that there is no verdict.

        Raises:
            ContentRefused: unless the policy fails open.
        """
        if not self._content.fails_open:
            raise self._refused(reason)
        self.tell("not judged", reason)

    def _refused(self, reason: str) -> ContentRefused:
        self.tell("refused", reason)
        progress = self._progress
        error = ContentRefused(reason)
        error.stage = self._stage
        error.phase = "prepare" if self._stage == "before" else "body"
        host = progress.host or (self._call.base or self._target.base).origin
        described(error, call=self._call.name, host=host, attempts=progress.attempts)
        return error

    def tell(
        self,
        verdict: Literal["refused", "redacted", "not judged"],
        reason: str = "",
        body: dict[str, Any] | None = None,
    ) -> None:
        """Write a verdict down, and show it to the observers."""
        why = f": {reason}" if reason else ""
        line = f"content, {self._stage}, {verdict}{why}"
        if line not in self._progress.trail[-1:]:  # once for a redacted stream, not per record
            self._progress.trail.append(line)
            event = ContentJudged(self._progress.id, self._stage, verdict, reason, body)
            self._target.governor.witnesses.tell(event)


def _has_no_text(made: Any) -> bool:
    return isinstance(made, EmbedResponse | EmbeddingsResponse) or not isinstance(
        made, Record | RawResponse
    )


def _text_of(made: Any) -> tuple[str, str]:
    """Give an answer's text and reasoning; of what is no inference, all of its JSON."""
    if isinstance(made, ChatResponse):
        return made.message.content or "", made.message.thinking or ""
    if isinstance(made, GenerateResponse):
        return made.response or "", made.thinking or ""
    if isinstance(made, RawResponse):
        return made.text, ""
    return (made.model_dump_json() if isinstance(made, Record) else ""), ""
