"""Telephone numbers in E.164 form (ITU-T E.164), parsed by libphonenumber."""

from dataclasses import dataclass

import phonenumbers


@dataclass(frozen=True, slots=True)
class Phone:
    e164: str
    """With a plus and digits only: +79000000101."""

    @classmethod
    def parse(cls, text: str, region: str = "RU") -> "Phone | None":
        """Reads what a person or a trunk writes (8 926…, +7 (926)…, 7926…); None when it can be no number."""
        digits = "".join(ch for ch in text if ch.isdigit())
        candidate = f"+{digits}" if digits.startswith("7") and len(digits) == 11 and region == "RU" else text
        try:
            number = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_possible_number(number):
            return None
        return cls(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    @property
    def masked(self) -> str:
        """For logs and screens without the right to see it: only the last two digits."""
        return "*" * (len(self.e164) - 3) + self.e164[-2:]

    def __str__(self) -> str:
        return self.e164
