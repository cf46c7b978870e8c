"""Cross-validation of a biomarker panel, as a command."""
