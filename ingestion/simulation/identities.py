"""Invented persons' identifiers, valid by form: identity numbers (GB 11643), mobiles and names."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
CHECK_CHARACTERS = "10X98765432"

REGIONS = (  # noqa: SIM905
    "110101 110105 120103 130102 130203 140105 150102 210102 210202 220102 230102 310101 310115 320102 320505"
    " 330106 330203 340104 340524 350102 350203 360102 370102 370202 410102 410305 420106 420502 430102"
    " 430302 440106 440305 440606 450103 460105 500103 510104 510703 520102 530102 540102 610103 620102"
    " 630102 640104 650102"
).split()
FIRST_BIRTH_DATE = date(1966, 1, 1)
LAST_BIRTH_DATE = date(2005, 12, 31)
SEGMENTS = (  # noqa: SIM905
    "130 131 132 133 135 136 137 138 139 147 150 151 152 153 155 156 157 158 159 166 170 173 175 176 177 178"
    " 180 181 182 183 185 186 187 188 189 191 193 195 198 199"
).split()
ISSUERS = ("621226", "621700", "622848", "621661", "622588", "621799", "622908")

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖"
    "石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常"
)
COMPOUND_SURNAMES = "欧阳 司马 上官 诸葛 司徒 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 夏侯 端木".split()  # noqa: SIM905
GIVEN_CHARACTERS = (
    "伟芳娜敏静丽强磊洋艳勇军杰娟涛超明秀霞平刚桂英华玉兰红建国志文辉海波鹏宇浩轩子涵梓雨欣怡嘉琪思佳俊豪天晨阳泽瑞博雅"
    "婷雪梅春燕晓东云龙飞凤山林森川江永康安宁福祥瑶琳璐颖倩薇菲蓉莉萍娇慧巧美瑾瑜昊睿"
)
RARE_CHARACTERS = "𠮷㛃珅倈億"


def check_character(digits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Position in `CHECK_CHARACTERS` for each row of the 17 leading digits (GB 11643, ISO 7064 MOD 11-2)."""
    remainder: npt.NDArray[np.int64] = (digits * WEIGHTS).sum(axis=1) % 11
    return remainder


def complete_cert_numbers(leading: pl.Series) -> pl.Series:
    """Append the check character to the 17 leading digits of identity numbers."""
    characters = np.frombuffer("".join(leading.to_list()).encode("ascii"), dtype=np.uint8)
    digits = characters.reshape(-1, 17).astype(np.int64) - ord("0")
    return leading + pl.Series(list(CHECK_CHARACTERS)).gather(check_character(digits))


def draw_cert_numbers(stream: np.random.Generator, size: int) -> pl.Series:
    """Draw distinct valid identity numbers of adults."""
    days = (LAST_BIRTH_DATE - FIRST_BIRTH_DATE).days + 1
    drawn = stream.choice(len(REGIONS) * days * 999, size=size, replace=False)
    region, rest = np.divmod(drawn, days * 999)
    day, order = np.divmod(rest, 999)
    births = np.datetime64(FIRST_BIRTH_DATE, "D") + day.astype("timedelta64[D]")
    frame = pl.DataFrame({"region": pl.Series(REGIONS).gather(region), "birth": births, "order": order + 1})
    leading = frame.select(
        pl.concat_str("region", pl.col("birth").dt.strftime("%Y%m%d"), _padded(pl.col("order"), 3))
    ).to_series()
    return complete_cert_numbers(leading).alias("cert_no")


def draw_mobiles(stream: np.random.Generator, size: int) -> pl.Series:
    """Draw distinct mobile numbers."""
    segment, number = np.divmod(stream.choice(len(SEGMENTS) * 10**8, size=size, replace=False), 10**8)
    frame = pl.DataFrame({"segment": pl.Series(SEGMENTS).gather(segment), "number": number})
    return frame.select(pl.concat_str("segment", _padded(pl.col("number"), 8)).alias("mobile")).to_series()


def draw_bank_cards(stream: np.random.Generator, size: int) -> pl.Series:
    """Draw distinct card numbers of 19 digits, valid by Luhn's check digit."""
    issuer, number = np.divmod(stream.choice(len(ISSUERS) * 10**12, size=size, replace=False), 10**12)
    frame = pl.DataFrame({"issuer": pl.Series(ISSUERS).gather(issuer), "number": number})
    leading = frame.select(pl.concat_str("issuer", _padded(pl.col("number"), 12))).to_series()
    characters = np.frombuffer("".join(leading.to_list()).encode("ascii"), dtype=np.uint8)
    digits = characters.reshape(-1, 18).astype(np.int64) - ord("0")
    digits[:, 1::2] *= 2
    check = -(digits // 10 + digits % 10).sum(axis=1) % 10
    return (leading + pl.Series(check).cast(pl.String)).alias("bank_card")


def draw_names(stream: np.random.Generator, size: int) -> pl.Series:
    """Draw names: Zipf-like surnames, 1.5 % compound ones, one or two given characters, 1 % with a rare one.

    The rare ones hold characters of four bytes in GB18030, and others whose second byte is `|`.
    """
    ranks = np.arange(1, len(SURNAMES) + 1)
    shares = ranks**-0.7
    frequent = pl.Series(list(SURNAMES)).gather(stream.choice(len(SURNAMES), size=size, p=shares / shares.sum()))
    compound = pl.Series(COMPOUND_SURNAMES).gather(stream.integers(len(COMPOUND_SURNAMES), size=size))
    is_compound = pl.Series(stream.random(size) < 0.015)
    given = pl.Series(list(GIVEN_CHARACTERS))
    first = given.gather(stream.integers(len(GIVEN_CHARACTERS), size=size))
    second = given.gather(stream.integers(len(GIVEN_CHARACTERS), size=size))
    rare = pl.Series(list(RARE_CHARACTERS)).gather(stream.integers(len(RARE_CHARACTERS), size=size))
    has_second = pl.Series(stream.random(size) < 0.78)
    is_rare = pl.Series(stream.random(size) < 0.01)
    surname = compound.zip_with(is_compound, frequent)
    middle = first.zip_with(has_second, pl.Series([""]).gather(np.zeros(size, dtype=np.int64)))
    return (surname + middle + rare.zip_with(is_rare, second)).alias("customer_name")


def _padded(number: pl.Expr, width: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(width)
