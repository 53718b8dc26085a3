"""The gate `landing` (入湖闸口): what was judged of a whole delivery, as a verdict beside those of the later gates."""

from __future__ import annotations

import hashlib

from ingestion.contract import Contract
from ingestion.delivery import Delivery
from ingestion.foundation.verdict import LANDING, Failure, Verdict
from ingestion.landing.judgement import DeliveryCheck, Judgement

RULES = {
    "verification": "L3",
    "announced_rows": "L5",
    "rows_conserved": "L5",
    "control_totals": "L6",
    "dialect": "L7",
    "layout": "L8",
    "business_date": "L9",
    "quarantine_share": "L11",
    "unrounded_numbers": "L11",
    "some_landed": "L11",
    "empty_form": "L12",
    "authentication_data": "L13",
    "volume": "L17",
    "keeps_its_rows": "L17",
}
LONGEST = 1000


def form_verdict(judgement: Judgement, delivery: Delivery, contract: Contract, rows: int) -> Verdict:
    """The verdict on one delivery, whether it may land or not.

    Its table is `<source>.<dataset>`, its fingerprint the delivery's own identifier, which hashes its content, and its
    suite the contract: version and digest. `rows` are those that came in, 0 where nothing could be read.
    """
    failures = tuple(_describe_failure(check) for check in judgement.checks if not check.is_held)
    return Verdict(
        gate=LANDING,
        table=f"{delivery.dataset.source}.{delivery.dataset.name}",
        batch_date=delivery.batch_date,
        fingerprint=delivery.delivery_id,
        suite_version=derive_suite_version(contract),
        rows=rows,
        checks=len(judgement.checks),
        failures=failures,
    )


def _describe_failure(check: DeliveryCheck) -> Failure:
    because = " ".join(check.sentence.split()).rstrip(".:")
    return Failure(
        check=check.name,
        severity=check.severity,
        rule=RULES[check.name],
        observed=f"{check.observed}, allowed {check.limit}",
        because=because if len(because) <= LONGEST else f"{because[:LONGEST]}…",
        failing_rows=check.failing_rows,
    )


def derive_suite_version(contract: Contract) -> str:
    """`<version>+<digest>`: a contract that was changed without a new version number is another one."""
    digest = hashlib.sha256(contract.model_dump_json().encode()).hexdigest()
    return f"{contract.version[:23]}+{digest[:8]}"
