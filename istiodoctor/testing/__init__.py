"""Tests for the author of a check: the examples in its documentation, run.

A package of checks needs one test:

    @pytest.mark.parametrize("example", examples_of("shop_checks"), ids=str)
    def test_an_example_holds(example):
        verify(example)
"""

from istiodoctor.testing.clusters import cluster, cluster_of, mesh
from istiodoctor.testing.examples import Example, NoExamples, examples, examples_of
from istiodoctor.testing.verifying import ExampleFailed, verify

__all__ = [
    "Example",
    "ExampleFailed",
    "NoExamples",
    "cluster",
    "cluster_of",
    "examples",
    "examples_of",
    "mesh",
    "verify",
]
