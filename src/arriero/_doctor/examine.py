"""`arriero.doctor`: one look after the other, as far as it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from arriero._core.host import DEFAULT_PORT, is_loopback
from arriero._doctor import probes
from arriero._doctor.rules import address, reach, serving
from arriero._doctor.rules.findings import Diagnosis, Finding
from arriero._doctor.rules.seen import Subject
from arriero._sync.client import Client
from arriero.errors import RequestError
from arriero.settings import Retry, Timeouts


def doctor(host: str | Client | None = None, *, timeout_s: float = 5.0) -> Diagnosis:
    """Look at everything between this program and its server, and say what to mend.

    Nothing is changed and no model is loaded: it resolves the name, connects, shakes hands
    and asks for version and models. Secrets are in no finding.

    Args:
        host: As `Client` takes it; None is `OLLAMA_HOST`, else this machine. A client is
            examined with its certificates, proxy and credentials.
        timeout_s: Most seconds for each look; there are about eight.

    Returns:
        Findings in the order in which a call would meet what they are about. What cannot be
        seen for an earlier error is left out.

    Raises:
        RequestError: `timeout_s` is not above 0.
    """
    Timeouts(total_s=timeout_s)  # refuses what is no duration
    variable = os.environ.get("OLLAMA_HOST", "")
    if isinstance(host, Client):
        given = str(host._arguments.get("host") or variable)
        return _diagnosis(host, given, "the client", timeout_s)
    given, source = (
        (host, "what was given") if host else (variable, "OLLAMA_HOST" if variable else "")
    )
    try:
        # Credentials in clear text are a finding, which says more than a warning would.
        client = Client(given or None, retry=Retry.none(), cleartext_credentials="allow")
    except RequestError as error:
        return Diagnosis("", (address.unreadable_host(given, error),))
    with client:
        return _diagnosis(client, given, source, timeout_s)


def _diagnosis(client: Client, given: str, source: str, timeout_s: float) -> Diagnosis:
    subject = _subject(client, given, source)
    return Diagnosis(client.host, tuple(_findings(client, subject, timeout_s)))


def _subject(client: Client, given: str, source: str) -> Subject:
    made = client._setup
    tls, target = made.transport.tls, made.target
    return Subject(
        given=given,
        source=source,
        base=target.base,
        environ=dict(os.environ),
        proxy=made.transport.proxy,
        has_credentials=bool(
            target.authorization
            or target.base.origin in target.providers
            or "authorization" in dict(target.headers)
        ),
        verifies=tls is None or tls.verify,
        in_container=probes.is_in_container(),
    )


def _findings(client: Client, subject: Subject, timeout_s: float) -> Iterator[Finding]:
    yield from address.host_findings(subject)
    yield from address.proxy_findings(subject)
    yield from address.credential_findings(subject)
    if subject.proxy is None:  # else only the proxy can see the server
        way = tuple(_way(client, subject, timeout_s))
        yield from way
        if any(one.severity == "error" for one in way):
            return
    reply = probes.ask_version(client, timeout_s)
    yield from reach.answer_findings(subject, reply)
    if reply.error is not None:
        return
    yield from serving.version_findings(reply.version)
    yield from serving.clock_findings(reply)
    yield from serving.model_findings(probes.ask_models(client, timeout_s))
    if is_loopback(subject.base.url):
        yield from serving.disk_findings(probes.disk_of_models(subject.environ))


def _way(client: Client, subject: Subject, timeout_s: float) -> Iterator[Finding]:
    """Look up the name, connect to its addresses, and shake hands."""
    parts = urlsplit(subject.base.origin)
    host, port = parts.hostname or "", parts.port or 0
    names = probes.look_up(host, port)
    yield from reach.name_findings(host, names)
    if names.error:
        return
    knocks = [probes.knock(one, port, timeout_s) for one in names.addresses]
    is_closed = all(one.failure for one in knocks)
    is_elsewhere = (
        is_closed
        and port != DEFAULT_PORT
        and not all(probes.knock(one, DEFAULT_PORT, timeout_s).failure for one in names.addresses)
    )
    yield from reach.connection_findings(subject, host, port, knocks, is_elsewhere=is_elsewhere)
    if is_closed:
        return
    if parts.scheme == "https":
        handshake = probes.shake_hands(host, port, client._setup.transport.tls, timeout_s)
        yield from reach.tls_findings(subject, host, handshake, time.time())
    elif probes.speaks_tls(host, port, timeout_s):
        yield reach.speaks_tls(subject)
