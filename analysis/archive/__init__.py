"""The archive of a period ([R-9.1-4], [R-9.2-3]): frozen inputs, result, reports and pages.

`layout` names the files, `values` and `contract_toml` freeze values and the configuration, `frozen`
turns inputs into files and back, `pages` writes what people read, `container` keeps the files as a
folder or a zip with their hashes, `write` makes an archive, `verify` computes it again. Called by
`analysis.archive_commands`; builds on `analysis.evaluation` and `analysis.documents`.
"""
