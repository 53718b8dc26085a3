"""Verdict reports for people: one self-contained page per gate and date, readable with no network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from quality.suite import Suite
from quality.verdict import Outcome, Verdict

_TERMS = {Outcome.PASS: "通过", Outcome.PASS_WITH_WARNINGS: "通过（有告警）", Outcome.FAIL: "不通过"}
_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1b1b1b;
margin:2rem auto;max-width:72rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{border-bottom:1px solid #d5d5d5;padding:.35rem .6rem;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em}
.PASS{color:#176b2c}.PASS_WITH_WARNINGS{color:#8a5a00}.FAIL{color:#a81616;font-weight:600}
"""


def write_report(
    gate: str, batch_date: date, verdicts: Sequence[Verdict], suites: Sequence[Suite], folder: Path
) -> Path:
    """Write `index.html` and `verdicts.md` of one audit into `folder` and return the page's path."""
    described = {suite.table: suite for suite in suites}
    worst = _worst(verdicts)
    title = f"Gate {gate}, {batch_date}: {worst} {_TERMS[worst]}"
    page = [
        "<!doctype html><html lang='zh'><head><meta charset='utf-8'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Gate {html.escape(gate)} 质量闸口, {batch_date}: ",
        f"<span class='{worst}'>{worst} {_TERMS[worst]}</span></h1>",
        "<table><tr><th>table 表</th><th>outcome 结论</th><th>rows 行数</th><th>checks 检核</th>",
        "<th>owner 责任人</th><th>suite</th><th>fingerprint 指纹</th></tr>",
    ]
    text = [
        f"# {title}",
        "",
        "| table | 表 | outcome | rows | checks | owner | suite | fingerprint |",
        "|---|---|---|---:|---:|---|---|---|",
    ]
    for verdict in verdicts:
        suite = described[verdict.table]
        page.append(
            f"<tr><td><a href='#{verdict.table}'>{verdict.table}</a> {html.escape(suite.term)}</td>"
            f"<td class='{verdict.outcome}'>{verdict.outcome} {_TERMS[verdict.outcome]}</td>"
            f"<td class='n'>{verdict.rows:,}</td><td class='n'>{verdict.checks}</td>"
            f"<td>{html.escape(suite.owner)}</td><td>{verdict.suite_version}</td><td><code>{verdict.fingerprint[:8]}</code></td></tr>"
        )
        text.append(
            f"| {verdict.table} | {suite.term} | {verdict.outcome} | {verdict.rows:,} | {verdict.checks} "
            f"| {suite.owner} | {verdict.suite_version} | {verdict.fingerprint[:8]} |"
        )
    page.append("</table>")
    for verdict in verdicts:
        page.extend(_table_section(verdict, described[verdict.table]))
        if verdict.failures:
            text += ["", f"## {verdict.table} ({verdict.outcome})", ""]
            text += [f"- **{failure.severity}** {failure.sentence}. {failure.because}." for failure in verdict.failures]
    page.append("<p><a href='../data_docs/index.html'>Great Expectations Data Docs</a> (styled only online)</p>")
    page.append("</body></html>\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdicts.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    path = folder / "index.html"
    path.write_text("\n".join(page), encoding="utf-8")
    return path


def _table_section(verdict: Verdict, suite: Suite) -> Iterable[str]:
    failures = {failure.check: failure for failure in verdict.failures}
    yield f"<h2 id='{verdict.table}'>{verdict.table} {html.escape(suite.term)}</h2>"
    yield f"<p>{html.escape(suite.description)}</p>"
    yield "<table><tr><th>check</th><th>rule</th><th>severity</th><th>result</th><th>because</th></tr>"
    shown = {check.name: (check.rule, check.severity, check.because) for check in suite.all_checks}
    shown |= {f.check: (f.rule, f.severity, f.because) for f in verdict.failures if f.check not in shown}
    for name, (rule, severity, because) in shown.items():
        failure = failures.get(name)
        if failure is None:
            outcome, result = ("PASS", "holds") if "table_is_present" not in failures else ("FAIL", "not evaluated")
        else:
            outcome = "FAIL" if failure.severity == "fail" else "PASS_WITH_WARNINGS"
            result = html.escape(failure.observed)
            if failure.failing_rows is not None:
                link = f"failing_rows/{verdict.table}/{name}.parquet"
                keys = html.escape("; ".join(failure.sample_keys))
                result += f"<br><a href='{link}'>{failure.failing_rows:,} rows</a>, e.g. {keys}"
        yield (
            f"<tr><td>{name}</td><td>{rule}</td><td>{severity}</td><td class='{outcome}'>{result}</td>"
            f"<td>{html.escape(because)}</td></tr>"
        )
    yield "</table>"


def _worst(verdicts: Sequence[Verdict]) -> Outcome:
    for outcome in (Outcome.FAIL, Outcome.PASS_WITH_WARNINGS):
        if any(verdict.outcome is outcome for verdict in verdicts):
            return outcome
    return Outcome.PASS
