"""The way of one request through the mesh, hop by hop, to its answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.backends import BackendQuestions, Target, referred, unused_hop, weighted
from istiodoctor.mesh.entries import Entry, EntryQuestions
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.matching import Arrival
from istiodoctor.mesh.passages import PassageQuestions
from istiodoctor.mesh.question import question
from istiodoctor.mesh.redirection import Redirection, by_filter, by_rule, to_https
from istiodoctor.mesh.requests import Request
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.virtualhosts import Route, VirtualHost
from istiodoctor.mesh.way import BROKEN, OK, UNKNOWN, Hop, server_hop, workload_hop
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.kind import Kind
