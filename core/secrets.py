"""The companies' secrets (CRM tokens, bot tokens), encrypted so that a row cannot be moved to another place.

The Fernet token holds the secret together with its company and name; opening it for another company or name fails,
even for somebody who may write the table. Rotation: put a new key in front, run `rotate` for each company, drop the
old key.
"""

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.database import Database
from core.errors import ConfigurationError
from core.ids import CompanyId
from core.tenancy import CompanyScope


class SecretBox:
    """Encryption with the installation's keys; no I/O."""

    def __init__(self, keys: Sequence[str]) -> None:
        """The first key encrypts, all decrypt. Raises ConfigurationError without a usable key."""
        if not keys:
            raise ConfigurationError("at least one Fernet key is needed to keep secrets (AI_ADMIN_SECRET_KEYS)")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigurationError("AI_ADMIN_SECRET_KEYS holds something that is no Fernet key") from None

    def seal(self, company_id: CompanyId, name: str, secret: str) -> bytes:
        bound = json.dumps([str(company_id), name, secret], ensure_ascii=False)
        return self._fernet.encrypt(bound.encode())

    def open(self, company_id: CompanyId, name: str, token: bytes) -> str:
        """Raises ConfigurationError when no key fits or the token was sealed for another company or name."""
        try:
            bound = json.loads(self._fernet.decrypt(token))
        except InvalidToken:
            raise ConfigurationError(
                "a stored secret cannot be decrypted: its key is missing from AI_ADMIN_SECRET_KEYS", secret_name=name
            ) from None
        if bound[:2] != [str(company_id), name]:
            raise ConfigurationError("a stored secret was sealed for another place: enter it again", secret_name=name)
        return str(bound[2])

    def rotate(self, token: bytes) -> bytes:
        """The same content under the first key. Raises ConfigurationError when no key fits."""
        try:
            return self._fernet.rotate(token)
        except InvalidToken:
            raise ConfigurationError(
                "a stored secret cannot be decrypted: its key is missing from AI_ADMIN_SECRET_KEYS"
            ) from None


class CompanySecrets:
    """The table of secrets. Values leave it only through `get`."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    async def put(self, scope: CompanyScope, name: str, secret: str) -> None:
        """Stores or replaces."""
        async with self._database.company(scope) as conn:
            await conn.execute(
                """insert into company_secrets (company_id, name, ciphertext) values ($1, $2, $3)
                   on conflict (company_id, name) do update set ciphertext = excluded.ciphertext, updated_at = now()""",
                scope.company_id,
                name,
                self._box.seal(scope.company_id, name, secret),
            )

    async def get(self, scope: CompanyScope, name: str) -> str | None:
        async with self._database.company(scope) as conn:
            token = await conn.fetchval(
                "select ciphertext from company_secrets where company_id = $1 and name = $2", scope.company_id, name
            )
        return None if token is None else self._box.open(scope.company_id, name, token)

    async def names(self, scope: CompanyScope) -> Sequence[str]:
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select name from company_secrets where company_id = $1 order by name", scope.company_id
            )
        return [row["name"] for row in rows]

    async def delete(self, scope: CompanyScope, name: str) -> bool:
        """False: there was none."""
        async with self._database.company(scope) as conn:
            status = await conn.execute(
                "delete from company_secrets where company_id = $1 and name = $2", scope.company_id, name
            )
        return status != "DELETE 0"

    async def rotate(self, scope: CompanyScope) -> int:
        """Seals every secret of the company anew under the first key; the number of secrets."""
        async with self._database.company(scope) as conn:
            rows = await conn.fetch(
                "select name, ciphertext from company_secrets where company_id = $1 order by name for update",
                scope.company_id,
            )
            await conn.executemany(
                "update company_secrets set ciphertext = $3 where company_id = $1 and name = $2",
                [(scope.company_id, row["name"], self._box.rotate(row["ciphertext"])) for row in rows],
            )
        return len(rows)
