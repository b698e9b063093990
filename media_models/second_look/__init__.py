"""A second look at what a small recogniser heard: readings that sound alike, weighed by words, spelling and sound.

The embedded recogniser writes what it does not know by ear: «не да веряю», «сроботом». This package makes other
readings of its best ones (readings.py), with words that exist (spellings.py), and chooses by three witnesses: the
recogniser's own decoder, the characters that its encoder hears (characters.py), and how likely such words follow each
other (words.py). choose.py puts them together.
"""
