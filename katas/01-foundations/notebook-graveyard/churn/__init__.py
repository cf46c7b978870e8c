"""The churn notebook as a command."""
