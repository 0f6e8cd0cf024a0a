"""One repository of a registry: where it is, and how it lets one in."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from ...names import ModelName
from .challenge import Credentials, read_challenges, token_in, token_request
from .messages import Answer, Headers, Lost, Operation, Request, StatusRefused, TransferFailed

_MAX_REDIRECTS = 10
"""As in Go's client."""

_MAX_ERROR = 4096
"""Characters of an error page that are passed on."""

_REDIRECTS = (301, 302, 303, 307, 308)
_NO_URL = "redirect to something that is no HTTP URL"
_DENIED = "unauthorized: access denied"


@dataclass(frozen=True, slots=True)
class Access:
    """How a registry is to be reached.

    Attributes:
        insecure: Plain HTTP will do, and so will TLS with a certificate that proves nothing.
        credentials: For this registry; None asks as anybody.
        user_agent: Value of that header.
    """

    insecure: bool = False
    credentials: Credentials | None = None
    user_agent: str = "arriero"


class Session:
    """Asks one registry; remembers what it found out about it.

    The name and the password, or the token they got, go to the origin of the registry and
    nowhere else: not to where it redirects, not to where an upload continues.

    Args:
        name: The model whose repository this is.
        access: How to reach it.
    """

    def __init__(self, name: ModelName, access: Access) -> None:
        self.name = name
        self._access = access
        self._scheme = "http" if access.insecure else "https"
        self._is_settled = not access.insecure
        self._authorization: str | None = None

    @property
    def origin(self) -> str:
        """Scheme and host of the registry."""
        return f"{self._scheme}://{self.name.host}"

    def path(self, rest: str) -> str:
        """A path below the repository's."""
        return f"/v2/{self.name.namespace}/{self.name.model}/{rest}"

    def is_ours(self, url: str) -> bool:
        """Whether a URL has the registry's origin."""
        parts = urlsplit(url)
        return _origin(parts.scheme, parts.netloc) == _origin(self._scheme, self.name.host)

    def resolve(self, url: str, location: str) -> str:
        """Make a `Location` a whole URL.

        Raises:
            TransferFailed: it leads out of TLS, or is no HTTP URL.
        """
        target = _split(url, location)
        if target.scheme == "http" and urlsplit(url).scheme == "https":
            if target.hostname == urlsplit(self.origin).hostname:
                # A registry behind a proxy that ends TLS does not know what it is called.
                return urlunsplit(("https", self.name.host, *target[2:]))
            if not self._access.insecure:
                raise TransferFailed(f"redirect out of TLS to {target.hostname} refused")
        if target.scheme not in ("http", "https") or not target.netloc:
            raise TransferFailed(_NO_URL)
        return target.geturl()

    def ask(self, request: Request) -> Operation[Answer]:
        """Ask the registry, or where it sent us; let in by what it asks for.

        Args:
            request: Its URL may be a path. Redirects of GET and HEAD are followed.

        Raises:
            StatusRefused: the answer is an error.
            TransferFailed: it would not let us in.
            Lost: there was no answer.
        """
        answer, url = yield from self.followed(request)
        return checked(answer, url)

    def to_stranger(self, request: Request) -> Request:
        """Make a request complete that carries no proof of who asks."""
        return self._dressed(request, ())

    def followed(self, request: Request) -> Operation[tuple[Answer, str]]:
        """Follow redirects to an answer of any status; give it and where it came from."""
        for _ in range(_MAX_REDIRECTS):
            answer, url = yield from self._asked(request)
            location = answer.headers.get("location", "")
            if request.method not in ("GET", "HEAD") or not _redirects(answer, url, location):
                return answer, url
            request = replace(request, url=self.resolve(url, location))
        raise TransferFailed(f"stopped after {_MAX_REDIRECTS} redirects")

    def _asked(self, request: Request) -> Operation[tuple[Answer, str]]:
        if not request.url.startswith("/") and not self.is_ours(request.url):
            answer = yield self.to_stranger(request)
            return answer, request.url
        sent_with = self._authorization
        answer = yield from self._settled(request)
        if answer.status == 401:
            # Another request may have got a new token meanwhile.
            if self._authorization == sent_with:
                yield from self._authorize(answer)
            answer = yield from self._settled(request)
            if answer.status == 401:
                raise StatusRefused(401, _DENIED)
        return answer, self._at(request).url

    def _settled(self, request: Request) -> Operation[Answer]:
        """Ask; at first, where anything will do, find out whether the registry speaks TLS."""
        if self._is_settled:
            return (yield self._signed(request))
        failure: Lost | None = None
        answer: Answer | None = None
        try:
            answer = yield self._signed(request)
        except Lost as error:
            failure = error
        # A server for TLS drops plain HTTP, or answers with a 400 that says so.
        if answer is None or answer.status == 400:
            self._scheme = "https"
            try:
                answer = yield self._signed(request)
            except Lost:
                self._scheme = "http"
        self._is_settled = answer is not None
        if answer is None:
            assert failure is not None
            raise failure
        return answer

    def _authorize(self, answer: Answer) -> Generator[Request, Answer, None]:
        challenges = read_challenges(answer.headers.get("www-authenticate", ""))
        credentials = self._access.credentials
        for challenge in challenges:
            if challenge.scheme == "bearer":
                wanted = token_request(
                    challenge, self.origin, has_credentials=credentials is not None
                )
                proof: Headers = ()
                if wanted.with_credentials and credentials is not None:
                    proof = (("Authorization", credentials.basic),)
                given = yield self._dressed(Request("GET", wanted.url), proof)
                if given.status in (401, 403):
                    raise StatusRefused(given.status, _DENIED)
                self._authorization = f"Bearer {token_in(checked(given, wanted.url).body)}"
                return
            if challenge.scheme == "basic" and credentials is not None:
                self._authorization = credentials.basic
                return
        raise StatusRefused(401, _DENIED)

    def _signed(self, request: Request) -> Request:
        proof = () if self._authorization is None else (("Authorization", self._authorization),)
        return self._dressed(self._at(request), proof)

    def _at(self, request: Request) -> Request:
        is_path = request.url.startswith("/")
        return replace(request, url=f"{self.origin}{request.url}") if is_path else request

    def _dressed(self, request: Request, proof: Headers) -> Request:
        agent = ("User-Agent", self._access.user_agent)
        verify = not self._access.insecure
        return replace(request, headers=(agent, *request.headers, *proof), verify=verify)


def checked(answer: Answer, url: str) -> Answer:
    """Give an answer that is no error.

    Raises:
        StatusRefused: it is one; the message is Ollama's.
    """
    if answer.status < 400:
        return answer
    if answer.status == 404:
        raise StatusRefused(404, "file does not exist")
    text = answer.body.decode("utf-8", "replace").strip()
    raise StatusRefused(answer.status, f"{answer.status}: {text[:_MAX_ERROR]}")


def _redirects(answer: Answer, url: str, location: str) -> bool:
    if not location:
        return False
    if answer.status in _REDIRECTS:
        return True
    # Ollama's registry may also answer with a 200 that says where the blob is.
    return answer.status == 200 and _split(url, location).netloc != urlsplit(url).netloc


def _split(url: str, location: str) -> SplitResult:
    try:
        return urlsplit(urljoin(url, location))
    except ValueError as error:
        raise TransferFailed(f"{_NO_URL}: {error}") from error


def _origin(scheme: str, host: str) -> tuple[str, str]:
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return scheme, host.lower().removesuffix(usual) if usual else host.lower()
