"""Speech engines behind three ports: recogniser, synthesiser, speech detector. Knows no other room but core."""
