"""The grid of cases_others.py for Google's types, which have a configuration and a way to their addresses of their own."""
import cases_others
from cases_others import why_different  # noqa: F401

CASES = list(cases_others.cases(cases_others.GOOGLE))
