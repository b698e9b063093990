"""What the agent says, one module per language. Facts come in as data; nothing here looks anything up."""
