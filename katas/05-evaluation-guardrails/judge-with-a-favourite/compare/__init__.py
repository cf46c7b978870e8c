"""Compares two systems' answers with a judge model."""
