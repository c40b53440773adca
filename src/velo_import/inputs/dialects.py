"""Whose SQL a text that Flink does not read looks like: said in a hint, never decided upon."""

from __future__ import annotations

import re

_SIGNS = {
    "ksqlDB": (
        *(r"\bKAFKA_TOPIC\s*=", r"\bVALUE_FORMAT\s*=", r"\bEMIT\s+CHANGES\b", r"\bLATEST_BY_OFFSET\b"),
        r"\bCREATE\s+(OR\s+REPLACE\s+)?(SOURCE\s+)?STREAM\b",
        r"\bWINDOW\s+(TUMBLING|HOPPING|SESSION)\s*\(\s*(SIZE\b|\d)",
    ),
    "a template": (r"\{%-?\s*\w+", r"\{\{[^}]*\}\}", r"\{#"),
    "Spark SQL": (
        *(r"\bUSING\s+(DELTA|PARQUET|ICEBERG|ORC|CSV|JSON)\b", r"\bTBLPROPERTIES\b", r"\bLATERAL\s+VIEW\b"),
        *(r"\b(STREAMING|LIVE)\s+TABLE\b", r"\bCACHE\s+TABLE\b", r"\bOPTIMIZE\s+\w+"),
    ),
    "Hive": (r"\bSTORED\s+AS\s+\w+", r"\bROW\s+FORMAT\s+(SERDE|DELIMITED)\b", r"\bMSCK\s+REPAIR\b"),
    "Snowflake": (
        *(
            r"\bVARIANT\b",
            r"\bFLATTEN\s*\(\s*INPUT\b",
            r"\bCOPY\s+INTO\b",
            r"\bDYNAMIC\s+TABLE\b",
            r"\bTIMESTAMP_NTZ\b",
        ),
        r"\bCREATE\s+(OR\s+REPLACE\s+)?(STAGE|PIPE|WAREHOUSE|TRANSIENT|TASK)\b",
    ),
    "BigQuery": (
        *(r"\bSAFE_CAST\s*\(", r"\bPARTITION\s+BY\s+DATE\s*\(", r"\b(INT64|FLOAT64)\b"),
        r"\bSELECT\s+AS\s+STRUCT\b",
    ),
    "Materialize or RisingWave": (r"\bCREATE\s+(SOURCE|SINK)\b", r"\bFROM\s+KAFKA\s+(CONNECTION|BROKER)\b"),
    "PostgreSQL": (
        *(r"::\s*\w+", r"\b(BIG)?SERIAL\b", r"\bRETURNING\b", r"\$\$", r"\bILIKE\b", r"\bON\s+CONFLICT\s*\("),
        *(r"\bTIMESTAMPTZ\b", r"\bJSONB\b", r"\bGENERATE_SERIES\s*\(", r"\bDISTINCT\s+ON\s*\("),
    ),
    "SQL Server": (
        *(r"\bNVARCHAR\b", r"\bSELECT\s+TOP\s+\(?\d+", r"^\s*GO\s*$", r"\bDECLARE\s+@", r"\bIDENTITY\s*\("),
        *(r"\[dbo\]", r"\bGETDATE\s*\("),
    ),
    "Oracle": (
        *(r"\bVARCHAR2\b", r"\bNUMBER\s*\(\d", r"\bFROM\s+DUAL\b", r"\bSYSDATE\b", r"\bROWNUM\b"),
        r"\bCREATE\s+(OR\s+REPLACE\s+)?PACKAGE\b",
    ),
    "MySQL": (r"\bAUTO_INCREMENT\b", r"\bENGINE\s*=\s*\w+", r"\bON\s+DUPLICATE\s+KEY\b", r"\bUNSIGNED\b"),
}
_COMPILED = {name: re.compile("|".join(signs), re.IGNORECASE | re.MULTILINE) for name, signs in _SIGNS.items()}
_LOOKED_AT = 20_000
"""Characters."""
_TEMPLATE = (
    "this looks like a template (Jinja, as dbt uses it): import what it renders to, for dbt the files that "
    "`dbt compile` writes"
)


def dialect_hint(text: str) -> str | None:
    """What a statement that Flink does not read looks like, as a hint; None when it looks like nothing known."""
    shown = text[:_LOOKED_AT]
    found = next((name for name, pattern in _COMPILED.items() if pattern.search(shown)), None)
    if found is None:
        return None
    if found == "a template":
        return _TEMPLATE
    return f"this looks like {found}, which is not imported: write the statement in Flink SQL"
