"""Whether a column identifies people or must not be delivered at all, by its values first and its name second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from ingestion.contract.profiles import Identifier
from ingestion.identifiers import canonical_sql, well_formed_sql
from ingestion.identifiers.kinds import list_compound_surnames

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖"
    "石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文施洪辛柯庄温牛樊葛邢安齐伍庞颜"
    "倪耿邬章鲁卞童华俞柳岳梅凌费聂焦鲍翁祝纪包司路关欧阮游阎成兰季凤裴盛翟申冉连甘娄骆穆苗左符"
)
GIVEN = re.compile(r"[\u3400-\u9fff\U00020000-\U0002fa1f]{1,3}|[\u3400-\u9fff]{1,8}[·•][\u3400-\u9fff]{1,10}")
LUHN = "0246813579"
ENOUGH = 0.9
MASKED: tuple[Identifier, ...] = ("mobile_masked", "cert_no_masked", "bank_card_masked")
NORMALISED: tuple[Identifier, ...] = ("cert_no", "mobile", *MASKED)
HASHED = {
    "mobile": re.compile(r"mobile|phone|msisdn|(^|[ _])tel_|手机|电话"),
    "bank_card": re.compile(r"bank_?card|card_?no|卡号"),
    "cert_no": re.compile(r"cert_?no|id_?card|id_?no|identity|(^| )id_?(md5|sha_?256|sm3|hash)|身份证|证件号"),
}
C3 = re.compile(
    r"(^|_)(password|passwd|pwd|cvv|cvv2|cvn|cvn2|pin|pinblock|pin_block|track|track_?[123]|track_data|otp"
    r"|fingerprint|biometric|biometrics|face|face_?(image|feature|data)|iris|voiceprint)(_|$)"
    r"|密码|口令|磁道|指纹|人脸|虹膜|声纹|验证码"
)
NAMED = tuple(
    (kind, re.compile(rf"(^|_)({english})(_|$)|{chinese}"))
    for kind, english, chinese in (
        ("cert_no", r"cert_?no|cert_?num(ber)?|id_?card(_?no)?|id_?no|identity(_no)?|idcard\w*", "身份证|证件号"),
        ("other identity number", r"ssn|soc_sec\w*|social_security\w*|passport\w*|tax_?id", "护照|社保号|军官证"),
        ("mobile", r"mobile\w*|phone\w*|tel|telephone|cell\w*|msisdn", "手机|电话"),
        ("bank_card", r"(bank_?)?card_?(no|num(ber)?)|acct_?no|account_?no", "卡号|银行账号"),
        (
            "person_name",
            r"(cust(omer)?|client|borrower|person|full|real|user|contact|given|sur|first|last)_?name",
            "姓名|户名|联系人",
        ),
        ("e-mail", r"e_?mail|mail", "邮箱|电子邮件"),
        ("address", r"addr|address\w*|street", "地址|住址"),
    )
)
HUMAN = re.compile(r"name|officer|manager|agent|operator|clerk|contact|staff|经理|经办|联系|操作员|员工|姓|人$")


@dataclass(frozen=True)
class Sensitivity:
    """What a column is taken for, how it is protected (None: not at all) and why, in counts."""

    kind: str
    protect: Identifier | None
    evidence: str
    is_refused: bool = False


def is_surname_first(text: str) -> bool:
    """True for text that could be a Chinese person's name."""
    if text[:2] in list_compound_surnames():
        return bool(GIVEN.fullmatch(text[2:]))
    return text[:1] in SURNAMES and bool(GIVEN.fullmatch(text[1:]))


