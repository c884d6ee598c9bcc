"""Redirects in circles at an address of a gateway whose pods have none: TLS ends before them."""

from collections.abc import Mapping

from istiodoctor.mesh import hops
from istiodoctor.mesh.frontproxy import Front
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.redirects import PlainHost, RedirectKind
from istiodoctor.mesh.wire.header_trust import HeaderTrustQuestions
from istiodoctor.mesh.wire.replies import Loop, ReplyQuestions, goes_round, is_own
from istiodoctor.model.observation import HttpObservation, HttpStep


class CircleQuestions(HeaderTrustQuestions):
    """Where circles begin."""

    @question(
        rests_on=[
            ReplyQuestions.requests,
            ReplyQuestions.loops,
            ReplyQuestions.workloads_of,
            ReplyQuestions.plain_hosts_for,
        ]
    )
    def _loops_before_gateway(self) -> Mapping[Loop, PlainHost]:
        """Return the loops that only show from outside, with the plain server that redirects.

        What comes by https:// gets its answer: so it reaches that server in plain HTTP, unless
        what stands before the gateway makes the circle by itself.
        """
        well = {seen.target.host for _, seen in self.requests() if _is_well(seen)}
        ill = {loop.observation.target.host for loop in self.loops() if _is_at_pod(loop.step)}
        return {
            loop: plain
            for loop in self.loops()
            if loop.observation.target.host in well - ill
            and loop.step.url.startswith("https:")
            and not loop.step.from_upstream
            if (plain := self._redirecting_plainly(loop))
        }

    @question(
        rests_on=[
            _loops_before_gateway,
            HeaderTrustQuestions.header_trust,
            ReplyQuestions.trusted_proxies,
        ]
    )
    def seen_plain_hops(self) -> tuple[hops.Loop, ...]:
        """Return the loops of gateways that redirect whatever X-Forwarded-Proto says."""
        return tuple(
            hops.Loop(
                plain=plain,
                front=_front(loop, plain),
                trusted_proxies=self.trusted_proxies(plain.workload),
                is_certain=is_own(loop.step),
                seen=loop.step,
            )
            for loop, plain in self._loops_before_gateway().items()
            if plain.redirect is RedirectKind.ROUTE or not self._goes_by_header(plain)
        )

    @question(
        rests_on=[
            _loops_before_gateway,
            HeaderTrustQuestions.header_trust,
            ReplyQuestions.trusted_proxies,
        ]
    )
    def seen_untold_https(self) -> tuple[hops.UntoldHttps, ...]:
        """Return the loops of gateways that would let pass what they are told came by https."""
        return tuple(
            hops.UntoldHttps(
                plain=plain,
                front=_front(loop, plain),
                trusted_proxies=self.trusted_proxies(plain.workload),
                seen=loop.step,
            )
            for loop, plain in self._loops_before_gateway().items()
            if plain.redirect is RedirectKind.SERVER and self._goes_by_header(plain)
        )

    def _goes_by_header(self, plain: PlainHost) -> bool:
        """Whether a gateway believes X-Forwarded-Proto: as seen, else as configured."""
        seen = self.header_trust().get(plain.workload)
        return seen.trusts if seen else bool(self.trusted_proxies(plain.workload))

    def _redirecting_plainly(self, loop: Loop) -> PlainHost | None:
        plain = self._plain_host_at(loop.server, loop.step)
        return plain if plain and plain.redirect is not RedirectKind.NONE else None


def _is_well(seen: HttpObservation) -> bool:
    """Whether a pod was asked, and answered without a circle."""
    first = seen.steps[0]
    return _is_at_pod(first) and first.status > 0 and not goes_round(seen)


def _is_at_pod(step: HttpStep) -> bool:
    return step.door is not None and step.door.pod is not None


def _front(loop: Loop, plain: PlainHost) -> Front:
    return Front(
        text=f"what ends TLS at {loop.step.door}",
        hosts=(plain.host,),
        terminates_tls=True,
        plain_port=plain.listener.port,
    )
