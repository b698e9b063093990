"""The chat on the salon's own web page: the widget that visitors load, and the server that it talks to."""
