"""Programs that never close their client end in silence."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

import arriero

PROGRAMS = {
    "sync": "client = arriero.Client(URL); client.version()",
    "a stream half read": (
        "stream = arriero.Client(URL).chat('mini', [{'role': 'user', 'content': 'hi'}],"
        " stream=True); next(stream)"
    ),
    "the module's own": "arriero.version()",
    "async": (
        "import asyncio; client = arriero.AsyncClient(URL)\n"
        "async def main():\n    await client.version()\n"
        "asyncio.run(main()); asyncio.run(main())"
    ),
    "an async stream half read": (
        "import asyncio\n"
        "async def main():\n"
        "    stream = await arriero.AsyncClient(URL).chat('mini',"
        " [{'role': 'user', 'content': 'hi'}], stream=True)\n"
        "    await anext(stream)\n"
        "asyncio.run(main())"
    ),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Give the address of an embedded server."""
    with arriero.serve() as server:
        yield server.url


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_client_that_is_never_closed_warns_of_nothing(program: str, url: str) -> None:
    """No ResourceWarning, no traceback at exit: the code comes from `ollama` and never did."""
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"URL={url!r}\nimport arriero\n{program}",
        ],
        capture_output=True,
        text=True,
        timeout=240,
        env={"OLLAMA_HOST": url, "PATH": ""},
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
