"""Train the churn model and score customers with it."""
