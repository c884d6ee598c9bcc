"""What a rule sets beside its match and its action: faults, CORS and time limits.

Source: `TranslateFault`, `TranslateCORSPolicy`, `setTimeout` (istiod's
pilot/pkg/networking/core/route/route.go), `ConvertPolicy` (route/retry/retry.go).
"""

from istiodoctor.mesh.configuration.match_translation import string_matcher
from istiodoctor.mesh.configuration.route import (
    Comparison,
    Cors,
    Duration,
    Fault,
    StringMatcher,
)
from istiodoctor.model.istio import CorsPolicy, HttpFault, HttpRule

UNSUPPORTED_GRPC_STATUS = 2


def time_limits(rule: HttpRule) -> tuple[Duration, ...]:
    """Return the time limits that a rule sets; retries have theirs where there are any."""
    found = [Duration(name="timeout", text=rule.timeout)] if rule.timeout else []
    retries = rule.retries
    if retries and retries.attempts > 0:
        if retries.per_try_timeout:
            found.append(Duration(name="retries.perTryTimeout", text=retries.per_try_timeout))
        if retries.backoff:
            text = retries.backoff
            found.append(Duration(name="retries.backoff", text=text, may_be_zero=False))
    return tuple(found)


def fault_of(written: HttpFault) -> Fault:
    """Return a rule's fault; an abort without percentage happens to none (route.go:1405).

    Of an abort without a status, and a delay without a length, istiod makes none.
    """
    abort, delay = written.abort, written.delay
    if abort and abort.http_status is None and not abort.grpc_status:
        abort = None
    return Fault(
        abort_status=abort.http_status or 0 if abort else 0,
        grpc_status=UNSUPPORTED_GRPC_STATUS if abort and abort.grpc_status else None,
        abort_percentage=abort.percentage.value if abort and abort.percentage else 0.0,
        delay=Duration(name="fault.delay.fixedDelay", text=delay.fixed_delay, may_be_zero=False)
        if delay and delay.fixed_delay
        else None,
        delay_percentage=0.0
        if delay is None
        else delay.percentage.value
        if delay.percentage
        else float(delay.percent),
    )


def cors_of(written: CorsPolicy) -> Cors:
    """Return a rule's CORS policy, as far as it decides which preflights Envoy answers."""
    if written.allow_origins is not None:
        origins = tuple(
            each for match in written.allow_origins if (each := string_matcher(match)) is not None
        )
    else:
        origins = tuple(
            StringMatcher(comparison=Comparison.EXACT, value=each)
            if each != "*"
            else StringMatcher(comparison=Comparison.REGEX, value=".*")
            for each in written.allow_origin or ()
        )
    return Cors(
        allow_origins=origins,
        forwards_other_preflights=written.unmatched_preflights != "IGNORE",
    )
