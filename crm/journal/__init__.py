"""The built-in journal: a salon's book on our own PostgreSQL, for salons without a CRM."""
