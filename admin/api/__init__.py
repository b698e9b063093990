"""The JSON API of the product. A company is known by its API key; errors carry a code and a remedy."""
