"""The real journal under the conversations: the servers and databases of the integration tests."""

from tests.integration.conftest import (  # noqa: F401  # fixtures are found by name
    database,
    database_url,
    embedded_stack,
    migrated_template,
)
