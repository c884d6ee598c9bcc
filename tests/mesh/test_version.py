import pytest

from istiodoctor.mesh.version import Version

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker.io/istio/proxyv2:1.22.3", Version(1, 22, 3)),
        ("istio/proxyv2:1.22.3-distroless", Version(1, 22, 3)),
        ("istio/proxyv2:v1.20", Version(1, 20, 0)),
        ("istio/proxyv2:release-1.21", Version(1, 21, 0)),
        ("istio/proxyv2:1.28-alpha.0123abc", Version(1, 28, 0)),
        ("istio/proxyv2:1.28.0-rc.1", Version(1, 28, 0)),
        ("gcr.io/gke-release/asm/proxyv2:1.20.3-asm.4", Version(1, 20, 3)),
        ("registry.example:5000/istio/proxyv2:1.22.3", Version(1, 22, 3)),
        ("proxyv2:1.22.3", Version(1, 22, 3)),
        (f"istio/proxyv2:1.22.3@{DIGEST}", Version(1, 22, 3)),
        (f"istio/proxyv2@{DIGEST}", None),
        (f"registry.example:5000/istio/proxyv2@{DIGEST}", None),
        ("registry.example:1.22/proxyv2", None),
        ("istio/proxyv2:latest", None),
        ("istio/proxyv2", None),
        ("istio/proxyv2:our-build-77", None),
        ("istio/proxyv2:2024.01.15", None),
        ("istio/proxyv2:24.1.15", None),
        ("istio/proxyv2:3.2.1", None),
        ("istio/proxyv2:1.22.3.4", None),
        ("auto", None),
        ("", None),
    ],
)
def test_an_image_tag_tells_the_version_or_nothing(image: str, expected: Version | None):
    assert Version.of_image(image) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (Version(1, 25, 9), False),
        (Version(1, 26, 4), False),
        (Version(1, 26, 5), True),
        (Version(1, 26, 9), True),
        (Version(1, 27, 0), False),
        (Version(1, 27, 1), False),
        (Version(1, 27, 2), True),
        (Version(1, 28, 0), True),
        (Version(1, 30, 0), True),
        (Version(2, 0, 0), True),
    ],
)
def test_a_change_is_in_each_line_from_its_patch_release_on(version: Version, expected: bool):
    assert version.has((1, 26, 5), (1, 27, 2), (1, 28, 0)) is expected


def test_a_line_between_two_that_have_a_change_is_not_named_and_does_not_have_it():
    assert Version(1, 27, 9).has((1, 26, 5), (1, 28, 0)) is False


def test_versions_are_ordered_by_number_not_by_text():
    assert Version(1, 9, 0) < Version(1, 10, 0)
