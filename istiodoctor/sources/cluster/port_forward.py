"""Open a connection to a port of a pod through the API server.

This imports the Kubernetes client, which takes about a second: it is imported itself only when a
connection is opened.
"""

import ssl
import threading
from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Any

from kubernetes.stream.ws_client import PortForward, websocket_proxycare
from websocket import (
    WebSocket,
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketTimeoutException,
    create_connection,
)

from istiodoctor.sources.cluster import request_error
from istiodoctor.sources.cluster.port_forward_socket import OVERHEAD, PortForwardSocket
from istiodoctor.sources.cluster.request_error import RequestError

PROTOCOL = "v4.channel.k8s.io"


class _Bounded(WebSocket):
    """A WebSocket that takes no more than it was allowed to."""

    left = OVERHEAD
    is_late = False

    def connect(self, url: str, **options: Any) -> None:
        """Connect; the answer ends in time although its every byte is waited for anew."""
        end = threading.Timer(self.gettimeout() or 0, self._give_up)
        end.daemon = True
        end.start()
        try:
            super().connect(url, **options)  # type: ignore[no-untyped-call]  # has no types
        except Exception:
            if self.is_late:
                raise WebSocketTimeoutException("the answer was not complete in time") from None
            raise
        finally:
            end.cancel()

    def _give_up(self) -> None:
        self.is_late = True
        if (connected := self.sock) is not None:
            with suppress(OSError):
                socket.shutdown(connected, SHUT_RDWR)  # TLS says no farewell: it would wait for it

    def _recv(self, bufsize: int) -> bytes:
        received: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]  # has no types
        self.left -= len(received)
        if self.left < 0:
            raise WebSocketException("more came than was asked for")
        return received


class _Forward(PortForward):
    """The client's own forwarding, whose thread ends without a word however it ends."""

    def _proxy(self) -> None:
        with suppress(Exception):  # a broken connection shows on its other side: nothing comes
            super()._proxy()  # type: ignore[no-untyped-call]  # has no types
        for port in self.local_ports.values():
            port.python.close()
        with suppress(Exception):
            self.websocket.shutdown()


def open_port_forward(
    configuration: Any, url: str, headers: dict[str, str], port: int, seconds: float
) -> PortForwardSocket:
    """Connect by the URL of a pod's `portforward`; raises RequestError.

    `configuration` is that of the Kubernetes client; `seconds` bounds every single wait.
    """
    authorization = {k: v for k, v in headers.items() if k.lower() == "authorization"}
    options: dict[str, Any] = {
        "header": [f"{name}: {value}" for name, value in authorization.items()],
        "subprotocols": [PROTOCOL],
        "sslopt": _tls(configuration),
        "redirect_limit": 0,
    }
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, headers)  # type: ignore[no-untyped-call]  # has no types
    try:
        made = create_connection(
            "ws" + url.removeprefix("http"), timeout=seconds, class_=_Bounded, **options
        )
    except WebSocketBadStatusException as refused:
        raise _refused(refused) from None
    except WebSocketTimeoutException:
        raise request_error.silence("no connection to the pod in time") from None
    except ssl.SSLError as error:
        raise request_error.of_tls(str(error)) from None
    except WebSocketException as error:
        raise RequestError(f"no connection to the pod: {error}") from None
    except Exception as error:
        raise request_error.of_exception(error) from None
    forward = _Forward(made, [port])  # type: ignore[no-untyped-call]  # has no types
    return PortForwardSocket(made, forward, port)


def _tls(configuration: Any) -> dict[str, Any]:
    """Return the settings of TLS that the client uses for everything else."""
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    if configuration.verify_ssl:
        options = {
            "cert_reqs": ssl.CERT_REQUIRED,
            "ca_certs": configuration.ssl_ca_cert,
            "check_hostname": configuration.assert_hostname is not False,
        }
    if configuration.cert_file:
        options |= {"certfile": configuration.cert_file, "keyfile": configuration.key_file}
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    return options


def _refused(refused: WebSocketBadStatusException) -> RequestError:
    headers = {str(k).lower(): str(v) for k, v in (refused.resp_headers or {}).items()}
    return request_error.of_status(
        refused.status_code, refused.status_message or "", headers, refused.resp_body or b""
    )
