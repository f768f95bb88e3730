"""The unmodified ``openstack`` client, kept open.

Starting the client takes most of a second; its interactive mode, fed through a
pipe, pays that once. Every command is exactly what one would type in a shell.
"""

import json
import os
import pathlib
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
import typing

_MARK = "-- nova-lite command done --"


class CommandFailed(Exception):
    """A command of the client failed; the message is what the client said."""


class OpenStackSession:
    """One interactive client for one cloud of a ``clouds.yaml``."""

    def __init__(
        self,
        program: pathlib.Path,
        clouds_yaml: pathlib.Path,
        cloud: str,
        *,
        timeout_s: float = 60.0,
        echo: typing.Callable[[str], None] | None = None,
    ) -> None:
        """Nothing is started before the first command.

        :param timeout_s: longest time one command may take.
        :param echo: called with every command as one would type it.
        """
        self._program = program
        # Somebody's sourced openrc would win over the cloud that is meant.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        self._environ = inherited | {
            "OS_CLIENT_CONFIG_FILE": str(clouds_yaml),
            "OS_CLOUD": cloud,
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        self._timeout_s = timeout_s
        self._echo = echo or (lambda line: None)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the session)
        self._client: subprocess.Popen[bytes] | None = None

    def run(self, *words: str) -> str:
        """Run a command and return what it printed.

        :raises CommandFailed: the client printed an error, died, or took too long.
        """
        output, errors = self._execute(words)
        if errors:
            raise CommandFailed(f"openstack {words[0]} {words[1]}: {errors}")
        return output

    def json(self, *words: str) -> typing.Any:
        """Run a command with ``-f json`` and return the parsed output.

        :raises CommandFailed: as :meth:`run`.
        """
        output, errors = self._execute((*words, "-f", "json"), quietly_added=2)
        try:
            return json.loads(output)
        except ValueError:
            reason = errors or output or "it printed nothing"
            raise CommandFailed(f"openstack {' '.join(words[:3])}: {reason}") from None

    def close(self) -> None:
        """End the client."""
        if self._client is not None and self._client.poll() is None:
            os.killpg(self._client.pid, signal.SIGKILL)
            self._client.wait()
        self._client = None

    def _execute(self, words: tuple[str, ...], quietly_added: int = 0) -> tuple[str, str]:
        shown = words[: len(words) - quietly_added]
        self._echo(shlex.join(["openstack", *shown]))
        client = self._start()
        assert client.stdin is not None
        self._errors.seek(0)
        self._errors.truncate()
        try:
            client.stdin.write(f"{shlex.join(words)}\n!printf '\\n%s\\n' '{_MARK}'\n".encode())
            client.stdin.flush()
            output = self._read_to_mark(client)
        except (OSError, EOFError):
            self.close()
            raise CommandFailed(f"the client ended: {self._said()}") from None
        except TimeoutError:
            self.close()
            raise CommandFailed(
                f"openstack {' '.join(shown[:3])} took longer than {self._timeout_s:.0f} s"
            ) from None
        return output, self._said()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._client is None or self._client.poll() is not None:
            self._client = subprocess.Popen(
                [str(self._program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=self._environ,
                # Ctrl-C is for us: the client is needed to clean up.
                start_new_session=True,
            )
        return self._client

    def _read_to_mark(self, client: subprocess.Popen[bytes]) -> str:
        assert client.stdout is not None
        deadline = time.monotonic() + self._timeout_s
        mark = f"\n{_MARK}\n".encode()
        output = b""
        with selectors.DefaultSelector() as selector:
            selector.register(client.stdout, selectors.EVENT_READ)
            while mark not in output:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                piece = os.read(client.stdout.fileno(), 65536)
                if not piece:
                    raise EOFError
                output += piece
        return output.partition(mark)[0].decode(errors="replace")

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()
