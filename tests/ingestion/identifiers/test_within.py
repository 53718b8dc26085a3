"""Identifiers inside texts: what is found and masked there, and what only looks like it; names and patterns too."""

from __future__ import annotations

import duckdb
import pytest

from ingestion.identifiers.sensitive import classify_identifying_name, classify_identifying_pattern
from ingestion.identifiers.within import STARS, holds_identifier_sql, masked_text_sql


def ask(sql: str, text: str | None) -> object:
    return duckdb.execute(f"select {sql} from (select $1::varchar as v)", [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话15995577889联系", f"电话{STARS}联系"),
        ("159 9557 7889", STARS),
        ("+86-15995577889", STARS),
        ("tel15995577889", f"tel{STARS}"),
        ('{"contacts":[{"mobile":15995577889}]}', f'{{"contacts":[{{"mobile":{STARS}}}]}}'),
        ("身份证320102200004120990已核", f"身份证{STARS}已核"),
        ("13909114101,320102200004120990;320102200004120990", f"{STARS},{STARS};{STARS}"),
        ("卡6222021234567890128", f"卡{STARS}"),
        ("6222 0212 3456 7890 128", STARS),
        ("车 粤B12345 停放", f"车 {STARS} 停放"),
        ("来信 abc@example.com", f"来信 {STARS}"),
        ("姓名:张三丰", f"姓名:{STARS}"),
        ("微信号：wx_abc-123", f"微信号：{STARS}"),
    ],
)
def test_identifiers_are_found_and_masked(text: str, masked: str) -> None:
    assert (ask(holds_identifier_sql("v"), text), ask(masked_text_sql("v"), text)) == (True, masked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "客户来电咨询还款日期",
        "HJ15995577889",
        "0.15995577889",
        "2026030212345678901234567890",
        "20260302123456789012",
        "320102200004120991",
        "42010220000412099X",
        "6222021234567890123",
        "app 1.2.3.4 build 20260302",
        "2026-03-02 09:05:07",
        "0f7c15995577889aa",
    ],
)
def test_what_only_looks_like_one_is_left(text: str) -> None:
    assert (ask(holds_identifier_sql("v"), text), ask(masked_text_sql("v"), text)) == (False, text)


def test_nothing_holds_nothing() -> None:
    assert (ask(holds_identifier_sql("v"), None), ask(masked_text_sql("v"), None)) == (False, None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("手机号", "mobile"), ("联系电话", "mobile"), ("custMobile", "mobile"), ("身份证号码", "cert_no"),
        ("id_card_no", "cert_no"), ("银行卡号", "bank_card"), ("客户姓名", "person_name"),
        ("customerName", "person_name"),
        ("IMEI", "device_id"), ("微信号", "opaque"), ("车牌号", "opaque"), ("client_ip", "opaque"), ("经度", "opaque"),
        ("phone_count", None), ("手机号验证状态", None), ("is_mobile_bound", None), ("卡号后四位", None), ("zip", None),
        ("product_name", None), ("description", None), ("借据号", None), ("recipient_code", None),
    ],
)  # fmt: skip
def test_names_say_identifier(name: str, kind: str | None) -> None:
    assert classify_identifying_name(name) == kind


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("1[3-9][0-9]{9}", "mobile"), (r"1\d{10}", "mobile"), (r"[1-9]\d{16}[\dXx]", "cert_no"),
        ("62[0-9]{14,17}", "bank_card"), ("[0-9]{20,28}", None), ("[0-9]{18}", None), ("[0-9]{11}", None), (".*", None),
        ("HJ[0-9]+", None),
    ],
)  # fmt: skip
def test_patterns_say_identifier(pattern: str, kind: str | None) -> None:
    assert classify_identifying_pattern(pattern) == kind
