import pytest
from hypothesis import given
from hypothesis import strategies as st

from istiodoctor.mesh.hosts import (
    HostIndex,
    certificate_covers,
    covers,
    is_wildcard,
    meet,
    parents,
)

LABELS = st.sampled_from(["a", "b", "A", "x-1"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
HOSTS = st.one_of(NAMES, NAMES.map("*.{}".format), st.just("*"))
"""Few labels, so that hosts often have something to do with one another."""


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("*", "a.com", True),
        ("*", "*", True),
        ("*", "*.a.com", True),
        ("*.a.com", "x.a.com", True),
        ("*.a.com", "x.y.a.com", True),
        ("*.a.com", "*.a.com", True),
        ("*.a.com", "*.b.a.com", True),
        ("*.a.com", "a.com", False),
        ("*.a.com", "xa.com", False),
        ("*.a.com", "*.com", False),
        ("*.a.com", "*", False),
        ("a.com", "*.a.com", False),
        ("a.com", "*", False),
        ("a.com", "A.com", True),
        ("*.A.com", "x.a.COM", True),
        ("a.com", "b.com", False),
    ],
)
def test_a_host_covers_what_is_under_it(pattern: str, host: str, expected: bool):
    assert covers(pattern, host) is expected


@given(HOSTS)
def test_covering_is_reflexive(host: str):
    assert covers(host, host)


@given(HOSTS, HOSTS, HOSTS)
def test_covering_is_transitive(one: str, two: str, three: str):
    assert not (covers(one, two) and covers(two, three)) or covers(one, three)


@given(HOSTS, HOSTS)
def test_two_hosts_that_cover_each_other_differ_in_case_alone(one: str, other: str):
    assert (covers(one, other) and covers(other, one)) == (one.lower() == other.lower())


@given(HOSTS, HOSTS)
def test_hosts_meet_in_either_order_in_the_same_one(one: str, other: str):
    assert meet(one, other) == meet(other, one)


@given(HOSTS, HOSTS)
def test_both_hosts_cover_where_they_meet(one: str, other: str):
    common = meet(one, other)

    assert common is None or (covers(one, common) and covers(other, common))


@given(HOSTS, HOSTS, NAMES)
def test_hosts_meet_exactly_where_they_have_names_in_common(one: str, other: str, name: str):
    common = meet(one, other)
    in_both = covers(one, name) and covers(other, name)

    assert in_both == (common is not None and covers(common, name))


def test_the_parents_of_a_host_are_the_wildcards_above_it_narrowest_first():
    assert list(parents("B.a.com")) == ["*.a.com", "*.com", "*"]


@given(st.lists(HOSTS), HOSTS)
def test_the_index_finds_the_same_covering_hosts_as_brute_force(hosts: list[str], asked: str):
    found = list(HostIndex((host, host) for host in hosts).covering(asked))

    assert sorted(found) == sorted(host for host in hosts if covers(host, asked))


@given(st.lists(HOSTS), HOSTS)
def test_the_index_yields_covering_hosts_most_specific_first(hosts: list[str], asked: str):
    found = [_specificity(host) for host in HostIndex((h, h) for h in hosts).covering(asked)]

    assert found == sorted(found)


def _specificity(host: str) -> tuple[int, int]:
    if not is_wildcard(host):
        return (0, 0)
    return (1, -len(host)) if host != "*" else (2, 0)


@given(st.lists(HOSTS), HOSTS)
def test_the_index_finds_the_same_meeting_hosts_as_brute_force(hosts: list[str], asked: str):
    found = list(HostIndex((host, host) for host in hosts).meeting(asked))

    assert sorted(found) == sorted(host for host in hosts if meet(host, asked) is not None)


@given(st.lists(HOSTS), st.lists(HOSTS), HOSTS)
def test_the_index_takes_items_after_it_was_asked(early: list[str], late: list[str], asked: str):
    grown = HostIndex((host, host) for host in early)
    list(grown.meeting(asked))
    for host in late:
        grown.add(host, host)

    whole = HostIndex((host, host) for host in (*early, *late))
    assert sorted(grown.meeting(asked)) == sorted(whole.meeting(asked))


@given(st.lists(HOSTS), HOSTS)
def test_the_same_host_is_the_same_string_in_any_case(hosts: list[str], asked: str):
    found = HostIndex((host, host) for host in hosts).same(asked)

    assert found == tuple(host for host in hosts if host.lower() == asked.lower())


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("shop.example.com", "shop.example.com", True),
        ("Shop.Example.com", "shop.example.COM", True),
        ("shop.example.com.", "shop.example.com", True),
        ("*.example.com", "shop.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.shop.example.com", False),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "*.shop.example.com", False),
        ("*.shop.example.com", "*.example.com", False),
        ("shop.example.com", "*.example.com", False),
        ("s*.example.com", "shop.example.com", False),
        ("*", "shop.example.com", False),
        ("*", "localhost", False),
        ("", "shop.example.com", False),
    ],
)
def test_a_certificate_name_covers_one_label_and_never_the_parent(
    name: str, host: str, expected: bool
):
    assert certificate_covers(name, host) is expected


@given(HOSTS, HOSTS)
def test_what_a_certificate_covers_a_route_of_that_host_covers_too(name: str, host: str):
    assert not certificate_covers(name, host) or covers(name, host)
