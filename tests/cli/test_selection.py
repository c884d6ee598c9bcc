"""What the options of a command line leave out."""

from istiodoctor.cli.selection import declined
from istiodoctor.model.kind import OF_ENVOY, Kind


def test_what_is_declined_is_what_the_options_say():
    assert declined(logs=False, envoy=False) == frozenset()
    assert declined(logs=True, envoy=False) == {Kind.POD_LOG}
    assert declined(logs=False, envoy=True) == OF_ENVOY
    assert declined(logs=True, envoy=True) == {Kind.POD_LOG, *OF_ENVOY}


def test_without_envoy_its_configuration_is_not_asked_for_either():
    assert {Kind.ENVOY, Kind.ENVOY_CONFIGURATION} == OF_ENVOY
