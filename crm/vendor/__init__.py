"""What the adapters of outside CRMs share: HTTP, tokens, our own schedule, links. Knows no vendor."""
