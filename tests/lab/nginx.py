"""A real nginx before the gateway: it ends TLS, and speaks to the gateway as it is told."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from istiodoctor.testing.certificates import Issued
from tests.lab.resources import Address

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PATIENCE = 30.0
Gateway = tuple[Address, Address]
"""Where its plain and its TLS listener are."""
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log notice;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version {http_version};
  proxy_ssl_server_name {sends_sni};
  proxy_ssl_name $host;
  proxy_set_header Host $http_host;
  {forwarded_proto}
  server {{
    listen {address}:80;
    location / {{ proxy_pass {plain}; }}
  }}
  server {{
    listen {address}:443 ssl;
    ssl_certificate {folder}/chain.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{ proxy_pass {secured}; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How nginx speaks to the gateway: as it should, where nothing else is said."""

    ends_tls: bool = False
    """Whether it goes on in plain HTTP with what came over TLS."""
    http_version: str = "1.1"
    sends_sni: bool = True
    forwarded_proto: str = ""
    """What it sends as X-Forwarded-Proto, `$scheme` or a word; empty to send none."""


class Nginx:
    """A running nginx, as a context manager, at ports 80 and 443 of an address of its own."""

    def __init__(
        self,
        folder: Path,
        address: str,
        presented: Issued,
        gateway: Gateway,
        behaviour: Behaviour,
    ) -> None:
        """Take a folder of its own, what it presents to clients, and the way to the gateway."""
        folder.mkdir(parents=True)
        (folder / "chain.pem").write_text(presented.chain_pem)
        (folder / "key.pem").write_text(presented.key_pem)
        self._address = address
        self._folder = folder
        self._file = folder / "nginx.conf"
        proto = behaviour.forwarded_proto
        plain, secured = (f"{host}:{port}" for host, port in gateway)
        self._file.write_text(
            _CONFIGURATION.format(
                folder=folder,
                address=address,
                plain=f"http://{plain}",
                secured=f"http://{plain}" if behaviour.ends_tls else f"https://{secured}",
                http_version=behaviour.http_version,
                sends_sni="on" if behaviour.sends_sni else "off",
                forwarded_proto=f"proxy_set_header X-Forwarded-Proto {proto};" if proto else "",
            )
        )

    def __enter__(self) -> Self:
        command = [str(NGINX), "-p", str(self._folder), "-c", str(self._file)]
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        until = time.monotonic() + PATIENCE
        while not all(_answers((self._address, port)) for port in (80, 443)):
            if self._process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise RuntimeError((self._folder / "output").read_text()[-4000:])
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


def _answers(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True
