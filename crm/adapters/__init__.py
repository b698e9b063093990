"""One module or package per CRM; adapters never import each other."""