def judge_sensitivity(
    name: str, physical: str, values: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> Sensitivity | None:
    """Judge one column by its present values (`value`, `n`); None where nothing points at a person."""
    called = f"{name} {physical.lower()}"
    if C3.search(called):
        return Sensitivity("C3", None, "its name says C3 data, which JR/T 0171 keeps out of any delivery", True)
    total = int(values["n"].sum())
    shares = _measure(values, connection)
    hint = next((kind for kind, pattern in NAMED if pattern.search(name) or pattern.search(physical.lower())), None)

    def report(kind: str, what: str) -> str:
        return f"{shares[kind]} of {total} values {what}"

    def holds(kind: str, least: int) -> bool:
        return shares[kind] >= ENOUGH * total and (total >= least or hint is not None)

    if holds("cert_no", 3):
        return Sensitivity("identity number", "cert_no", report("cert_no", "pass GB 11643"))
    if holds("mobile", 5):
        return Sensitivity("mobile", "mobile", report("mobile", "are mobile numbers by form"))
    if holds("hash", 3):
        return _judge_hash(called, report("hash", "are hexadecimal digests"), values)
    if holds("bank_card", 10):
        return Sensitivity("bank card", "bank_card", report("bank_card", "have 16 to 19 digits and pass Luhn"))
    if holds("email", 3):
        return Sensitivity("e-mail", "email", report("email", "are e-mail addresses by form"))
    for kind in MASKED:
        if holds(kind, 3):
            return Sensitivity(kind.replace("_", " "), kind, report(kind, "have its form: the party has masked them"))
    if holds("masked", 3):
        return Sensitivity(
            "masked", "opaque", report("masked", "hold an asterisk: the party seems to have masked them")
        )
    names = values.filter(pl.col("value").map_elements(is_surname_first, return_dtype=pl.Boolean))
    if names.height and int(names["n"].sum()) >= 0.85 * total and (values.height > 12 or hint == "person_name"):
        reported = f"{int(names['n'].sum())} of {total} values begin with a common surname"
        return Sensitivity("person's name", "person_name", reported)
    if holds("address", 10):
        return Sensitivity("address", "address", report("address", "name a place and a number or road"))
    return _judge_name(hint, values, shares, total)


def _judge_hash(called: str, reported: str, values: pl.DataFrame) -> Sensitivity:
    digits = int(values["value"].str.strip_chars().str.len_chars().max() or 0)  # type: ignore[arg-type]
    algorithm = "MD5" if digits == 32 else "SM3" if "sm3" in called else "SHA-256"
    of = next((kind for kind, pattern in HASHED.items() if pattern.search(called)), None)
    reported = f"{reported} of {digits} digits, by length {algorithm}"
    if digits == 64 and algorithm == "SHA-256" and "sha256" not in called:
        reported += " or SM3, which look alike"
    if of is None:
        return Sensitivity("digest", "opaque", f"{reported}; of what?")
    form: Any = f"{of}_{algorithm.lower().replace('-', '')}"
    return Sensitivity(f"hashed {of}", form, f"{reported}, and the name says {of}")


def _judge_name(hint: str | None, values: pl.DataFrame, shares: dict[str, int], total: int) -> Sensitivity | None:
    """What only the name says; digits or few distinct codes under a name like `address_type` say otherwise."""
    if hint is None or (values.height <= 12 and total >= 50):
        return None
    passing = {"cert_no": "pass GB 11643", "mobile": "are mobile numbers", "bank_card": "pass Luhn"}
    if hint in passing:
        reported = f"its name says {hint}, but only {shares[hint]} of {total} values {passing[hint]}"
        return Sensitivity(hint, "opaque", f"{reported}: protected without a rule for its form")
    if hint == "person_name" and not values["value"].str.contains(r"[0-9*＊]").any():
        return Sensitivity("person's name", "person_name", "its name says so, and no value holds a digit")
    return Sensitivity(hint, "opaque", "its name says so; the values have no form to go by")


def _measure(values: pl.DataFrame, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows have each form, with the platform's own rules for identifiers."""
    digit = "cast(substr(reverse(v), i, 1) as integer)"
    doubled = f"case when i % 2 = 1 then {digit} else cast(substr('{LUHN}', {digit} + 1, 1) as integer) end"
    luhn = f"list_sum(list_transform(range(1, length(v) + 1), lambda i: {doubled})) % 10 = 0"
    tests: dict[str, str] = {
        "cert_no": _valid("cert_no"),
        "mobile": _valid("mobile"),
        "hash": "regexp_full_match(v, '[0-9a-fA-F]{32}|[0-9a-fA-F]{64}') and not regexp_full_match(v, '[0-9]*')",
        "bank_card": f"case when regexp_full_match(v, '[0-9]{{16,19}}') then {luhn} else false end",
        **{kind: _valid(kind) for kind in MASKED},
        "email": r"regexp_full_match(v, '[^@\s]+@[^@\s]+\.[A-Za-z]{2,}')",
        "masked": r"regexp_matches(v, '[*＊]') and not regexp_full_match(v, '[*＊]+')",
        "address": "length(v) >= 8 and regexp_matches(v, '[省市县区州].*[路街道巷镇村号室栋]')",
    }
    counted = ", ".join(f"coalesce(sum(n) filter ({sql}), 0)" for sql in tests.values())
    normal = ", ".join(f"{canonical_sql(kind, 'v')} as {kind}" for kind in NORMALISED)
    connection.register("present", values.select(v=pl.col("value").str.strip_chars(), n="n"))
    # Normalised in a step of its own: the rules mention their value many times.
    found = connection.execute(
        f"with normal as materialized (select *, {normal} from present) select {counted} from normal"
    ).fetchall()
    connection.unregister("present")
    return dict(zip(tests, (int(number) for number in found[0]), strict=True))


def _valid(kind: Identifier) -> str:
    return f"coalesce({well_formed_sql(kind, kind)}, false)"
