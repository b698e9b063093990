"""The booking agent: understands a turn, decides, answers in words. Knows neither audio nor messengers."""
