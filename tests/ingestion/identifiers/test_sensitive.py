"""C3 detector: what must be found by name and by content, and what must not."""

from __future__ import annotations

import base64
from typing import Any

import duckdb
import pytest

from ingestion.contract import load_registry
from ingestion.foundation import load_settings
from ingestion.identifiers.sensitive import classify_name, find_forbidden_names, forbidden_kind_sql, forbidden_sql


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("password", "password"),
        ("loginPwd", "password"),
        ("TRADE_PASSWORD", "password"),
        ("pay-pwd-md5", "password"),
        ("PIN", "password"),
        ("pin_block", "password"),
        ("支付密码", "password"),
        ("登录口令", "password"),
        ("cvn2", "card_verification"),
        ("card_cvv", "card_verification"),
        ("信用卡安全码", "card_verification"),
        ("track2", "magnetic_track"),
        ("cardTrack2", "magnetic_track"),
        ("二磁道信息", "magnetic_track"),
        ("fingerprint", "biometric"),
        ("faceTemplate", "biometric"),
        ("指纹模板", "biometric"),
        ("人脸特征值", "biometric"),
        ("mobile", None),
        ("pinyin", None),
        ("name_pin_yin", None),
        ("shipping_address", None),
        ("tracking_no", None),
        ("device_fingerprint", None),
        ("设备指纹", None),
        ("设备指纹与人脸特征", "biometric"),
        ("password_changed_at", None),
        ("irish_name", None),
        ("spinner", None),
        ("验证结果", None),
    ],
)
def test_names(name: str, kind: str | None) -> None:
    assert classify_name(name) == kind
    assert find_forbidden_names(["ok", name]) == ([name] if kind else [])


def test_no_contract_is_suspected() -> None:
    datasets = load_registry(load_settings({})).datasets
    names = [name for dataset in datasets for column in dataset.columns for name in (column.name, column.physical_name)]
    assert len(names) > 100
    assert find_forbidden_names(names) == []


def ask(sql: str, value: str | None) -> Any:
    with duckdb.connect() as connection:
        return connection.execute(f"select {sql} from (select $1::varchar as v)", [value]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("%B4111111111111111^LI/MING^2612101000000000?", "magnetic_track"),
        (";4111111111111111=26121010000000000000?", "magnetic_track"),
        ("刷卡 4111111111111111=2612101123456", "magnetic_track"),
        ("4111111111111111 12/26 123", "card_verification"),
        ("卡号:4111 1111 1111 1111, 有效期:12/2026, CVV:123", "card_verification"),
        ("4111111111111111|1226|123", "card_verification"),
        ("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "password"),
        ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "password"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub", "password"),
        ("{SSHA}5wRHUQxypw7C4AVd4yRRTL7vm2Im7yRb", "password"),
        ("/9j/" + "4AAQSkZJRgABAQ" * 8, "biometric"),
        ("data:image/png;base64," + "iVBORw0KGgo" * 8, "biometric"),
        (base64.b64encode(bytes(range(256)) * 4).decode(), "biometric"),
        (base64.encodebytes(bytes(range(256)) * 4).decode(), "biometric"),
        ("1" * 20 + base64.b64encode(b"4111111111111111" * 80).decode(), "biometric"),
        (None, None),
        ("", None),
        ("4111111111111112 12/26 123", None),
        ("4111111111111111", None),
        ("13812341234 2026-03-02 07:15:00", None),
        ("11010519491231002X", None),
        ("客户来电咨询提前还款，已告知应还 1234.56 元，回拨 13812341234，工单 20260302123456789。", None),
        ("订单 202603021234567890123 金额 12/26 分 100 元", None),
        ("a" * 64, None),
        ("b4111111111111111a0126f123e" + "c" * 37, None),
        ("0123456789abcdef" * 4, None),
        ("https://example.com/p?id=20260302071500123&t=1234567", None),
        ("x=1234567890123456", None),
        ("助贷平台放款通知。" * 400, None),
        ('{"channel": "e", "note": "^ and = are fine"}', None),
        ("$100,000.00 approved for the customer", None),
        ("{SHARE} of the partner", None),
        ("word " * 500, None),
    ],
)
def test_contents(text: str | None, kind: str | None) -> None:
    assert ask(forbidden_kind_sql("v"), text) == kind
    assert ask(forbidden_sql("v"), text) is (kind is not None)
