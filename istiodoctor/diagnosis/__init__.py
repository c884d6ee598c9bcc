"""From findings to a report: merge, link causes, fold, rank."""

from istiodoctor.diagnosis.report import Judgement, diagnose

__all__ = ["Judgement", "diagnose"]
