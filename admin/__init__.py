"""The JSON API of the product and the site that uses it."""
