"""Requests that are not answered."""
