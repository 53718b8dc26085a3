"""Words in the names of columns (列名用词) that say what is in them, and spellings of "no value"."""

from __future__ import annotations

import re

SPELLINGS = ("NULL", "null", "Null", "\\N", "-", "--", "N/A", "n/a", "NA", "#N/A", "NaN", "nan", "None", "(null)", "?")
OPEN_ENDED = re.compile(r"valid|expir|end|until|maturity|(^|_)to$|有效|到期|失效|截止|终止")


def _words(english: str, chinese: str) -> re.Pattern[str]:
    """English words as whole parts of a lower snake name, Chinese ones anywhere."""
    return re.compile(rf"(^|[_ ])({english})(s?)($|[_ ])|{chinese}")


CODE = _words(r"\w*(code|type|status|kind|flag|method|grade|level)|cd", "状态|类型|代码|标志|等级")
COUNT = _words("count|cnt|term|num|qty|day|month|year|age|seq|version|score|quantity|quant", "期|数|天|次|年龄|评分")
NUMBER_OF = _words("no|id|number|serial", "号|编码")
MONEY = _words(
    r"\w*(amount|amt|balance|principal)|interest|penalty|fee|income|salary|limit|price|cost|fen|yuan",
    "金额|本金|利息|罚息|余额|额度|收入|费|款",
)
RATE = _words("rate|ratio|percent|pct|apr|irr", "利率|费率|比例")
UNITS = re.compile(r"fen|yuan|分|元|percent|pct|%|‰|‱|万分|千分|百分")
FEW, MANY_ROWS = 5, 50
