"""The evaluation: contract, facts and traffic in, lines with their penalties out.

Everything in here is pure but `gather`, which reads folders and stores. `sla` commands, reports and
the archive call it; it calls the rules, the catalogue and the inventory.
"""
