"""The built-in checks: one file, one failure mode, one page of documentation."""
