"""How the end-of-turn model is made: synthetic turns with hesitations, heard by the real engines, and a small fit."""
