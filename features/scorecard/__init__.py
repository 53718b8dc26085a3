"""A logistic scorecard (评分卡) on gated features: trained on past funded applications, applied to the scoring frame.

    scorecard.train(cutoff)        learn from the loans that have matured by a date, and save the model
    scorecard.score(batch_date)    score the scoring frame of a date, and publish the set `scores`
    scorecard.label_loans(cutoff)  the labels by themselves

Label: 30+ days past due ever within 90 days of funding, before compensation (operator >=, so 30 days count),
of loans whose 90 days have passed at the cut-off; reversed loans are left out. Features are as of
`applied_at`, by the same engine as scoring.
"""

from features.scorecard.labels import label_loans
from features.scorecard.model_files import ModelMissing
from features.scorecard.scoring import ScoringReport, score
from features.scorecard.training import ScorecardNotTrainable, train

__all__ = ["ModelMissing", "ScorecardNotTrainable", "ScoringReport", "label_loans", "score", "train"]
