"""Trains the models that score credit risk, measures them, and writes their artefacts."""
