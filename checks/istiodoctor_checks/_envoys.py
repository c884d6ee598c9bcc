"""What findings about the state of Envoy have in common."""

from collections.abc import Iterable
from datetime import timedelta

from istiodoctor.command import istioctl, kubectl, proxy
from istiodoctor.fix import Fix
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref


def pods_of(workload: Workload, pods: Iterable[object]) -> str:
    """Name the pods that were asked and agree: `1 of 3 pods of Deployment a/b`."""
    known = len(workload.pods)
    count = len(tuple(pods))
    if count == known == 1:
        return f"the pod of {workload}" if workload.owner.kind != "Pod" else str(workload)
    return f"{count} of {known} pods of {workload}"


def look_at_log(pod: Ref) -> Fix:
    """See in a gateway's log what it refused, and whether it hears from istiod."""
    return Fix(
        title="See in the gateway's log what Envoy refused, and whether it hears from istiod",
        commands=(kubectl("logs", pod, "-c", "istio-proxy", "--since=24h"),),
        verify=istioctl("proxy-config", "secret", proxy(pod)),
        why=(
            "A line with `Secret rejected` names what is wrong with the Secret; a closed"
            " StreamAggregatedResources says that istiod is out of reach."
        ),
    )


def span(age: timedelta | None) -> str:
    """Return how long something has been, in words: `for 3 h`; empty when that is not known."""
    if age is None:
        return ""
    minutes = max(0, int(age.total_seconds() // 60))
    if minutes < 1:
        return " for less than a minute"
    if minutes < 120:
        return f" for {minutes} min"
    return f" for {minutes // 60} h" if minutes < 48 * 60 else f" for {minutes // 1440} days"
