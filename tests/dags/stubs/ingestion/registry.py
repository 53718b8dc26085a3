"""Stub: the sources and their schedules."""


def list_sources() -> list[tuple[str, str]]:
    return [(s, "0 7 * * *") for s in ("bank_a", "bank_b", "dept_collection", "dept_loan", "partner_x")]
