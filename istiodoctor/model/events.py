"""Events: what controllers say of objects."""

from datetime import datetime
from typing import ClassVar

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Fields, Resource


class InvolvedObject(Fields, frozen=True, kw_only=True):
    """What an Event is about."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""


class EventSeries(Fields, frozen=True, kw_only=True):
    """How often an Event came, as newer recorders count."""

    count: int = 0
    last_observed_time: datetime | None = None


class EventSource(Fields, frozen=True, kw_only=True):
    """Who saw it, as older recorders say."""

    component: str = ""


class Event(Resource, frozen=True, kw_only=True):
    """A core Event. Recorders of different ages fill different fields."""

    KIND: ClassVar[Kind] = Kind.EVENT
    involved_object: InvolvedObject = InvolvedObject()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 1
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None
    source: EventSource | None = None
    reporting_component: str = ""

    @property
    def reporter(self) -> str:
        """The controller that recorded it; empty where it does not say."""
        return self.reporting_component or (self.source.component if self.source else "")

    @property
    def times(self) -> int:
        """How often it came."""
        return max(self.count, self.series.count if self.series else 0, 1)

    @property
    def seen(self) -> datetime | None:
        """When it came last."""
        last = self.series.last_observed_time if self.series else None
        times = (last, self.last_timestamp, self.event_time, self.first_timestamp)
        return next(filter(None, times), self.metadata.creation_timestamp)
