"""The control plane: a Faust app whose agents run on low-rate topics. So far one: the learner of models."""

from __future__ import annotations

from stream.control.reports import ModelReport, Report, parse_report

__all__ = ["ModelReport", "Report", "parse_report"]
