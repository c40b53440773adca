"""The function of 10_own_function.sql."""

from velo_engine.udf import scalar


@scalar
def valid_iban(text: str) -> bool:
    """Whether the check digits are right (ISO 13616): moved to the end, letters as numbers, it is 1 modulo 97."""
    compact = text.replace(" ", "").upper()
    if len(compact) < 5 or not compact.isalnum():
        return False
    digits = "".join(str(int(character, 36)) for character in compact[4:] + compact[:4])
    return int(digits) % 97 == 1
