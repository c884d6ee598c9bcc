"""Which code explains which, over all checks that are installed."""

from collections.abc import Iterator, Mapping

from istiodoctor.registry import CODE, discover

EXPLAINS: Mapping[str, frozenset[str]] = {
    check.code: check.explains for check in discover().checks
}


def circles() -> Iterator[tuple[str, ...]]:
    """Yield each way of explaining that comes back to where it began."""
    finished: set[str] = set()

    def walk(code: str, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if code in way:
            yield way[way.index(code) :]
        elif code not in finished:
            for explained in sorted(EXPLAINS.get(code, ())):
                yield from walk(explained, (*way, code))
            finished.add(code)

    for code in EXPLAINS:
        yield from walk(code, ())


def test_no_code_explains_itself_not_even_by_way_of_others():
    assert list(circles()) == []


def test_what_a_check_explains_is_written_as_codes_are():
    wrong = {
        code: strange
        for code, explained in EXPLAINS.items()
        if (strange := [each for each in explained if not CODE.fullmatch(each)])
    }

    assert wrong == {}
