"""English: the same facts out of an English turn, smaller: dates, times, phones, names, services by a lexicon."""
