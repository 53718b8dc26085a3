"""Names: from what a file calls a column, a table or itself to lower snake names of the lake."""

from __future__ import annotations

import re
from collections.abc import Iterable

TERMS = {
    "借据号": "loan_no", "借据编号": "loan_no", "贷款编号": "loan_no", "放款编号": "fund_loan_no",
    "资金方放款编号": "fund_loan_no", "合同号": "contract_no", "合同编号": "contract_no", "申请编号": "application_no",
    "申请单号": "application_no", "订单号": "order_no", "流水号": "serial_no", "还款流水号": "repay_no",
    "代偿编号": "comp_no", "事件编号": "event_no", "客户号": "customer_no", "客户编号": "customer_no",
    "序号": "line_no", "编号": "no", "号码": "no", "身份证号码": "cert_no", "身份证号": "cert_no", "身份证": "cert_no",
    "证件号码": "cert_no", "证件号": "cert_no", "证件类型": "cert_type_code", "客户姓名": "customer_name",
    "借款人姓名": "customer_name", "姓名": "customer_name", "户名": "account_name", "手机号码": "mobile",
    "手机号": "mobile", "手机": "mobile", "联系电话": "phone", "电话": "phone", "银行卡号": "bank_card_no",
    "卡号": "card_no", "账号": "account_no", "账户": "account", "邮箱": "email", "电子邮件": "email", "地址": "address",
    "住址": "address", "开户行": "bank_name", "银行": "bank", "金额": "amount", "本金": "principal_amount",
    "利息": "interest_amount", "罚息": "penalty_amount", "费用": "fee_amount", "手续费": "fee_amount",
    "担保费": "guarantee_fee_amount", "余额": "balance_amount", "额度": "limit_amount", "收入": "income_amount",
    "放款": "disbursed", "还款": "repaid", "应还": "due", "实还": "paid", "代偿": "compensated", "申请": "applied",
    "审批": "approved", "逾期": "overdue", "剩余": "remaining", "合同": "contract", "借款": "loan", "贷款": "loan",
    "利率": "rate", "年利率": "annual_rate", "月利率": "monthly_rate", "日利率": "daily_rate", "费率": "fee_rate",
    "期数": "term_count", "期号": "term_no", "期次": "term_no", "期限": "term_count", "天数": "days", "次数": "count",
    "日期": "date", "时间": "at", "放款日期": "disbursed_date", "放款日": "disbursed_date", "起息日": "value_date",
    "到期日": "maturity_date", "到期日期": "maturity_date", "应还日期": "due_date", "应还日": "due_date",
    "还款日期": "repaid_date", "还款日": "repaid_date", "代偿日": "compensated_date", "放款时间": "disbursed_at",
    "申请时间": "applied_at", "还款时间": "repaid_at", "创建时间": "created_at", "更新时间": "updated_at",
    "业务日期": "business_date", "交易日期": "traded_date", "交易时间": "traded_at", "有效期至": "valid_to",
    "生效日": "valid_from", "状态": "status_code", "类型": "type_code", "产品": "product", "产品编号": "product_no",
    "产品名称": "product_name", "产品代码": "product_code", "渠道": "channel", "渠道代码": "channel_code",
    "代码": "code", "标志": "flag", "名称": "name", "客户": "customer", "借款人": "borrower", "担保": "guarantee",
    "资金方": "funder", "机构": "institution", "商户": "merchant", "订单": "order", "交易": "trade", "支付": "payment",
    "结算": "settlement", "城市": "city", "省份": "province", "性别": "gender_code", "年龄": "age",
    "出生日期": "birth_date", "学历": "education_code", "婚姻状况": "marital_code", "职业": "occupation",
    "单位": "employer", "备注": "remark", "摘要": "summary", "币种": "currency_code", "评分": "score", "等级": "grade",
    "流水": "journal", "明细": "details", "计划": "plan", "文件": "file", "催收": "collection", "日报": "daily_report",
    "月报": "monthly_report", "密码": "password",
}  # fmt: skip
LONGEST = max(len(term) for term in TERMS)
CHINESE = re.compile(r"[\u3400-\u9fff]")
RESERVED = {"select", "from", "where", "group", "order", "table", "user", "desc", "asc", "end", "limit", "all", "case"}


def form_lake_name(physical: str | None) -> str | None:
    """Lower snake name for a name of a file; None where nothing can be made of it."""
    text = (physical or "").strip()
    if CHINESE.search(text):
        return _translate(text)
    # loanNo, LoanNO2 and LOAN-NO all give words divided by underscores.
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text))
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    if name and not name[0].isalpha():
        name = f"n_{name}"
    return name or None


def _translate(text: str) -> str | None:
    """Words of the dictionary, the longest first; None where any part is not in it."""
    text = re.sub(r"[(（\[【].*?[)）\]】]|[\s_/:：-]", "", text)
    words: list[str] = []
    while text:
        length = next((size for size in range(min(LONGEST, len(text)), 0, -1) if text[:size] in TERMS), 0)
        if not length:
            ascii_part = re.match(r"[A-Za-z0-9]+", text)
            if ascii_part is None:
                return None
            words.append(ascii_part[0].lower())
            length = ascii_part.end()
        else:
            words.append(TERMS[text[:length]])
        text = text[length:]
    name = "_".join(words)
    return name if name and name[0].isalpha() else None


def is_known_term(text: str) -> bool:
    """True where a Chinese text consists of words that the dictionary knows."""
    return bool(CHINESE.search(text)) and _translate(text) is not None


def has_known_term(text: str) -> bool:
    """True where a text holds a word of the dictionary (付款时间 holds 时间), as the name of no person does."""
    return any(term in text for term in TERMS if len(term) > 1)


def form_unique_names(physical: Iterable[str | None]) -> list[str]:
    """Lake names of all columns of a file, `column_NN` where its own says nothing, a number where it says it twice."""
    names: list[str] = []
    for position, text in enumerate(physical, 1):
        stem = form_lake_name(text) or f"column_{position:02d}"
        stem = f"{stem}_value" if stem in RESERVED else stem
        name, number = stem, 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.append(name)
    return names


def form_table_name(stem: str) -> str | None:
    """Lake name for a file's stem without dates and numbers."""
    return form_lake_name(re.sub(r"[\d_.\-\s]+$", "", re.sub(r"\{\w+\}|\d{4,}", "_", stem)).strip("_- ."))
