"""Text of servers and errors, made short enough to keep; renderers escape it."""

from istiodoctor.model.redaction import redact

LONGEST = 200


def shown(words: object, most: int = LONGEST) -> str:
    """Return what an error or a server says: one line, without secrets, cut to a length."""
    if isinstance(words, OSError) and words.strerror and words.filename is None:
        words = words.strerror
    text = " ".join(str(words)[: 16 * most].split())
    return redact(text)[:most]
