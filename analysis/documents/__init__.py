"""The printed documents: contractual, technical, supervision and incident report.

A document is built once, without a language (`content`), from lines, facts and traffic; then it is
rendered in a language to HTML, PDF, CSV or JSON. `analysis.report_commands` and the archive call in
here; nothing in here reads the store or the facts folder.
"""
