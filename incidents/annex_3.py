"""The diagram of the procedure's annex 3 (5.3) as data: each box, what of ours it is, what follows.

The French copy has the boxes and no arrows, so the arrows are ours (docs/incidents.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the diagram in annex 3."""

    name: str
    """In the words of the diagram."""
    served_by: str
    """What of ours it is."""
    then: tuple[tuple[str, str], ...] = ()
    """(answer, next box); the answer is empty where nothing is asked."""


FIN = "FIN"
ANNEX_3: tuple[Box, ...] = (
    Box("Surveillance Claranet", "alert raised", (("", "Analyse des Alertes Claranet"),)),
    Box(
        "Analyse des Alertes Claranet",
        "alert analysed",
        (("", "Incident sur élément en surveillance ?"),),
    ),
    Box(
        "Incident sur élément en surveillance ?",
        "alert analysed: its PAS or device is configured",
        (("oui", "Perturbation de la production ?"), ("non", "Incident")),
    ),
    Box(
        "Perturbation de la production ?",
        "alert declared or dismissed with the reason",
        (("oui", "Incident"), ("non", FIN)),
    ),
    Box("Incident", "ticket opened", (("", "Identification & Qualification de l'incident"),)),
    Box(
        "Identification & Qualification de l'incident",
        "severity, criticality, device, address",
        (("", "Incident Claranet ?"),),
    ),
    Box(
        "Incident Claranet ?",
        "who is responsible: party of the plan's actions",
        (("oui", "Incident Alphyra ?"), ("non", "Incident Alphyra ?")),
    ),
    Box(
        "Incident Alphyra ?",
        "the operator's service is hit: a PAS of the contract",
        (("oui", "Déclaration de l'incident à Alphyra"), ("non", "Action Associée")),
    ),
    Box(
        "Déclaration de l'incident à Alphyra",
        "ticket reported, notice sent",
        (("", "Prise en compte de l'incident par Alphyra ?"),),
    ),
    Box(
        "Prise en compte de l'incident par Alphyra ?",
        "acknowledged",
        (("oui", "Analyse Alphyra & Plan d'actions"), ("non", "Incident Critique ?")),
    ),
    Box(
        "Incident Critique ?",
        "criticality",
        (("oui", "Procédure d'escalade Alphyra"), ("non", "Procédure d'escalade Alphyra")),
    ),
    Box(
        "Procédure d'escalade Alphyra",
        "escalation until somebody acknowledges",
        (("", "Prise en compte de l'incident par Alphyra ?"),),
    ),
    Box(
        "Analyse Alphyra & Plan d'actions",
        "ticket responded, plan of actions",
        (("", "Plan d'actions intégrant Claranet ?"),),
    ),
    Box(
        "Plan d'actions intégrant Claranet ?",
        "party of the plan's actions",
        (("oui", "Action Associée"), ("non", "Procédure Alphyra d'information du développement")),
    ),
    Box(
        "Procédure Alphyra d'information du développement",
        "action of the plan whose party is our own",
        (("", "Incident Résolu ?"),),
    ),
    Box("Action Associée", "action of the plan done, runbook", (("", "Incident Résolu ?"),)),
    Box(
        "Incident Résolu ?",
        "ticket restored, then validated by the ROC; otherwise reopened",
        (("oui", "Rapport d'incident Claranet"), ("non", "Analyse Alphyra & Plan d'actions")),
    ),
    Box(
        "Rapport d'incident Claranet",
        "provider's report, attached or waived",
        (("", "Rapport d'incident"),),
    ),
    Box(
        "Rapport d'incident",
        "incident report of `sla report --kind incident`",
        (("", "Transmission et Historisation"),),
    ),
    Box(
        "Transmission et Historisation",
        "ticket closed; the history stays",
        (("", "Rapport de qualité"),),
    ),
    Box("Rapport de qualité", "supervision report of the month", (("", FIN),)),
)
