"""`amends demo`: the onboarding story with systems of its own, to see runs succeed, recover and be undone."""
