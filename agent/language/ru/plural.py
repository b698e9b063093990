"""Agreement of a noun with a number: 1 час, 2 часа, 5 часов."""


def plural(count: int, one: str, few: str, many: str) -> str:
    """The form that stands after the count, without the count: plural(22, "час", "часа", "часов") is "часа"."""
    count = abs(count)
    if count % 10 == 1 and count % 100 != 11:
        return one
    if 2 <= count % 10 <= 4 and not 12 <= count % 100 <= 14:
        return few
    return many
