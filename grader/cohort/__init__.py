"""Cohorts: many learners' work collected, graded once and kept. Nothing below imports this."""
