"""The salon's book: one port to any CRM, the built-in journal, slot search, booking intents."""
