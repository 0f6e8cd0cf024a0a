"""The server itself, the account, the web tools, System One.

Source: Ollama v0.33.0-rc2, `api/types.go`; System One: the `ollama` package 0.6.3.
"""

from typing import Any, Literal, TypeAlias, cast

from arriero.types.record import Record


class VersionResponse(Record):
    """The server's version."""

    version: str = ""
    """Such as ``0.33.0``; pre-releases carry a suffix."""


class CloudStatus(Record):
    """Whether the server may use models that run elsewhere."""

    disabled: bool | None = None
    source: str | None = None
    """Who decided: ``none``, ``env``, ``config`` or ``both``."""


class ServerStatusResponse(Record):
    """State of the server's features."""

    cloud: CloudStatus | None = None


class MeResponse(Record):
    """The account the server is signed in with."""

    id: str | None = None
    email: str | None = None
    name: str | None = None
    bio: str | None = None
    avatarurl: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    plan: str | None = None


class WebSearchResult(Record):
    """One page found."""

    title: str | None = None
    url: str | None = None
    content: str | None = None


class WebSearchResponse(Record):
    """Pages found."""

    results: list[WebSearchResult] = []


class WebFetchResponse(Record):
    """A page."""

    title: str | None = None
    content: str | None = None
    links: list[str] | None = None


SystemOneContent: TypeAlias = str | dict[str, Any] | list[Any]
"""Text, or a JSON value that the server writes as text."""


class SystemOneChoiceQuestion(Record, kw_only=True, omit_defaults=False):
    """Which of these?"""

    type: Literal["choice"] = "choice"
    instructions: SystemOneContent
    criteria: dict[str, str | None]
    """Choices in order; a None description stands for the key itself."""


class SystemOneNoulQuestion(Record, kw_only=True, omit_defaults=False):
    """True or false?"""

    type: Literal["noul"] = "noul"
    instructions: SystemOneContent
    criteria: dict[str, str] | None = None
    """Meanings of ``false`` and ``true``."""


class SystemOneScoreQuestion(Record, kw_only=True, omit_defaults=False):
    """How much?"""

    type: Literal["score"] = "score"
    instructions: SystemOneContent
    criteria: list[str]
    """Descriptions from the lowest score to the highest."""


SystemOneQuestion: TypeAlias = (
    SystemOneChoiceQuestion | SystemOneNoulQuestion | SystemOneScoreQuestion
)


class SystemOneNoulAnswer(Record, kw_only=True):
    """Probability of true."""

    type: Literal["noul"] = "noul"
    noul: float


class SystemOneChoiceAnswer(Record, kw_only=True):
    """The choice and how sure it is."""

    type: Literal["choice"] = "choice"
    choice: str
    probabilities: dict[str, float]
    confidence: float


class SystemOneScoreAnswer(Record, kw_only=True):
    """The expected score, from zero, possibly fractional."""

    type: Literal["score"] = "score"
    score: float
    legend: dict[str, str]
    probabilities: dict[str, float]
    confidence: float


SystemOneAnswer: TypeAlias = SystemOneNoulAnswer | SystemOneChoiceAnswer | SystemOneScoreAnswer


class SystemOneUsage(Record, kw_only=True):
    """Tokens read and written."""

    input_tokens: int
    output_tokens: int


class SystemOneResponse(Record, kw_only=True):
    """Answers by the names of their questions."""

    model: str
    answers: dict[str, Any]
    """`SystemOneAnswer` values."""
    usage: SystemOneUsage

    def __post_init__(self) -> None:
        self.answers = {name: _answer(value) for name, value in self.answers.items()}


class SystemOneRequest(Record, kw_only=True):
    """What `systemone` sends."""

    model: str
    state: SystemOneContent
    questions: dict[str, Any]
    """`SystemOneQuestion` values."""
    keep_alive: float | str | None = None


_ANSWERS: dict[str, type[Record]] = {
    "noul": SystemOneNoulAnswer,
    "choice": SystemOneChoiceAnswer,
    "score": SystemOneScoreAnswer,
}


def _answer(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    answer = cast("dict[str, Any]", value)
    kind = _ANSWERS.get(str(answer.get("type")))
    return answer if kind is None else kind.model_validate(answer)
