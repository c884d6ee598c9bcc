"""Operations: versions, time, policies."""
