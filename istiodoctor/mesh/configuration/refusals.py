"""STUB, to be replaced."""


def refusal_of_listener(chains):
    return None
