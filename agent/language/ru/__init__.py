"""Russian: numbers, dates, times, phones, names, services, intents, and the forms in which the agent speaks."""
