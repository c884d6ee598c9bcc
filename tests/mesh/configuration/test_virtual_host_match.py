import pytest

from istiodoctor.mesh.configuration.virtual_host_match import DomainIndex, matched_host

DOMAINS = ("*", "*.a.com", "*-x.a.com", "a.com", "a.*", "a.b.*", "B.com")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.com", "a.com"),
        ("A.COM", "a.com"),
        ("b.com", "B.com"),
        ("x.a.com", "*.a.com"),
        ("y.x.a.com", "*.a.com"),
        ("y-x.a.com", "*-x.a.com"),
        (".a.com", "*"),
        ("-x.a.com", "*.a.com"),
        ("a.org", "a.*"),
        ("a.b.org", "a.b.*"),
        ("a.", "*"),
        ("a.com.", "a.*"),
        ("", "*"),
        ("²", "*"),
    ],
)
def test_the_most_specific_domain_takes_a_host(host: str, expected: str):
    assert DomainIndex((each, each) for each in DOMAINS).find(host) == expected


def test_a_host_that_no_domain_takes():
    assert DomainIndex([("*.a.com", 1), ("", 2)]).find("b.com") is None
    assert DomainIndex([("*.a.com", 1), ("", 2)]).find("") == 2


def test_the_first_of_one_domain_is_in_force():
    index = DomainIndex([("a.com", 1), ("A.com", 2), ("*", 3), ("*", 4)])

    assert (index.find("a.com"), index.find("b")) == (1, 3)


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("A.com:8080", "a.com"),
        ("a.com:", "a.com"),
        ("a:b", "a"),
        ("a:b:c", "a:b"),
        ("a.com.", "a.com."),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("[::1", "[:"),
        ("::1", ":"),
        ("", ""),
        (":80", ""),
        ("É.com", "É.com"),
    ],
)
def test_a_port_is_what_follows_the_last_colon(authority: str, expected: str):
    assert matched_host(authority) == expected


def test_a_port_is_part_of_the_name_where_it_is_not_ignored():
    assert matched_host("A.com:80", ignores_port=False) == "a.com:80"
